"""One fetch: read the credential, ask for the list, understand it, find our own key in it."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from exporter.clock import Clock
from exporter.config import PortalSettings
from exporter.docspace import credential, wire
from exporter.docspace.credential import Credential
from exporter.docspace.errors import PortalError, Timeout
from exporter.docspace.headers import http_date, number
from exporter.docspace.model import ApiKey
from exporter.docspace.observation import Answer, RateLimit, Visibility
from exporter.docspace.status_errors import status_error
from exporter.docspace.transport import Transport
from exporter.docspace.wire import KeyList, KeyListReader

KEYS = "/api/2.0/keys"
PROFILE = "/api/2.0/people/@self"

#: Seconds between two looks at who we are.
_PROFILE_INTERVAL = 3600.0
#: Seconds that this look may take at most; the key list is here already and must not wait long.
_PROFILE_TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch brought. Exactly one of ``listing`` and ``error`` is set."""

    listing: KeyList | None
    error: PortalError | None
    own_key: ApiKey | None
    answer: Answer
    visibility: Visibility


class Fetcher:
    """Fetches from one portal, one fetch at a time."""

    def __init__(self, settings: PortalSettings, transport: Transport, clock: Clock) -> None:
        self._settings = settings
        self._transport = transport
        self._clock = clock
        self._reader = KeyListReader()
        self._visibility: Visibility = "unknown"
        self._asked: tuple[Credential, float] | None = None

    def fetch(self, seconds: float) -> Fetched:
        """Fetch the key list within so many seconds. A failure is a result, not an exception."""
        answer = Answer()
        deadline = self._clock.monotonic() + seconds
        try:
            who = credential.read(self._settings)
            response = self._transport.get(KEYS, who.header, seconds)
            now = self._clock.now()
            answer = _answer(response.headers, now)
            if response.status != 200:
                raise status_error(response, now, who)
            listing = self._reader.read(response.body, self._checker(deadline))
        except PortalError as exc:
            return Fetched(None, exc, None, answer, self._visibility)
        self._look_who_we_are(who, deadline)
        own_key = find_own_key(listing.keys, who.key_postfix, now)
        return Fetched(listing, None, own_key, answer, self._visibility)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _checker(self, deadline: float) -> Callable[[], None]:
        """A function that raises Timeout past the deadline."""

        def check() -> None:
            if self._clock.monotonic() > deadline:
                raise Timeout("the key list could not be read within the deadline")

        return check

    def _look_who_we_are(self, who: Credential, deadline: float) -> None:
        """Learn whose keys the list holds: at the first success, then at most hourly.

        A new credential is a new caller. That this fails costs nothing but the knowledge.
        """
        now = self._clock.monotonic()
        if self._asked and self._asked[0] == who and now - self._asked[1] < _PROFILE_INTERVAL:
            return
        if self._asked and self._asked[0] != who:
            self._visibility = "unknown"
        self._asked = who, now
        seconds = max(min(_PROFILE_TIMEOUT, (deadline - now) / 2), 0.001)
        # Where it fails, what was known of this caller is still the best there is.
        with contextlib.suppress(PortalError):
            response = self._transport.get(PROFILE, who.header, seconds)
            if response.status == 200:
                self._visibility = "all" if wire.parse_profile(response.body).sees_all else "own"


def find_own_key(keys: Sequence[ApiKey], postfix: str | None, now: float) -> ApiKey | None:
    """The key that the exporter uses, by its postfix; of several, the one used last.

    Our call has just moved its ``lastUsed``. A key that is off or expired was not the one.
    """
    candidates = [
        key
        for key in keys
        if key.postfix == postfix and key.is_active and (key.expires is None or key.expires > now)
    ]
    return max(candidates, key=lambda key: key.last_used or 0.0, default=None)


def _answer(headers: Mapping[str, str], now: float) -> Answer:
    date = http_date(headers.get("Date"))
    return Answer(
        clock_skew=None if date is None else date - now,
        rate_limit=RateLimit(
            limit=number(headers.get("X-RateLimit-Limit")),
            remaining=number(headers.get("X-RateLimit-Remaining")),
        ),
    )
