"""One fetch: read the credential, ask for the list, parse it, find our own key in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.clock import Clock
from exporter.config import PortalSettings
from exporter.docspace import credential, wire
from exporter.docspace.errors import PortalError
from exporter.docspace.facts import FactFinder
from exporter.docspace.headers import http_date
from exporter.docspace.model import ApiKey
from exporter.docspace.observation import PortalFacts
from exporter.docspace.status_errors import status_error
from exporter.docspace.transport import Transport
from exporter.docspace.wire import KeyList

KEYS = "/api/2.0/keys"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch brought. Exactly one of ``listing`` and ``error`` is set.

    ``clock_skew`` is that of the answer, see ``Observation``. ``duration`` is how many seconds the
    key list alone took.
    """

    listing: KeyList | None
    error: PortalError | None
    own_key: ApiKey | None
    clock_skew: float | None
    facts: PortalFacts
    duration: float


class Fetcher:
    """Fetches from one portal, one fetch at a time."""

    def __init__(self, settings: PortalSettings, transport: Transport, clock: Clock) -> None:
        self._settings = settings
        self._transport = transport
        self._clock = clock
        self._finder = FactFinder(settings, transport, clock)
        self._facts = PortalFacts()

    def fetch(self, seconds: float) -> Fetched:
        """Fetch the key list within so many seconds. A failure is a result, not an exception."""
        started = self._clock.monotonic()
        clock_skew = listing = own_key = error = None
        try:
            caller = credential.read(self._settings)
            response = self._transport.get(KEYS, caller.header, seconds)
            date = http_date(response.headers.get("Date"))
            clock_skew = None if date is None else date - response.received
            if response.status != 200:
                raise status_error(response, response.received, caller)
            listing = wire.parse_keys(response.body)
        except PortalError as exc:
            error = exc
        duration = self._clock.monotonic() - started
        if listing is not None:
            own_key = find_own_key(listing.keys, caller.key_postfix, self._clock.now())
            self._facts = self._finder.learn(caller, started + seconds)
        return Fetched(listing, error, own_key, clock_skew, self._facts, duration)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


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
