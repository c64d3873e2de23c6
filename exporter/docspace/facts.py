"""Facts beside the key list: whether it holds all keys, the version, the disabled people.

They are requested after the list, over the same connection, in a part of the remaining time. If a
request fails, only its fact is missing.
"""

from collections.abc import Callable
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

#: Seconds between two requests for the caller's profile, and for the version.
_INTERVAL = 3600.0
#: Most seconds for all requests after one key list, which waits for them.
_SECONDS = 2.0
#: Fewest seconds for a request.
_TOO_SHORT = 0.05
#: Most bytes of an answer: a page of 100 full profiles has about 300 KB.
_MAX_BYTES = 2 * 1024 * 1024


class FactFinder:
    """Keeps the facts of one portal, for one thread at a time."""

    def __init__(self, settings: PortalSettings, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        self._people = DisabledPeople(settings.people_interval)
        self._visibility: Visibility
        self._start_over(None)

    def learn(self, caller: Credential, deadline: float) -> PortalFacts:
        """Make the requests that are due by ``deadline`` (monotonic seconds); return all facts.

        A new credential starts without facts, since they belong to its caller.
        """
        if caller != self._caller:
            self._start_over(caller)
        now = self._clock.monotonic()
        ends = now + min(_SECONDS, (deadline - now) / 2)
        sees_all = self._ask(PROFILE, wire.parse_profile, ends)
        if sees_all is not None:
            self._visibility = "all" if sees_all else "own"
        version = self._ask(VERSION, wire.parse_version, ends)
        if version is not None:
            self._version = version
        disabled = self._disabled(ends)
        return PortalFacts(self._visibility, self._version, disabled.ids, disabled.error)

    def _start_over(self, caller: Credential | None) -> None:
        self._caller = caller
        self._due: dict[str, float] = {}
        self._visibility = "unknown"
        self._version = ""
        self._people.forget()

    def _disabled(self, ends: float) -> Disabled:
        """The disabled people, for an admin's key: no other key may list people."""
        if self._visibility != "all":
            self._people.forget()
            return Disabled()
        page = partial(self._get, parse=wire.parse_people, ends=ends)
        return self._people.read(page, self._clock.monotonic)

    def _ask(self, path: str, parse: Callable[[bytes], T], ends: float) -> T | None:
        """The answer to a request that is due; None if it is not, or if it fails."""
        if self._clock.monotonic() < self._due.get(path, 0.0):
            return None
        try:
            answer = self._get(path, parse, ends)
        except PortalError:
            self._due[path] = self._clock.monotonic() + RETRY_SECONDS
            return None
        if answer is not None:
            self._due[path] = self._clock.monotonic() + _INTERVAL
        return answer

    def _get(self, path: str, parse: Callable[[bytes], T], ends: float) -> T | None:
        """The parsed answer; None if too little time is left. Raises PortalError."""
        remaining = ends - self._clock.monotonic()
        if remaining < _TOO_SHORT or self._caller is None:
            return None
        response = self._transport.get(path, self._caller.header, remaining, _MAX_BYTES)
        if response.status != 200:
            raise status_error(response, response.received, self._caller)
        return parse(response.body)
