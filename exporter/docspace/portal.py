"""One portal over time: it shares fetches between scrapes, and keeps counters and back-off.

::

    begin() ──┬─ a fetch is under way ────────────────► its result
              ├─ last one younger than min_interval ──► the last observation again
              ├─ back-off after a 429 ────────────────► RateLimited, without a request
              └─ otherwise ───────────────────────────► a new fetch, in a thread of the workers

A fetch has the portal's timeout. A scrape waits for it until its own deadline; then only the answer
to this scrape has ``docspace_up 0``.

A fetch is detached when it hangs past its timeout (in a name resolution or on a file), or when a
reload changes the settings during it: it keeps its thread, and the next scrape starts a new fetch.
After a reload it still answers the scrapes that wait for it, but is not counted, logged or kept.
"""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, replace
from functools import partial

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.config import PortalSettings
from exporter.docspace.deadline import Alarm
from exporter.docspace.errors import (
    REASONS,
    Crowded,
    CutShort,
    InternalError,
    PortalError,
    RateLimited,
    Timeout,
)
from exporter.docspace.fetch import Fetch, Fetcher
from exporter.docspace.observation import Observation, PortalFacts
from exporter.docspace.outage_log import OutageLog
from exporter.docspace.workers import Workers

#: Fetches with the current settings that may hang at once.
_MAX_HANGING = 2
_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Shared:
    """What all portals of an exporter use.

    ``coalesced`` is called for each scrape that gets the result of another scrape's fetch,
    ``fault`` for each internal error.
    """

    clock: Clock
    log: FilteringBoundLogger
    workers: Workers
    alarm: Alarm
    coalesced: Callable[[], None]
    fault: Callable[[], None]


class Portal:
    """One configured portal. Any number of threads may use it at once.

    ``last`` is the newest observation. ``priority`` is the order in which portals get threads:
    quick ones before slow ones; those that hung come last, the first to hang before the others.
    """

    def __init__(
        self,
        settings: PortalSettings,
        make_fetcher: Callable[[PortalSettings], Fetcher],
        shared: Shared,
    ) -> None:
        self.settings = settings
        self._make_fetcher = make_fetcher
        self._fetcher = make_fetcher(settings)
        self._shared = shared
        self._clock = shared.clock
        self._log = shared.log.bind(portal=settings.name)
        self._outages = OutageLog(self._log)
        self._lock = threading.Lock()
        self._fetch: Fetch | None = None
        self._detached: set[Fetch] = set()
        self._closing = False
        self._resume_at = 0.0
        self.last: Observation | None = None
        self._last_at = 0.0
        self._last_success: float | None = None
        self.priority: tuple[bool, float] = False, 0.0
        self._errors = Counter(dict.fromkeys(REASONS, 0))

    def reconfigure(self, settings: PortalSettings) -> None:
        """Change the settings of the same portal: its counters and back-off stay.

        Every later `begin` gets an answer that was asked with these settings.
        """
        with self._lock:
            old, self._fetcher = self._fetcher, self._make_fetcher(settings)
            self.settings = settings
            if self.last is not None:  # the status page uses the new labels at once
                self.last = replace(self.last, portal=settings)
            self._last_at = _NEVER
            if self._fetch is not None and self._fetch.started is not None:
                self._detach(self._fetch)
                self._fetch = None
        self._release(old)

    def begin(self, *, waits: bool = True) -> Fetch:
        """Start a fetch, or join the one under way. A scrape calls `finish` on it afterwards.

        When the last scrape stops waiting for a fetch, other portals may use its thread. Without
        ``waits`` the caller is not counted as a scrape that waits.
        """
        with self._lock:
            joined = self._joined()
            if joined is not None:
                if waits:
                    joined.waiting += 1
                    self._shared.coalesced()
                return joined
            fetch = self._new()
            fetch.waiting += waits
        if not fetch.result.done():
            self._submit(fetch)
        self._outages.write()
        return fetch

    def finish(self, fetch: Fetch, deadline: float) -> Observation:
        """The result of a fetch; a failure if it has none by ``deadline`` (monotonic seconds)."""
        patience = min(max(deadline - self._clock.monotonic(), 0.0), threading.TIMEOUT_MAX)
        try:
            return fetch.result.result(patience)
        except FutureTimeoutError:
            return self._leave(fetch)

    def close(self) -> None:
        """Close the connections, at the latest when the fetch under way ends."""
        with self._lock:
            self._closing = True
            fetcher = self._fetcher
        self._release(fetcher)

    def _joined(self) -> Fetch | None:
        """A fetch of another scrape, under way or younger than min_interval."""
        if self._fetch is not None:
            return self._fetch
        age = self._clock.monotonic() - self._last_at
        if self.last is None or age >= self.settings.min_interval:
            return None
        return Fetch.done(self.last)

    def _new(self) -> Fetch:
        """A new fetch; it has a result at once if no request is allowed now."""
        now = self._clock.monotonic()
        error: PortalError | None = None
        if self._resume_at > now:
            wait = self._resume_at - now
            error = RateLimited(f"left alone for {wait:.0f} s more, as it asked", wait)
        elif sum(fetch.settings is self.settings for fetch in self._detached) >= _MAX_HANGING:
            error = Timeout(f"{_MAX_HANGING} earlier fetches hang in DNS or on the key file")
        if error is not None:
            return Fetch.done(self._record(self._failure(error)))
        self._fetch = Fetch(self.settings, now)
        return self._fetch

    def _submit(self, fetch: Fetch) -> None:
        try:
            fetch.job = self._shared.workers.submit(self.priority, partial(self._run, fetch))
        except (RuntimeError, MemoryError) as exc:  # no thread can start
            self._fault(fetch, exc)
            return
        if fetch in self._detached:  # perhaps before its job was set
            self._shared.workers.abandon(fetch.job)

    def _run(self, fetch: Fetch) -> None:
        """Fetch, in a thread of the workers. An error here affects this portal alone."""
        try:
            self._settle(fetch, self._fetched(fetch))
        except BaseException as exc:  # noqa: BLE001, the boundary: MemoryError and internal errors
            self._fault(fetch, exc)
        finally:
            with self._lock:
                self._detached.discard(fetch)
            if fetch.fetcher is not None:
                self._release(fetch.fetcher)

    def _fetched(self, fetch: Fetch) -> Observation:
        """The result of a fetch that starts now."""
        fetcher = self._start(fetch)
        timeout = fetch.settings.timeout
        entry = self._shared.alarm.call_in(timeout, partial(self._expire, fetch))
        try:
            return fetcher.fetch(timeout, partial(setattr, fetch, "early"))
        finally:
            self._shared.alarm.cancel(entry)

    def _start(self, fetch: Fetch) -> Fetcher:
        """Give a fetch the current settings, and a fetcher that no other fetch uses."""
        with self._lock:
            if any(other.fetcher is self._fetcher for other in self._detached):
                self._fetcher = self._make_fetcher(self.settings)
            fetch.started = self._clock.monotonic()
            fetch.settings, fetch.fetcher = self.settings, self._fetcher
            return self._fetcher

    def _expire(self, fetch: Fetch) -> None:
        """End a fetch at its timeout. Its thread may hang for ever."""
        timeout = fetch.settings.timeout
        error = Timeout(f"no complete answer within {timeout:.3g} s")
        failed = replace(self._failure(error), duration=timeout)
        self._settle(fetch, fetch.early or failed, hangs=True)

    def _detach(self, fetch: Fetch) -> None:
        """Let the next fetch have another fetcher and another thread. The caller holds the lock."""
        self._detached.add(fetch)
        if fetch.job is not None:
            self._shared.workers.abandon(fetch.job)

    def _settle(self, fetch: Fetch, observation: Observation, *, hangs: bool = False) -> None:
        """Give a fetch its result, unless it has one."""
        with self._lock:
            if fetch.result.done():
                return
            if hangs:
                self._detach(fetch)
            self._end(fetch, observation)
        self._outages.write()

    def _end(self, fetch: Fetch, observation: Observation) -> None:
        """Give a fetch its result. The caller holds the lock."""
        if isinstance(observation.error, RateLimited):
            until = self._clock.monotonic() + observation.error.retry_after
            self._resume_at = max(self._resume_at, until)
        if fetch is not self._fetch:  # detached by a reload
            fetch.result.set_result(self._kept(observation))
            return
        self._fetch = None
        if fetch.started is not None:
            hung = isinstance(observation.error, Timeout)
            self.priority = hung, fetch.started if hung else observation.duration
        fetch.result.set_result(self._record(observation))

    def _leave(self, fetch: Fetch) -> Observation:
        """The answer to a scrape at its deadline. A fetch that has a thread continues."""
        with self._lock:
            if fetch.result.done():  # just now
                return fetch.result.result()
            fetch.waiting -= 1
            if fetch.early is not None:
                return self._kept(fetch.early)
            waited = self._clock.monotonic() - fetch.began
            error = Crowded() if fetch.started is None else CutShort()
            answer = self._kept(replace(self._failure(error), duration=waited))
            if fetch is self._fetch and fetch.started is not None:
                self._outages.note_cut(error)
                self.priority = True, fetch.started
            if fetch.waiting == 0 and fetch.job is not None:
                if self._shared.workers.withdraw(fetch.job):
                    self._end(fetch, answer)
                else:  # under way: another portal may have its thread
                    self._shared.workers.abandon(fetch.job)
        self._outages.write()
        return answer

    def _failure(self, error: PortalError) -> Observation:
        """A failure for which the portal sent no answer."""
        facts = self.last.facts if self.last else PortalFacts()
        return Observation(self.settings, self._clock.now(), 0.0, error=error, facts=facts)

    def _fault(self, fetch: Fetch, exc: BaseException) -> None:
        """Count and log an internal error, and give it to the fetch, also if the log fails."""
        error = InternalError(exc)
        try:
            self._shared.fault()
            self._log.error("internal error in a fetch", error=error.fault, place=error.place)
        finally:
            self._settle(fetch, self._failure(error))

    def _release(self, fetcher: Fetcher) -> None:
        """Close a fetcher unless a fetch uses it or may use it later."""
        with self._lock:
            surplus = fetcher is not self._fetcher or self._closing
            under_way = {fetch.fetcher for fetch in (*self._detached, self._fetch) if fetch}
        if surplus and fetcher not in under_way:
            fetcher.close()

    def _record(self, observation: Observation) -> Observation:
        """Count, keep and log a result; return it completed."""
        error, last = observation.error, self.last
        if error is None:
            self._last_success = observation.time
        elif error.reason in self._errors:
            self._errors[error.reason] += 1
        self.last = self._kept(observation)
        if not isinstance(error, Crowded):  # which is no request: min_interval does not start
            self._last_at = self._clock.monotonic()
        self._outages.note(self.last, last)
        return self.last

    def _kept(self, observation: Observation) -> Observation:
        """The observation with the portal's counters, last success and current settings."""
        return replace(
            observation,
            portal=self.settings,
            last_success=observation.time if observation.error is None else self._last_success,
            errors=dict(self._errors),
        )
