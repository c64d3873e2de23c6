"""One portal over time: shared requests, waiting scrapes, what is kept, what is logged."""

import contextlib
import io
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.faults import FaultServer, Peer, Script, answer
from support.standing import Log, StandingClock

from exporter.clock import Clock
from exporter.config import PortalSettings, Secret
from exporter.demo.model import OWNER, Person
from exporter.demo.model import Portal as DemoPortal
from exporter.demo.server import DemoServer
from exporter.docspace import credential
from exporter.docspace.credential import Credential
from exporter.docspace.deadline import Alarm
from exporter.docspace.errors import (
    REASONS,
    Crowded,
    CutShort,
    InternalError,
    InvalidResponse,
    PortalError,
    RateLimited,
    Timeout,
    Unauthorized,
)
from exporter.docspace.facts import PROFILE
from exporter.docspace.fetch import KEYS, Fetch, Fetcher
from exporter.docspace.observation import Observation, PortalFacts
from exporter.docspace.outage_log import OutageLog
from exporter.docspace.portal import Portal, Shared
from exporter.docspace.tls import TLSContexts
from exporter.docspace.transport import Transport
from exporter.docspace.wire import KeyList, Malformed
from exporter.docspace.workers import Job, Workers
from exporter.logs import make_log

EMPTY = Observation(
    PortalSettings("acme", "http://127.0.0.1:1"),
    0.0,
    0.0,
    KeyList((), ()),
    facts=PortalFacts("all"),
)


REFUSED = replace(EMPTY, listing=None, error=Unauthorized("HTTP 401"))


def capacity(workers: Workers, expected: int) -> int:
    """The number of jobs that run at the same time, of more than ``expected``."""
    going_on, running = threading.Event(), threading.Semaphore(0)

    def job() -> None:
        running.release()
        going_on.wait(60)

    jobs = [workers.submit((), job) for _ in range(expected + 3)]
    for _ in range(expected):
        assert running.acquire(timeout=60)
    more = running.acquire(timeout=0.1)
    for each in jobs:
        workers.withdraw(each)
    going_on.set()
    return expected + more


class Stage:
    """Makes portals, and has what they share."""

    def __init__(self) -> None:
        self.standing = StandingClock()
        self.log = Log()
        self.workers = Workers(4)
        self.alarm = Alarm()
        self.faults = 0
        self.coalesced = 0
        self._made: list[Portal] = []

    def count(self) -> None:
        """Count a shared observation."""
        self.coalesced += 1

    def fault(self) -> None:
        """Count an internal error."""
        self.faults += 1

    def portal(
        self,
        url: str = "http://127.0.0.1:1",
        fetcher: Fetcher | None = None,
        clock: Clock | None = None,
        **settings: object,
    ) -> Portal:
        """A portal; by default on the standing clock and with ``min_interval`` 0."""
        settings = {"min_interval": 0.0, **settings}
        clock = clock or self.standing.clock
        if "api_key_file" not in settings:
            settings = {"api_key": Secret("sk-" + "deadbeef" * 8), **settings}
        chosen = PortalSettings("acme", url, **settings)
        now = clock

        def make(settings: PortalSettings) -> Fetcher:
            if fetcher is not None:
                return fetcher
            return Fetcher(settings, Transport(settings, TLSContexts(), now, self.alarm), now)

        shared = Shared(now, self.log.log, self.workers, self.alarm, self.count, self.fault)
        portal = Portal(chosen, make, shared)
        self._made.append(portal)
        return portal

    def close(self) -> None:
        """Close every portal made."""
        for portal in self._made:
            portal.close()
        self.workers.close()


def observe(portal: Portal, seconds: float = 30.0) -> Observation:
    deadline = portal._clock.monotonic() + seconds
    return portal.finish(portal.begin(), deadline)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture
def demo(stage: Stage) -> Iterator[DemoServer]:
    """An embedded portal on the standing clock, with one key of the owner."""
    with DemoServer(DemoPortal(clock=stage.standing.now)) as server:
        yield server


def key_of(server: DemoServer, **traits: object) -> Secret:
    return Secret(server.portal.add_key("exporter", **traits).secret)


class FakeFetcher:
    """A fetcher whose result is set by the test."""

    def __init__(self, fetch: Callable[[float], Observation]) -> None:
        self.result = fetch
        self.closed = 0

    def fetch(self, seconds: float, _: object) -> Observation:
        """Return the result that the test has set."""
        return self.result(seconds)

    def close(self) -> None:
        """Count the call."""
        self.closed += 1


def slow(answer: Observation = EMPTY) -> tuple[FakeFetcher, threading.Event]:
    """A fetcher without a deadline, like name resolution, and the event that lets it end."""
    going_on = threading.Event()

    def fetch(_: float) -> Observation:
        assert going_on.wait(60)
        return answer

    return FakeFetcher(fetch), going_on


def observe_and_log(portal: Portal) -> Observation:
    """Observe, and wait until the lines are in the log."""
    seen = observe(portal)
    workers = portal._shared.workers
    deadline = time.monotonic() + 60
    while workers._idle < workers._threads and time.monotonic() < deadline:
        time.sleep(0.002)
    return seen


def started(portal: Portal) -> None:
    """Wait until the fetch under way has its thread."""
    deadline = time.monotonic() + 60
    while (portal._fetch is None or portal._fetch.started is None) and time.monotonic() < deadline:
        time.sleep(0.002)


def cut_short(portal: Portal) -> Observation:
    """The answer to a scrape that ends as soon as the fetch has its thread."""
    fetch = portal.begin()
    started(portal)
    return portal.finish(fetch, portal._clock.monotonic())


def landed(portal: Portal) -> None:
    """Wait for the fetch under way to end."""
    deadline = time.monotonic() + 60
    while (portal._fetch or portal._detached) and time.monotonic() < deadline:
        time.sleep(0.005)


# Who shares a request


def test_scrapes_that_overlap_share_one_request(stage: Stage, demo: DemoServer) -> None:
    portal = stage.portal(demo.url, api_key=key_of(demo))
    demo.portal.delay = 0.3
    together = threading.Barrier(8)

    def scrape(_: int) -> Observation:
        together.wait(60)
        return observe(portal)

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(scrape, range(8)))
    assert demo.portal.requests[KEYS] == 1
    assert stage.coalesced == 7
    assert all(observation is seen[0] for observation in seen)


def test_scrapes_one_after_the_other_ask_anew(stage: Stage, demo: DemoServer) -> None:
    portal = stage.portal(demo.url, api_key=key_of(demo))
    observe(portal)
    observe(portal)
    assert (demo.portal.requests[KEYS], stage.coalesced) == (2, 0)


def test_within_min_interval_the_last_observation_serves(stage: Stage, demo: DemoServer) -> None:
    portal = stage.portal(demo.url, api_key=key_of(demo), min_interval=60.0)
    first = observe(portal)
    stage.standing.time += 59.9
    assert observe(portal) is first
    stage.standing.time += 0.1
    assert observe(portal) is not first
    assert (demo.portal.requests[KEYS], stage.coalesced) == (2, 1)


def test_within_min_interval_a_failure_is_served_again(stage: Stage, demo: DemoServer) -> None:
    portal = stage.portal(demo.url, min_interval=60.0)
    first = observe(portal)
    assert observe(portal) is first
    stage.standing.time += 60
    assert observe(portal).errors["unauthorized"] == 2
    assert demo.portal.requests[KEYS] == 2


def test_min_interval_does_not_count_from_a_fetch_that_never_began(stage: Stage) -> None:
    """If all threads were busy, the portal was not asked: the next scrape asks it."""
    fetcher, going_on = slow()
    stage.workers = Workers(1)
    hanging = stage.portal(fetcher=fetcher, clock=Clock())
    portal = stage.portal(fetcher=FakeFetcher(lambda _: EMPTY), clock=Clock(), min_interval=60.0)
    fetch = hanging.begin()
    assert isinstance(observe(portal, 0.05).error, Crowded)
    going_on.set()
    hanging.finish(fetch, time.monotonic() + 60)
    assert observe(portal).error is None


# Back-off


def test_portal_that_said_429_is_left_alone_until_retry_after(
    stage: Stage, demo: DemoServer
) -> None:
    portal = stage.portal(demo.url, api_key=key_of(demo))
    demo.portal.rate_limit = 2  # the list and the profile
    assert observe(portal).error is None
    assert isinstance(observe(portal).error, RateLimited)
    asked = demo.portal.requests[KEYS]
    stage.standing.time += 58
    error = observe(portal).error
    assert demo.portal.requests[KEYS] == asked
    assert isinstance(error, RateLimited)
    assert "left alone for 2 s more" in str(error)
    stage.standing.time += 3
    assert observe(portal).error is None
    assert demo.portal.requests[KEYS] == asked + 1


def test_each_scrape_in_back_off_counts(stage: Stage) -> None:
    with FaultServer(says_429("30")) as server:
        portal = stage.portal(server.url)
        assert [observe(portal).errors["rate_limited"] for _ in range(3)] == [1, 2, 3]
        assert len(server.heads) == 1


def says_429(retry_after: str) -> Script:
    def script(peer: Peer) -> None:
        while peer.request():
            peer.send(answer(b"", "429 Too Many Requests", f"Retry-After: {retry_after}"))

    return script


@pytest.mark.parametrize(
    "retry_after", ["86400", "99999999999999999999", "Tue, 23 Nov 2126 0:0:0 GMT"]
)
def test_wrong_retry_after_blinds_for_a_quarter_of_an_hour_at_most(
    stage: Stage, retry_after: str
) -> None:
    with FaultServer(says_429(retry_after)) as server:
        portal = stage.portal(server.url)
        observe(portal)
        stage.standing.time += 901
        observe(portal)
        assert len(server.heads) == 2


@pytest.mark.parametrize("zone", ["GMT", "-0000", "", "+0000"])
def test_clock_skew_is_the_portals_date_minus_our_clock(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    """In any time zone of the machine."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    stage.standing.time = 1_795_464_000.0
    date = f"Date: Mon, 23 Nov 2026 20:00:30 {zone}".strip()
    with FaultServer(lambda peer: peer.send(answer(b"", "500 No", date))) as server:
        seen = observe(stage.portal(server.url))
    monkeypatch.undo()
    time.tzset()
    assert seen.clock_skew == 30.0


# Who waits, and for how long


def test_scrape_leaves_a_fetch_that_hangs_at_its_own_deadline(stage: Stage) -> None:
    fetcher, going_on = slow()
    portal = stage.portal(fetcher=fetcher, clock=Clock(), timeout=60.0)
    assert isinstance(cut_short(portal).error, CutShort)
    going_on.set()
    landed(portal)


def test_a_scrape_that_leaves_early_is_not_counted_and_warned_of_once(stage: Stage) -> None:
    """A short scrape timeout is not a failure of the portal."""
    fetcher, going_on = slow()
    portal = stage.portal(fetcher=fetcher, clock=Clock(), timeout=60.0)
    for _ in range(3):
        assert sum(cut_short(portal).errors.values()) == 0
    assert portal.last is None
    assert stage.log.count("cannot read the keys of the portal") == 0
    assert stage.log.count("the scrape ended before the portal answered") == 1
    going_on.set()
    landed(portal)
    assert portal.last is not None
    assert portal.last.error is None


def test_a_fetch_has_the_portals_timeout_whoever_began_it(stage: Stage) -> None:
    given: list[float] = []

    def fetch(seconds: float) -> Observation:
        given.append(seconds)
        return EMPTY

    observe(stage.portal(fetcher=FakeFetcher(fetch), timeout=2.0), 30)
    observe(stage.portal(fetcher=FakeFetcher(fetch), timeout=50.0), 30)
    assert given == [2.0, 50.0]


def test_a_patient_scrape_gets_what_an_impatient_one_began(stage: Stage) -> None:
    fetcher, going_on = slow()
    portal = stage.portal(fetcher=fetcher, clock=Clock())
    with ThreadPoolExecutor(2) as pool:
        impatient = pool.submit(cut_short, portal)
        patient = pool.submit(observe, portal, 60.0)
        assert isinstance(impatient.result(60).error, CutShort)
        assert not patient.done()
        going_on.set()
        assert patient.result(60).error is None
    assert portal.last is patient.result()


def test_a_fetch_past_its_timeout_is_given_up_and_counted_once(stage: Stage) -> None:
    fetcher, going_on = slow(replace(EMPTY, listing=None, error=Timeout("late")))
    portal = stage.portal(fetcher=fetcher, clock=Clock(), timeout=0.05)
    seen = observe(portal, 5.0)
    assert str(seen.error) == "no complete answer within 0.05 s"
    going_on.set()
    landed(portal)
    assert portal.last is seen
    assert seen.errors["timeout"] == 1
    assert stage.log.count("cannot read the keys of the portal") == 1


def test_fetches_that_never_end_are_replaced_and_two_at_most_hang(stage: Stage) -> None:
    going_on = threading.Event()
    begun: list[float] = []

    def fetch(seconds: float) -> Observation:
        begun.append(seconds)
        assert going_on.wait(60)
        return EMPTY

    portal = stage.portal(fetcher=FakeFetcher(fetch), clock=Clock(), timeout=0.05)
    errors = [observe(portal).error for _ in range(4)]
    assert all(isinstance(error, Timeout) for error in errors)
    assert len(begun) == 2
    assert "hang in DNS or on the key file" in str(errors[-1])
    assert capacity(stage.workers, 4) == 4
    going_on.set()
    landed(portal)
    portal.reconfigure(replace(portal.settings, timeout=5.0))
    assert observe(portal).error is None


def test_stuck_name_resolution_costs_its_portal_alone(
    stage: Stage, demo: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, resolve = threading.Event(), socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: object, **options: object) -> object:
        if host == "stuck.invalid":
            stuck.wait(60)
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    stage.workers = Workers(1)
    hanging = stage.portal("http://stuck.invalid", clock=Clock(), timeout=0.2)
    healthy = stage.portal(demo.url, api_key=key_of(demo), clock=Clock())
    assert isinstance(observe(hanging).error, Timeout)
    assert observe(healthy).error is None
    stuck.set()
    landed(hanging)
    assert capacity(stage.workers, 1) == 1


def test_a_key_file_that_hangs_is_given_up_and_read_again(
    stage: Stage, demo: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file on a mount that hangs; when it answers again, the portal is up without a restart."""
    stuck, read = threading.Event(), credential.read
    hangs = True

    def reading(settings: PortalSettings) -> Credential:
        if hangs:
            stuck.wait(60)
        return read(settings)

    monkeypatch.setattr(credential, "read", reading)
    portal = stage.portal(demo.url, api_key=key_of(demo), clock=Clock(), timeout=0.2)
    assert isinstance(observe(portal).error, Timeout)
    hangs = False
    portal.reconfigure(replace(portal.settings, timeout=5.0))
    assert observe(portal).error is None
    stuck.set()
    landed(portal)


# Threads


def test_a_scrape_that_leaves_frees_the_thread_for_other_portals(stage: Stage) -> None:
    fetcher, going_on = slow()
    stage.workers = Workers(1)
    hanging = stage.portal(fetcher=fetcher, clock=Clock(), timeout=60.0)
    healthy = stage.portal(fetcher=FakeFetcher(lambda _: EMPTY), clock=Clock())
    assert isinstance(cut_short(hanging).error, CutShort)
    assert observe(healthy).error is None
    going_on.set()
    landed(hanging)
    assert capacity(stage.workers, 1) == 1


def test_a_fetch_that_no_scrape_waits_for_any_more_does_not_begin(stage: Stage) -> None:
    fetcher, going_on = slow()
    stage.workers = Workers(1)
    first = stage.portal(fetcher=fetcher, clock=Clock())
    second = stage.portal(fetcher=FakeFetcher(lambda _: EMPTY), clock=Clock())
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(observe, first)
        started(first)
        crowded = observe(second, 0.05)
        assert isinstance(crowded.error, Crowded)
        assert crowded.errors["timeout"] == 0
        assert second.last is not None
        assert second.last.errors["timeout"] == 1
        going_on.set()
        assert waiting.result(60).error is None
    assert observe(second).error is None


def test_many_threads_with_any_deadline_leave_the_workers_as_they_were(stage: Stage) -> None:
    def fetch(_: float) -> Observation:
        time.sleep(random.random() / 50)  # noqa: S311, no secret
        return EMPTY

    stage.workers = Workers(2)
    portals = [stage.portal(fetcher=FakeFetcher(fetch), clock=Clock()) for _ in range(4)]

    def scrape(number: int) -> Observation:
        return observe(portals[number % 4], random.random() / 100)  # noqa: S311, as above

    with ThreadPoolExecutor(16) as pool:
        seen = list(pool.map(scrape, range(200)))
    for portal in portals:
        landed(portal)
    assert all((each.error is None) != (each.listing is None) for each in seen)
    assert capacity(stage.workers, 2) == 2


def test_who_joins_while_the_last_waiting_scrape_leaves_is_not_turned_away(stage: Stage) -> None:
    """Withdrawing a fetch is atomic: a scrape at the same time gets a new fetch."""
    joined: list[Future[Observation]] = []

    class Meddling(Workers):
        def withdraw(self, job: Job) -> bool:
            joined.append(pool.submit(observe, second, 10.0))
            time.sleep(0.2)
            return super().withdraw(job)

    fetcher, going_on = slow()
    stage.workers = Meddling(1)
    first = stage.portal(fetcher=fetcher, clock=Clock())
    second = stage.portal(fetcher=FakeFetcher(lambda _: EMPTY), clock=Clock())
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(observe, first, 10.0)
        started(first)
        assert isinstance(observe(second, 0.05).error, Crowded)
        going_on.set()
        assert joined[0].result(60).error is None
        assert waiting.result(60).error is None


def test_a_fetch_given_up_before_its_job_is_known_frees_its_thread(stage: Stage) -> None:
    class Late(Workers):
        def submit(self, priority: object, call: Callable[[], None]) -> Job:
            job = super().submit(priority, call)
            while portal._fetch is not None:
                time.sleep(0.005)
            return job

    fetcher, going_on = slow()
    stage.workers = Late(1)
    portal = stage.portal(fetcher=fetcher, clock=Clock(), timeout=0.05)
    assert isinstance(observe(portal).error, Timeout)
    assert stage.workers._threads == 0
    going_on.set()
    landed(portal)


@settings(max_examples=settings.default.max_examples // 2)  # each takes a tenth of a second
@given(data=st.data())
def test_any_mix_of_scrapes_reloads_and_faults_leaves_everything_usable(
    data: st.DataObject,
) -> None:
    """Hanging, failing, expiring, joining, leaving and reloading, all at the same time."""
    seed = data.draw(st.integers(0, 2**32))
    size = data.draw(st.integers(1, 3))
    chance = random.Random(seed)  # noqa: S311, no secret
    stage = Stage()
    stage.workers, going_on = Workers(size), threading.Event()

    def fetch(_: float) -> Observation:
        fate = chance.random()
        if fate < 0.05:
            going_on.wait(60)
        if fate < 0.1:
            raise chance.choice([LookupError, MemoryError, SystemExit])
        time.sleep(chance.random() / 100)
        return EMPTY

    portals = [
        stage.portal(fetcher=FakeFetcher(fetch), clock=Clock(), timeout=0.03) for _ in range(4)
    ]

    def act(number: int) -> Observation | None:
        portal = portals[number % len(portals)]
        if chance.random() < 0.1:
            portal.reconfigure(replace(portal.settings, timeout=chance.choice([0.01, 0.03])))
            return None
        return observe(portal, chance.random() / 20)

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(act, range(80)))
    going_on.set()
    for portal in portals:
        landed(portal)
        assert portal._fetch is None
        assert portal._detached == set()
    assert all((each.error is None) != (each.listing is None) for each in seen if each)
    for portal in portals:
        portal.reconfigure(replace(portal.settings, timeout=10.0))
        portal._fetcher.result = lambda _: EMPTY  # type: ignore[attr-defined]  # a fake
        assert observe(portal, 10.0).error is None
    assert capacity(stage.workers, size) == size
    assert stage.workers._queue == []
    stage.close()


class Owned:
    """A fetcher with settings of its own, which counts how it is used."""

    def __init__(self, settings: PortalSettings, going_on: threading.Event) -> None:
        self.revision = settings.min_interval
        self.users = self.most_users = self.used_while_closed = 0
        self.closed = False
        self._going_on = going_on
        self._lock = threading.Lock()

    def fetch(self, _: float, __: object) -> Observation:
        """Answer soon, or hang; ``duration`` is the revision of the settings."""
        with self._lock:
            self.users += 1
            self.most_users = max(self.users, self.most_users)
            self.used_while_closed += self.closed
        if random.random() < 0.3:  # noqa: S311, no secret
            self._going_on.wait(60)
        time.sleep(random.random() / 100)  # noqa: S311, as above
        with self._lock:
            self.users -= 1
        return replace(EMPTY, duration=self.revision)

    def close(self) -> None:
        """Close it."""
        with self._lock:
            self.closed = True
            self.used_while_closed += self.users


def test_any_mix_of_scrapes_and_reloads_shares_no_fetcher_and_loses_none(stage: Stage) -> None:
    """And each answer was asked with the settings at the start of its scrape, or later ones."""
    stage.workers, going_on = Workers(2), threading.Event()
    fetchers: list[Owned] = []
    portal = stage.portal(clock=Clock(), timeout=0.03)

    def make(settings: PortalSettings) -> Fetcher:
        fetchers.append(Owned(settings, going_on))
        return fetchers[-1]  # type: ignore[return-value]  # a fake

    portal._make_fetcher = make
    portal.reconfigure(replace(portal.settings, timeout=0.02))
    reloading = threading.Lock()

    def act(number: int) -> bool:
        if number % 12 == 0:
            with reloading:
                revision = portal.settings.min_interval + 1e-9  # as short as none
                portal.reconfigure(replace(portal.settings, min_interval=revision))
        revision = portal.settings.min_interval
        seen = observe(portal, random.random() / 25)  # noqa: S311, no secret
        return seen.error is not None or seen.duration >= revision

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(act, range(300)))
    going_on.set()
    landed(portal)
    deadline = time.monotonic() + 60
    while sum(not each.closed for each in fetchers) > 1 and time.monotonic() < deadline:
        time.sleep(0.005)  # the threads that hung close theirs at their end
    assert {each.most_users for each in fetchers} <= {0, 1}
    assert sum(each.used_while_closed for each in fetchers) == 0
    assert [each for each in fetchers if not each.closed] == [portal._fetcher]


# Internal errors


@pytest.mark.parametrize("kind", [RuntimeError, MemoryError])
def test_a_fetch_that_could_not_be_submitted_pins_nothing(
    stage: Stage, kind: type[Exception]
) -> None:
    class Failing(Workers):
        def submit(self, priority: object, call: Callable[[], None]) -> Job:
            raise kind

    portal = stage.portal(fetcher=FakeFetcher(lambda _: EMPTY))
    working, portal._shared = portal._shared, replace(portal._shared, workers=Failing(1))
    assert isinstance(observe(portal).error, InternalError)
    portal._shared = working
    assert observe(portal).error is None


def test_an_internal_error_that_cannot_be_logged_pins_nothing(stage: Stage) -> None:
    fetcher = FakeFetcher(lambda _: EMPTY)
    portal = stage.portal(fetcher=fetcher, clock=Clock())
    working, portal._log = portal._log, Unusable()  # type: ignore[assignment]  # on purpose
    fetcher.result = lambda _: raising(LookupError)
    assert isinstance(observe(portal, 0.5).error, InternalError)
    portal._log, fetcher.result = working, lambda _: EMPTY
    assert observe(portal).error is None
    assert capacity(stage.workers, 4) == 4


def test_a_fetch_that_hung_and_then_failed_without_a_log_is_not_counted_as_hanging(
    stage: Stage,
) -> None:
    fetcher, going_on = slow()
    wait = fetcher.result
    fetcher.result = lambda seconds: wait(seconds) and raising(LookupError)
    portal = stage.portal(fetcher=fetcher, clock=Clock(), timeout=0.05)
    assert isinstance(observe(portal).error, Timeout)
    portal._log = Unusable()  # type: ignore[assignment]  # on purpose
    going_on.set()
    landed(portal)
    assert portal._detached == set()


def test_a_log_without_memory_for_its_lines_pins_nothing(stage: Stage) -> None:
    """The lines that it lost were about a fetch that had ended."""

    class Full:
        def info(self, *_: object, **__: object) -> None:
            raise MemoryError

        warning = error = info

    log = Full()
    listing = KeyList((), (Malformed("record 1", "no id"), Malformed("record 2", "no id")))
    portal = stage.portal(fetcher=FakeFetcher(lambda _: replace(EMPTY, listing=listing)))
    portal._log = portal._outages._log = log  # type: ignore[assignment]  # on purpose
    portal.begin().result.result(60)
    assert capacity(stage.workers, 4) == 4  # so its thread is at its end
    with contextlib.suppress(MemoryError):  # from a line that is left, if this thread writes it
        portal.begin()
    landed(portal)
    assert portal._fetch is None


class Unusable:
    """A log that cannot be written."""

    def __getattr__(self, level: str) -> None:
        raise RuntimeError("no log")


def raising(kind: type[BaseException]) -> Observation:
    raise kind


def test_system_without_threads_costs_one_scrape_of_the_portal(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal = stage.portal(fetcher=FakeFetcher(lambda _: EMPTY))

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert isinstance(observe(portal).error, InternalError)
    assert stage.faults == 1
    assert observe(portal).error is None


@pytest.mark.parametrize("kind", [LookupError, MemoryError, SystemExit])
def test_an_internal_error_costs_its_portal_alone_and_is_counted(
    stage: Stage, kind: type[BaseException]
) -> None:
    secret = "sk-" + "c0ffee00" * 8

    def fault(_: float) -> Observation:
        raise kind(secret)

    fetcher = FakeFetcher(fault)
    portal = stage.portal(fetcher=fetcher)
    seen = observe(portal)
    assert isinstance(seen.error, InternalError)
    assert (stage.faults, sum(seen.errors.values())) == (1, 0)
    assert stage.log.count(f"error={kind.__name__} place=") == 1
    assert stage.log.count(secret) == 0
    fetcher.result = lambda _: EMPTY
    assert observe(portal).error is None


def test_everyone_who_waits_shares_an_internal_error(stage: Stage) -> None:
    going_on = threading.Event()

    def fault(_: float) -> Observation:
        going_on.wait(5)
        raise LookupError("an internal fault")

    portal = stage.portal(fetcher=FakeFetcher(fault))
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(observe, portal) for _ in range(2)]
        while stage.coalesced == 0:
            time.sleep(0.005)
        going_on.set()
        assert {type(each.result(60).error) for each in waiting} == {InternalError}
    assert stage.faults == 1


def test_no_line_is_written_while_others_wait_for_a_lock(stage: Stage) -> None:
    """Standard error may be a pipe that no process reads."""
    blocked, writing = threading.Event(), threading.Event()

    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            writing.set()
            blocked.wait(10)
            return super().write(text)

    stage.log.log = make_log(Stuck(), "debug", "logfmt")
    portal = stage.portal(fetcher=FakeFetcher(lambda _: EMPTY), clock=Clock())
    first = observe(portal)
    assert writing.wait(60)
    assert observe(portal).error is first.error is None
    blocked.set()


# Settings that change


def test_new_settings_keep_counters_and_back_off(stage: Stage) -> None:
    with FaultServer(says_429("30")) as server:
        portal = stage.portal(server.url)
        observe(portal)
        portal.reconfigure(replace(portal.settings, timeout=3.0))
        assert observe(portal).errors["rate_limited"] == 2
        assert len(server.heads) == 1


def test_new_settings_count_from_the_next_fetch_on(stage: Stage, demo: DemoServer) -> None:
    portal = stage.portal(demo.url)
    assert observe(portal).errors["unauthorized"] == 1
    portal.reconfigure(replace(portal.settings, api_key=key_of(demo)))
    assert observe(portal).error is None


def test_what_is_withheld_from_now_on_is_withheld_from_the_last_observation(stage: Stage) -> None:
    """The status page shows it until the next fetch ends."""
    portal = stage.portal(fetcher=FakeFetcher(lambda _: EMPTY), min_interval=60.0)
    observe(portal)
    new = replace(portal.settings, withhold=frozenset({"creator"}))
    portal.reconfigure(new)
    assert portal.last is not None
    assert portal.last.portal is new
    assert observe(portal).portal is new


def test_a_fetch_under_way_has_the_settings_that_hold_when_it_ends(stage: Stage) -> None:
    fetcher, going_on = slow()
    portal = stage.portal(fetcher=fetcher, clock=Clock())
    fetch = portal.begin()
    new = replace(portal.settings, withhold=frozenset({"creator"}))
    portal.reconfigure(new)
    going_on.set()
    assert portal.finish(fetch, time.monotonic() + 60).portal is new


def reloaded_while_fetching(portal: Portal) -> tuple[Fetch, FakeFetcher]:
    """A fetch with the settings before a reload, and the fetcher after it."""
    fetch = portal.begin()
    started(portal)
    new = FakeFetcher(lambda _: EMPTY)
    portal._make_fetcher = lambda _: new
    portal.reconfigure(replace(portal.settings, timeout=50.0))
    return fetch, new


def test_a_scrape_after_a_reload_does_not_join_a_fetch_with_the_settings_before(
    stage: Stage,
) -> None:
    """Nor does it wait for its thread."""
    fetcher, going_on = slow(REFUSED)
    stage.workers = Workers(1)
    portal = stage.portal(fetcher=fetcher, clock=Clock())
    fetch, _ = reloaded_while_fetching(portal)
    assert observe(portal, 60.0).error is None
    assert not fetch.result.done()
    going_on.set()
    landed(portal)


def test_a_fetch_with_the_settings_before_a_reload_answers_those_who_waited_for_it(
    stage: Stage,
) -> None:
    fetcher, going_on = slow(REFUSED)
    portal = stage.portal(fetcher=fetcher, clock=Clock())
    fetch, _ = reloaded_while_fetching(portal)
    going_on.set()
    assert isinstance(portal.finish(fetch, time.monotonic() + 60).error, Unauthorized)


@pytest.mark.parametrize("hangs", [True, False])
def test_a_failure_with_the_settings_before_a_reload_is_neither_counted_nor_logged(
    stage: Stage, *, hangs: bool
) -> None:
    fetcher, going_on = slow(REFUSED)
    portal = stage.portal(fetcher=fetcher, clock=Clock(), timeout=0.3 if hangs else 60.0)
    fetch, _ = reloaded_while_fetching(portal)
    if not hangs:
        going_on.set()
    assert fetch.result.result(60).error is not None
    seen = observe(portal, 60.0)
    assert sum(seen.errors.values()) == 0
    assert portal.priority[0] is False
    assert [line for line in stage.log.lines if "level=warn" in line] == []
    going_on.set()
    landed(portal)


def test_a_scrape_that_leaves_a_fetch_with_the_settings_before_a_reload_is_not_logged(
    stage: Stage,
) -> None:
    """The hint would be about a timeout that has changed."""
    fetcher, going_on = slow()
    portal = stage.portal(fetcher=fetcher, clock=Clock())
    fetch, _ = reloaded_while_fetching(portal)
    assert isinstance(portal.finish(fetch, 0.0).error, CutShort)
    assert stage.log.lines == []
    going_on.set()
    landed(portal)


def test_a_fetcher_of_the_settings_before_a_reload_is_closed_when_its_fetch_ends(
    stage: Stage,
) -> None:
    fetcher, going_on = slow()
    portal = stage.portal(fetcher=fetcher, clock=Clock())
    fetch, new = reloaded_while_fetching(portal)
    assert fetcher.closed == 0
    going_on.set()
    fetch.result.result(60)
    assert capacity(stage.workers, 4) == 4  # so its thread is at its end
    assert (fetcher.closed, new.closed) == (1, 0)


def test_a_429_to_the_settings_before_a_reload_is_obeyed(stage: Stage) -> None:
    limited = replace(EMPTY, listing=None, error=RateLimited("HTTP 429", 30.0))
    fetcher, going_on = slow(limited)
    portal = stage.portal(fetcher=fetcher, clock=Clock())
    fetch, _ = reloaded_while_fetching(portal)
    going_on.set()
    fetch.result.result(60)
    assert "left alone" in str(observe(portal).error)


def test_a_short_429_to_the_settings_before_a_reload_does_not_end_a_longer_back_off(
    stage: Stage,
) -> None:
    short, long = (
        replace(EMPTY, listing=None, error=RateLimited("HTTP 429", seconds)) for seconds in (1, 60)
    )
    fetcher, going_on = slow(short)
    portal = stage.portal(fetcher=fetcher)
    fetch, new = reloaded_while_fetching(portal)
    new.result = lambda _: long
    observe(portal)
    going_on.set()
    fetch.result.result(60)
    stage.standing.time += 2
    assert "left alone for 58 s more" in str(observe(portal).error)


def test_a_fetch_that_waits_for_a_thread_takes_the_settings_of_a_reload(stage: Stage) -> None:
    """So one request answers the scrapes before and after the reload."""
    hog, going_on = slow()
    stage.workers = Workers(1)
    first = stage.portal(fetcher=hog, clock=Clock())
    old, new = FakeFetcher(lambda _: REFUSED), FakeFetcher(lambda _: EMPTY)
    portal = stage.portal(fetcher=old, clock=Clock())
    hogging = first.begin()
    started(first)
    waiting = portal.begin()
    portal._make_fetcher = lambda _: new
    portal.reconfigure(replace(portal.settings, timeout=50.0))
    joined = portal.begin()
    going_on.set()
    first.finish(hogging, time.monotonic() + 60)
    assert joined is waiting
    assert portal.finish(joined, time.monotonic() + 60).error is None
    assert (old.closed, new.closed) == (1, 0)


@pytest.mark.parametrize("ends_first", [True, False])
def test_an_answer_to_other_settings_serves_no_later_scrape(
    stage: Stage, *, ends_first: bool
) -> None:
    fetcher, going_on = slow()
    portal = stage.portal(fetcher=fetcher, clock=Clock(), min_interval=60.0)
    fetch = portal.begin()
    if ends_first:
        going_on.set()
        fetch.result.result(60)
    else:
        started(portal)
    portal.reconfigure(replace(portal.settings, timeout=50.0))
    going_on.set()
    fetch.result.result(60)
    observe(portal)
    assert stage.coalesced == 0


def test_a_fetch_keeps_the_timeout_that_it_began_with(stage: Stage) -> None:
    fetcher, going_on = slow()
    portal = stage.portal(fetcher=fetcher, clock=Clock(), timeout=0.3)
    fetch = portal.begin()
    started(portal)
    portal.reconfigure(replace(portal.settings, timeout=50.0))
    seen = portal.finish(fetch, time.monotonic() + 60)
    assert (str(seen.error), seen.duration) == ("no complete answer within 0.3 s", 0.3)
    going_on.set()
    landed(portal)


def test_new_settings_free_a_portal_whose_fetches_hang(stage: Stage) -> None:
    """Such as another key file, when the mount of the old one never answers again."""
    fetcher, going_on = slow()
    portal = stage.portal(fetcher=fetcher, clock=Clock(), timeout=0.05)
    for _ in range(3):
        assert isinstance(observe(portal).error, Timeout)
    fetcher.result = lambda _: EMPTY
    portal.reconfigure(replace(portal.settings, timeout=10.0))
    assert observe(portal).error is None
    going_on.set()
    landed(portal)


def test_a_fetcher_that_hangs_is_closed_when_it_ends_and_not_while_it_is_used(
    stage: Stage,
) -> None:
    fetcher, going_on = slow()
    portal = stage.portal(fetcher=fetcher, clock=Clock(), timeout=0.05)
    observe(portal)
    portal.close()
    assert fetcher.closed == 0
    going_on.set()
    landed(portal)
    assert capacity(stage.workers, 4) == 4  # so the thread that hung is at its end
    assert fetcher.closed == 1


def test_closing_waits_for_the_fetch_under_way(stage: Stage) -> None:
    fetcher, going_on = slow()
    portal = stage.portal(fetcher=fetcher, clock=Clock())
    fetch = portal.begin()
    started(portal)
    portal.close()
    assert fetcher.closed == 0
    going_on.set()
    assert portal.finish(fetch, time.monotonic() + 60).error is None
    assert capacity(stage.workers, 4) == 4  # so its thread is at its end
    assert fetcher.closed == 1


# What is remembered


def test_visibility_is_asked_at_the_first_success_and_then_hourly(
    stage: Stage, demo: DemoServer
) -> None:
    portal = stage.portal(demo.url, api_key=key_of(demo))
    asked = []
    for seconds in (0, 60, 3539, 1):
        stage.standing.time += seconds
        assert observe(portal).facts.visibility == "all"
        asked.append(demo.portal.requests[PROFILE])
    assert asked == [1, 1, 1, 2]


def test_visibility_is_not_asked_before_a_success(stage: Stage, demo: DemoServer) -> None:
    portal = stage.portal(demo.url)
    assert observe(portal).facts.visibility == "unknown"
    assert demo.portal.requests[PROFILE] == 0


def test_visibility_of_a_user_is_own(stage: Stage) -> None:
    user = Person("11111111-2222-4333-8444-555555555555", "A user")
    people = (OWNER, user)
    with DemoServer(DemoPortal(clock=stage.standing.now, people=people)) as server:
        seen = observe(stage.portal(server.url, api_key=key_of(server, creator=user)))
        assert seen.facts.visibility == "own"


def test_visibility_outlives_an_outage(stage: Stage, demo: DemoServer) -> None:
    portal = stage.portal(demo.url, api_key=key_of(demo))
    observe(portal)
    demo.portal.condition = "broken"
    assert observe(portal).facts.visibility == "all"


PROFILES = {
    "refuses": lambda peer: peer.send(answer(b"", "403 Forbidden")),
    "limits": lambda peer: peer.send(answer(b"", "429 Too Many", "Retry-After: 60")),
    "answers nonsense": lambda peer: peer.send(answer(b"<html>")),
    "breaks off": lambda peer: peer.sock.close(),
    "drips": lambda peer: peer.drip(b"H" * 1000),
}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_portal_whose_profile_fails_costs_nothing_but_the_visibility(
    stage: Stage, profile: Callable[[Peer], None]
) -> None:
    def script(peer: Peer) -> None:
        while head := peer.request():
            if b"/people/" in head:
                profile(peer)
            else:
                peer.send(answer(b'{"response": []}'))

    with FaultServer(script) as server:
        portal = stage.portal(server.url, clock=Clock())
        first, second = observe(portal, 1.0), observe(portal, 1.0)
    assert (first.error, first.facts.visibility) == (None, "unknown")
    assert (second.error, second.facts.visibility) == (None, "unknown")
    # Twice in one fetch if the kept connection broke, and not again in the next fetch.
    assert sum(b"/people/" in head for head in server.heads) <= 2
    assert set(second.errors.values()) == {0}


class _WaitsForFacts(FakeFetcher):
    """Has the key list, and then waits for the facts until `released`."""

    def __init__(self) -> None:
        super().__init__(lambda _: EMPTY)
        self.has_list, self.released = threading.Event(), threading.Event()

    def fetch(self, seconds: float, early: object) -> Observation:
        assert callable(early)
        early(EMPTY)
        self.has_list.set()
        assert self.released.wait(60)
        return EMPTY


def test_a_scrape_that_cannot_wait_for_the_facts_gets_the_key_list(stage: Stage) -> None:
    """The fetch is not over: it has no result yet."""
    fetcher = _WaitsForFacts()
    portal = stage.portal(fetcher=fetcher, clock=Clock(), timeout=60)
    fetch = portal.begin()
    assert fetcher.has_list.wait(60)
    assert portal.finish(fetch, time.monotonic()).error is None
    assert portal.last is None
    fetcher.released.set()
    landed(portal)


def test_a_timeout_during_the_requests_for_the_facts_is_no_failure(stage: Stage) -> None:
    """The key list is the result."""
    fetcher = _WaitsForFacts()
    portal = stage.portal(fetcher=fetcher, clock=Clock(), timeout=1)
    assert observe(portal, 60).error is None
    assert portal.last is not None
    assert portal.last.errors["timeout"] == 0
    fetcher.released.set()
    landed(portal)


def test_key_file_that_changes_needs_no_reload(
    stage: Stage, demo: DemoServer, tmp_path: Path
) -> None:
    """The profile is asked again, since the key may have another owner."""
    file = tmp_path / "key"
    file.write_text(key_of(demo).reveal())
    portal = stage.portal(demo.url, api_key_file=file)
    assert observe(portal).error is None
    file.write_text("sk-" + "0" * 64)
    assert observe(portal).errors["unauthorized"] == 1
    file.unlink()
    assert observe(portal).errors["credential"] == 1
    file.write_text(key_of(demo).reveal() + "\n")
    assert observe(portal).error is None
    assert demo.portal.requests[PROFILE] == 2


def test_own_key_is_found_among_keys_of_its_postfix(stage: Stage, demo: DemoServer) -> None:
    """By its last use, which the request for the list has just set."""
    now = stage.standing.time
    own = demo.portal.add_key("own", secret="sk-" + "1" * 60 + "beef", created=now - 9)
    demo.portal.add_key("newer", secret="sk-" + "2" * 60 + "beef", last_used=now - 1)
    demo.portal.add_key("unused", secret="sk-" + "3" * 60 + "beef")
    off = demo.portal.add_key("off", secret="sk-" + "4" * 60 + "beef", last_used=now + 60)
    demo.portal.replace_key(type(off)(**{**as_dict(off), "is_active": False}))
    found = observe(stage.portal(demo.url, api_key=Secret(own.secret))).own_key
    assert found is not None
    assert found.id == own.id


def as_dict(key: object) -> dict[str, object]:
    return {name: getattr(key, name) for name in type(key).__slots__}


def test_session_token_has_no_own_key(stage: Stage) -> None:
    record = {"id": "1", "isActive": True, "keyPostfix": "oken"}
    body = json.dumps({"response": [record]}).encode()
    with FaultServer(lambda peer: [peer.send(answer(body)) for _ in iter(peer.request, b"")]) as it:
        seen = observe(stage.portal(it.url, api_key=Secret("session-token")))
    assert (seen.error, seen.own_key) == (None, None)


def test_every_reason_is_counted_from_the_start(stage: Stage) -> None:
    seen = observe(stage.portal(fetcher=FakeFetcher(lambda _: EMPTY)))
    assert seen.errors == dict.fromkeys(REASONS, 0)


def test_observation_keeps_the_counts_it_was_made_with(stage: Stage, demo: DemoServer) -> None:
    portal = stage.portal(demo.url)
    first = observe(portal)
    observe(portal)
    assert first.errors["unauthorized"] == 1


def test_an_error_that_is_remembered_holds_no_answer(stage: Stage) -> None:
    """Its traceback would hold up to 64 MiB for each portal."""
    with FaultServer(lambda peer: [peer.request(), peer.send(answer(b"[" * 9999))]) as server:
        error = observe(stage.portal(server.url)).error
    assert isinstance(error, InvalidResponse)
    assert (error.__traceback__, error.__context__, error.__cause__) == (None, None, None)


def test_last_success_stays_through_an_outage(stage: Stage, demo: DemoServer) -> None:
    portal = stage.portal(demo.url, api_key=key_of(demo))
    observe(portal)
    succeeded = stage.standing.time
    stage.standing.time += 60
    demo.portal.condition = "broken"
    seen = observe(portal)
    assert (seen.last_success, seen.time, seen.listing) == (succeeded, succeeded + 60, None)


# What is logged


def test_outage_is_logged_when_it_begins_and_when_it_ends(stage: Stage, demo: DemoServer) -> None:
    portal = stage.portal(demo.url, api_key=key_of(demo))
    for condition in ("ok", "broken", "unpaid", "html", "ok", "ok", "broken", "broken", "ok"):
        demo.portal.condition = condition
        observe_and_log(portal)
        stage.standing.time += 15
    logged = [line.split("msg=")[1].split(" portal=")[0] for line in stage.log.lines]
    down, back = '"cannot read the keys of the portal"', '"can read the keys of the portal again"'
    still = '"still cannot read the keys of the portal"'
    assert logged == ['"portal answers"', down, still, still, back, down, back]
    assert "reason=server_error" in stage.log.lines[1]
    assert "down_seconds=45" in stage.log.lines[4]


def test_reason_is_logged_once_an_outage(stage: Stage, demo: DemoServer) -> None:
    """Two alternating reasons are two lines, not one line each scrape."""
    portal = stage.portal(demo.url, api_key=key_of(demo))
    for condition in ("broken", "unpaid", "broken", "unpaid", "broken"):
        demo.portal.condition = condition
        observe_and_log(portal)
    assert [line.count("cannot read") for line in stage.log.lines] == [1, 1]


def test_a_flood_of_bad_records_is_ten_lines_and_a_count(stage: Stage) -> None:
    good = {"id": "good", "isActive": True}
    body = json.dumps({"response": [good, *range(500)]}).encode()

    def script(peer: Peer) -> None:
        while head := peer.request():
            peer.send(answer(b"", "403 No") if b"/keys " not in head else answer(body))

    with FaultServer(script) as server:
        observe_and_log(stage.portal(server.url))
    assert stage.log.count("not a valid key") == 10
    assert stage.log.count("count=490") == 1


def test_record_that_is_not_valid_is_logged_once(stage: Stage) -> None:
    bad = {"id": "bad\n\tid", "isActive": "yes"}
    good = {"id": "good", "isActive": True}
    sent = [[good, bad], [good, bad], [good, bad, 5], [good], [good, bad]]
    bodies = iter(json.dumps({"response": each}).encode() for each in sent)

    def script(peer: Peer) -> None:
        while head := peer.request():
            peer.send(answer(b"", "403 No") if b"/keys " not in head else answer(next(bodies)))

    with FaultServer(script) as server:
        portal = stage.portal(server.url)
        logged = []
        for _ in sent:
            observe_and_log(portal)
            logged.append(stage.log.count("not a valid key"))
    assert logged == [1, 1, 2, 2, 3]
    assert all("msg=" in line for line in stage.log.lines)


def test_lines_that_two_threads_write_at_once_keep_their_order() -> None:
    """Else the last line could say that an outage goes on which has ended."""
    writing, going_on = threading.Event(), threading.Event()
    written: list[str] = []

    class Slow:
        def info(self, message: str, **_: object) -> None:
            writing.set()
            assert going_on.wait(60)
            written.append(message)

        warning = info

    outages = OutageLog(Slow())  # type: ignore[arg-type]  # a fake
    outages.note(REFUSED, None)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(outages.write)
        assert writing.wait(60)
        outages.note(EMPTY, REFUSED)
        outages.write()
        going_on.set()
        first.result(60)
    assert written == [
        "cannot read the keys of the portal",
        "can read the keys of the portal again",
    ]


def test_log_that_cannot_be_written_costs_no_scrape(stage: Stage, demo: DemoServer) -> None:
    """A full disk, or a pipe whose reader has ended."""

    class Broken:
        def write(self, _: str) -> None:
            raise OSError(28, "No space left on device")

        def flush(self) -> None:
            raise BrokenPipeError

    stage.log.log = make_log(Broken(), "debug", "logfmt")
    portal = stage.portal(demo.url, api_key=key_of(demo))
    assert observe(portal).error is None
    demo.portal.condition = "broken"
    assert isinstance(observe(portal).error, PortalError)
