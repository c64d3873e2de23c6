"""One portal over time: fetches its key list when asked and remembers what outlives a fetch.

::

    begin(deadline) ──┬─ a fetch is under way ──────────► its result
                      ├─ younger than min_interval ─────► the last observation again
                      ├─ told to stay away (429) ───────► RateLimited, without a request
                      └─ otherwise ─────────────────────► fetch, in a thread of its own

A fetch ends at the deadline of whoever began it. It has a thread of its own since name resolution
cannot be interrupted: whoever waits gives up in time, and the thread ends by itself.
"""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from functools import partial

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.config import PortalSettings
from exporter.docspace.errors import REASONS, Crowded, PortalError, RateLimited, Timeout
from exporter.docspace.fetch import Fetched, Fetcher
from exporter.docspace.observation import Observation, PortalFacts
from exporter.docspace.outage_log import OutageLog
from exporter.docspace.slots import Slots
from exporter.threads import in_thread

#: Seconds for which a waiter lets a fetch end by itself before giving it up.
_GRACE = 0.2


@dataclass(slots=True, eq=False)
class Flight:
    """A fetch under way, or done. It holds a slot until it ends or is given up.

    It is ``hurried`` where the scrape that began it left it less time than the portal's timeout.
    """

    deadline: float
    started: float = 0.0
    result: "Future[Observation]" = field(default_factory=Future)
    given_up: bool = False
    holds_slot: bool = False
    hurried: bool = False


class Portal:
    """One configured portal. Any number of threads may observe it at once.

    ``slots`` bounds the fetches of all portals together; ``coalesced`` is called for each
    observation that needed no request of its own because another's serves it.
    """

    def __init__(
        self,
        settings: PortalSettings,
        fetcher: Fetcher,
        clock: Clock,
        log: FilteringBoundLogger,
        slots: Slots,
        coalesced: Callable[[], None],
    ) -> None:
        self.settings = settings
        self._fetcher = fetcher
        self._clock = clock
        self._outages = OutageLog(log.bind(portal=settings.name))
        self._slots = slots
        self._coalesced = coalesced
        self._lock = threading.Lock()
        self._flight: Flight | None = None
        self._closing = False
        self._resume_at = 0.0
        self._last: Observation | None = None
        self._last_at = 0.0
        self._last_success: float | None = None
        self._turn = False, 0.0
        self._errors = Counter(dict.fromkeys(REASONS, 0))

    @property
    def last(self) -> Observation | None:
        """The newest observation, for whoever must not ask the portal."""
        return self._last

    @property
    def turn(self) -> tuple[bool, float]:
        """Sorts portals for slots: the quickest first, last those that hung, which take turns.

        Only a fetch that had a slot says which of the two a portal is.
        """
        return self._turn

    def begin(self, deadline: float, start_by: float | None = None) -> Flight:
        """Start an observation, or join one.

        While all slots are taken it waits, until ``start_by`` or else the deadline; both are on the
        monotonic clock.
        """
        with self._lock:
            shared = self._shared()
            if shared is not None:
                self._coalesced()
                return shared
            flight = Flight(deadline, started=self._clock.monotonic())
            wait = self._resume_at - self._clock.monotonic()
            if wait > 0:
                told = f"left alone for {wait:.0f} s more, as it asked"
                flight.result.set_result(self._record(self._failure(RateLimited(told, 429, wait))))
                return flight
            self._flight = flight
        self._launch(flight, deadline if start_by is None else start_by)
        return flight

    def finish(self, flight: Flight, deadline: float) -> Observation:
        """Wait for an observation, no longer than the deadline; then it is a Timeout.

        One that joined a scrape in a hurry, and has time left when that one gives up, starts anew.
        """
        observation = self._wait(flight, deadline)
        in_vain = flight.hurried and flight.result.done() and isinstance(observation.error, Timeout)
        if in_vain and deadline > flight.deadline + _GRACE:
            return self._wait(self.begin(deadline), deadline)
        return observation

    def close(self) -> None:
        """Close the connections: now, or when the fetch under way ends."""
        with self._lock:
            self._closing = True
            if self._flight is None:
                self._fetcher.close()

    def _wait(self, flight: Flight, deadline: float) -> Observation:
        patience = min(deadline, flight.deadline) + _GRACE - self._clock.monotonic()
        try:
            return flight.result.result(max(patience, 0.0))
        except FutureTimeoutError:
            return self._give_up(flight)

    def _shared(self) -> Flight | None:
        """The flight that serves another observation as well, if there is one."""
        if self._flight is not None:
            return self._flight
        age = self._clock.monotonic() - self._last_at
        if self._last is None or self._last.error or age >= self.settings.min_interval:
            return None
        flight = Flight(deadline=0.0)
        flight.result.set_result(self._last)
        return flight

    def _launch(self, flight: Flight, start_by: float) -> None:
        if not self._slots.acquire(start_by - self._clock.monotonic()):
            with self._lock:
                self._flight = None
                waited = self._clock.monotonic() - flight.started
                flight.result.set_result(self._record(self._failure(Crowded()), waited))
            return
        flight.holds_slot = True
        flight.started = self._clock.monotonic()
        timeout_at = flight.started + self.settings.timeout
        flight.hurried = flight.deadline < timeout_at
        flight.deadline = min(flight.deadline, timeout_at)
        seconds = max(flight.deadline - flight.started, 0.001)
        fetching = in_thread(partial(self._fetcher.fetch, seconds), f"fetch {self.settings.name}")
        fetching.add_done_callback(partial(self._fetched, flight))

    def _fetched(self, flight: Flight, fetching: "Future[Fetched]") -> None:
        fault = fetching.exception()
        duration = self._clock.monotonic() - flight.started
        with self._lock:
            self._land(flight)
            if fault is not None:  # of ours: raised again in whoever waits
                flight.result.set_exception(fault)
                return
            fetched = fetching.result()
            # One that was given up is told and counted already.
            keep = self._observation if flight.given_up else self._record
            hung = isinstance(fetched.error, Timeout)
            self._turn = hung, flight.started if hung else duration
            flight.result.set_result(keep(fetched, fetched.duration))

    def _land(self, flight: Flight) -> None:
        self._flight = None
        self._free_slot(flight)
        if self._closing:
            self._fetcher.close()

    def _free_slot(self, flight: Flight) -> None:
        """Give the flight's slot back, once, if it got one at all."""
        if flight.holds_slot:
            flight.holds_slot = False
            self._slots.release()

    def _give_up(self, flight: Flight) -> Observation:
        """Answer for a fetch that has not ended. Past its own deadline its slot is free again.

        A waiter whose deadline is the shorter one speaks for itself alone: the fetch goes on.
        """
        error = Timeout("no complete answer within the deadline of the scrape")
        with self._lock:
            if flight.result.done():  # just now
                return flight.result.result()
            now = self._clock.monotonic()
            failed = self._failure(error)
            if now < flight.deadline or flight.given_up:
                self._errors[error.reason] += 1
                return self._observation(failed, now - flight.started)
            flight.given_up = True
            self._free_slot(flight)
            self._turn = True, flight.started
            return self._record(failed, now - flight.started)

    def _failure(self, error: PortalError) -> Fetched:
        """A failure that no answer stands behind."""
        facts = self._last.facts if self._last else PortalFacts()
        return Fetched(None, error, None, None, facts, 0.0)

    def _record(self, fetched: Fetched, duration: float = 0.0) -> Observation:
        """Make an observation, and remember what outlives it."""
        error, last = fetched.error, self._last
        if error is None:
            self._last_success = self._clock.now()
        else:
            self._errors[error.reason] += 1
        if isinstance(error, RateLimited):
            self._resume_at = self._clock.monotonic() + error.retry_after
        self._last = self._observation(fetched, duration)
        self._last_at = self._clock.monotonic()
        self._outages.tell(self._last, last)
        return self._last

    def _observation(self, fetched: Fetched, duration: float) -> Observation:
        return Observation(
            portal=self.settings,
            time=self._clock.now(),
            duration=duration,
            listing=fetched.listing,
            error=fetched.error,
            own_key=fetched.own_key,
            clock_skew=fetched.clock_skew,
            facts=fetched.facts,
            last_success=self._last_success,
            errors=dict(self._errors),
        )
