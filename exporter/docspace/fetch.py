"""One fetch: read the credential, request the key list, parse it, find the exporter's own key."""

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
        """Fetch the key list within ``seconds``. A failure is a result, not an exception.

        ``early`` is called with a success as soon as the list is read, with the facts known so
        far: a scrape at its deadline uses it.
        """
        started = self._clock.monotonic()
        listing = error = own_key = clock_skew = None

        def check() -> None:
            if self._clock.monotonic() > started + seconds:
                raise Timeout("the key list could not be read within the deadline")

        try:
            caller = credential.read(self._settings)
            response = self._transport.get(KEYS, caller.header, seconds)
            date = http_date(response.headers.get("Date"))
            clock_skew = None if date is None else date - response.received
            if response.status != 200:
                raise status_error(response, response.received, caller)
            listing = self._reader_for(caller).read(response.body, check)
            own_key = find_own_key(listing.keys, caller.key_postfix, self._clock.now())
        except PortalError as exc:
            error = detached(exc)
        observation = Observation(
            portal=self._settings,
            time=self._clock.now(),
            duration=self._clock.monotonic() - started,
            listing=listing,
            error=error,
            own_key=own_key,
            clock_skew=clock_skew,
            facts=self._facts,
        )
        if error is not None:
            return observation
        early(observation)
        self._facts = self._finder.learn(caller, started + seconds)
        return replace(observation, facts=self._facts)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _reader_for(self, caller: Credential) -> KeyListReader:
        """The reader of lists for this credential, which it masks in the names of keys.

        A new credential starts without the last list and the facts of the one before.
        """
        if caller != self._caller:
            mask = partial(mask_keys, mask=caller.mask())
            self._caller, self._reader = caller, KeyListReader(self._settings.max_keys, mask)
            self._facts = PortalFacts()
        return self._reader


@dataclass(slots=True, eq=False)
class Fetch:
    """A fetch that waits for a thread, is under way, or is done.

    ``began`` is monotonic seconds. At ``started`` it got a thread, ``fetcher``, and the current
    ``settings``. ``waiting`` counts scrapes. ``early`` is a success without the latest facts.
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
    """The key that the exporter uses: active, with this postfix; of several, the last used one.

    The request for the list has just set its ``lastUsed``.
    """
    candidates = [
        key
        for key in keys
        if key.postfix == postfix and key.is_active and (key.expires is None or key.expires > now)
    ]
    return max(candidates, key=lambda key: key.last_used or 0.0, default=None)
