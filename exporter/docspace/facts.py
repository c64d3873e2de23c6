"""What a portal says beside its key list: whether it holds all keys, the version, disabled people.

Asked after the list, over the same connection, in a part of the time that is left. A failure costs
the fact alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from exporter.clock import Clock
from exporter.config import PortalSettings
from exporter.docspace import wire
from exporter.docspace.credential import Credential
from exporter.docspace.errors import PortalError
from exporter.docspace.observation import PortalFacts, Visibility
from exporter.docspace.people import RETRY_SECONDS, Disabled, DisabledPeople
from exporter.docspace.status_errors import status_error
from exporter.docspace.transport import Transport

T = TypeVar("T")

PROFILE = "/api/2.0/people/@self"
VERSION = "/api/2.0/settings/version/build"

#: Seconds between two looks at the caller's profile and at the version.
_INTERVAL = 3600.0
#: Seconds that all questions after one key list may take; the list must not wait long for them.
_SECONDS = 2.0
#: Seconds that are too few to ask anything.
_TOO_SHORT = 0.05
#: Bytes of an answer at most: a page of 100 full profiles has about 300 KB.
_MAX_BYTES = 2 * 1024 * 1024


@dataclass(slots=True)
class _Question:
    """Something to ask at ``path``, next when the monotonic clock shows ``due``."""

    path: str
    due: float = float("-inf")


class FactFinder:
    """Keeps the facts of one portal up to date. Not for two threads at once."""

    def __init__(self, settings: PortalSettings, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        self._people = DisabledPeople(settings.people_interval)
        self._visibility: Visibility
        self._start_over(None)

    def learn(self, caller: Credential, deadline: float) -> PortalFacts:
        """Ask what is due, by the deadline (monotonic seconds), and return what is known.

        Facts about another caller are worth nothing: a new credential starts from nothing.
        """
        if caller != self._caller:
            self._start_over(caller)
        now = self._clock.monotonic()
        ends = now + min(_SECONDS, (deadline - now) / 2)
        profile = self._ask(self._profile, wire.parse_profile, ends)
        if profile is not None:
            self._visibility = "all" if profile.sees_all else "own"
        version = self._ask(self._build, wire.parse_version, ends)
        if version is not None:
            self._version = version
        disabled = self._disabled(ends)
        return PortalFacts(self._visibility, self._version, disabled.ids, disabled.error)

    def _start_over(self, caller: Credential | None) -> None:
        self._caller = caller
        self._profile = _Question(PROFILE)
        self._build = _Question(VERSION)
        self._visibility = "unknown"
        self._version = ""
        self._people.forget()

    def _disabled(self, ends: float) -> Disabled:
        """Only an admin may list people, and only an admin's key list has other people's keys."""
        if self._visibility != "all":
            self._people.forget()
            return Disabled()
        page = partial(self._get, parse=wire.parse_people, ends=ends)
        return self._people.read(page, self._clock.monotonic)

    def _ask(self, question: _Question, parse: Callable[[bytes], T], ends: float) -> T | None:
        """The answer to a question that is due. What is known stays where asking fails."""
        if self._clock.monotonic() < question.due:
            return None
        try:
            answer = self._get(question.path, parse, ends)
        except PortalError:
            question.due = self._clock.monotonic() + RETRY_SECONDS
            return None
        if answer is not None:
            question.due = self._clock.monotonic() + _INTERVAL
        return answer

    def _get(self, path: str, parse: Callable[[bytes], T], ends: float) -> T | None:
        """The parsed answer; None where no time is left to ask. Raises PortalError."""
        remaining = ends - self._clock.monotonic()
        if remaining < _TOO_SHORT or self._caller is None:
            return None
        response = self._transport.get(path, self._caller.header, remaining, _MAX_BYTES)
        if response.status != 200:
            raise status_error(response, response.received, self._caller)
        return parse(response.body)
