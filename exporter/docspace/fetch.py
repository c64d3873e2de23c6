"""One fetch: read the credential, ask for the list, parse it, find our own key in it."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial

from exporter.clock import Clock
from exporter.config import PortalSettings
from exporter.docspace import credential
from exporter.docspace.credential import Credential
from exporter.docspace.errors import PortalError, Timeout, detached
from exporter.docspace.facts import FactFinder
from exporter.docspace.masking import mask_keys
from exporter.docspace.model import ApiKey
from exporter.docspace.observation import Observation, PortalFacts
from exporter.docspace.status_errors import status_error
from exporter.docspace.transport import Transport, http_date
from exporter.docspace.wire import KeyListReader
from exporter.docspace.workers import Job

KEYS = "/api/2.0/keys"


class Fetcher:
    """Fetches from one portal, one fetch at a time."""

    def __init__(self, settings: PortalSettings, transport: Transport, clock: Clock) -> None:
        self._settings = settings
        self._transport = transport
        self._clock = clock
        self._caller: Credential | None = None
        self._reader = KeyListReader(settings.max_keys)
        self._finder = FactFinder(settings, transport, clock)
        self._facts = PortalFacts()

    def fetch(self, seconds: float, early: Callable[[Observation], None]) -> Observation:
        """Fetch the key list within so many seconds. A failure is a result, not an exception.

        ``early`` gets a success as soon as the list is there, with the facts known so far, for
        a scrape that cannot wait for the rest.
        """
        started = self._clock.monotonic()
        clock_skew = None
        try:
            caller = credential.read(self._settings)
            response = self._transport.get(KEYS, caller.header, seconds)
            date = http_date(response.headers.get("Date"))
            clock_skew = None if date is None else date - response.received
            if response.status != 200:
                raise status_error(response, response.received, caller)
            listing = self._reader_for(caller).read(response.body, self._checker(started + seconds))
        except PortalError as exc:
            observation = self._observation(started, clock_skew)
            return replace(observation, error=detached(exc))
        own_key = find_own_key(listing.keys, caller.key_postfix, self._clock.now())
        observation = replace(
            self._observation(started, clock_skew), listing=listing, own_key=own_key
        )
        early(observation)
        self._facts = self._finder.learn(caller, started + seconds)
        return replace(observation, facts=self._facts)

    def _observation(self, started: float, clock_skew: float | None) -> Observation:
        """What success and failure have in common."""
        return Observation(
            portal=self._settings,
            time=self._clock.now(),
            duration=self._clock.monotonic() - started,
            clock_skew=clock_skew,
            facts=self._facts,
        )

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _reader_for(self, caller: Credential) -> KeyListReader:
        """The reader of this caller's lists: it masks the credential in the names of keys.

        With another caller, what was known of the one before is worth nothing.
        """
        if caller != self._caller:
            mask = partial(mask_keys, mask=caller.mask())
            self._caller, self._reader = caller, KeyListReader(self._settings.max_keys, mask)
            self._facts = PortalFacts()
        return self._reader

    def _checker(self, deadline: float) -> Callable[[], None]:
        """A function that raises Timeout past the deadline."""

        def check() -> None:
            if self._clock.monotonic() > deadline:
                raise Timeout("the key list could not be read within the deadline")

        return check


@dataclass(slots=True, eq=False)
class Fetch:
    """A fetch that waits for a thread, is under way, or is done.

    ``began`` and ``started`` are monotonic seconds: the second is when it got a thread, and with it
    ``fetcher`` and the ``settings`` of that moment. ``waiting`` counts scrapes. ``early`` is a
    success without the facts that are asked after the key list.
    """

    settings: PortalSettings
    began: float = 0.0
    started: float | None = None
    fetcher: Fetcher | None = None
    waiting: int = 0
    job: Job | None = None
    early: Observation | None = None
    result: "Future[Observation]" = field(default_factory=Future)

    @classmethod
    def done(cls, observation: Observation) -> "Fetch":
        """A fetch with this result."""
        fetch = cls(observation.portal)
        fetch.result.set_result(observation)
        return fetch


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
