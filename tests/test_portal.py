"""One portal over time: who shares a request, who waits, what is remembered, what is told."""

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.faults import FaultServer, Peer, Script, answer
from support.standing import Log, StandingClock

from exporter.clock import Clock
from exporter.config import PortalSettings, Secret
from exporter.demo.model import OWNER, Person
from exporter.demo.model import Portal as DemoPortal
from exporter.demo.server import DemoServer
from exporter.docspace.errors import REASONS, PortalError, RateLimited, Timeout
from exporter.docspace.facts import PROFILE
from exporter.docspace.fetch import KEYS, Fetched, Fetcher
from exporter.docspace.observation import Observation, PortalFacts
from exporter.docspace.portal import Portal
from exporter.docspace.slots import Slots
from exporter.docspace.tls import TLSContexts
from exporter.docspace.transport import Transport
from exporter.docspace.wire import KeyList
from exporter.logs import make_log

EMPTY = Fetched(KeyList((), ()), None, None, None, PortalFacts("all"), 0.0)


class CountedSlots(Slots):
    """Slots that know whether more came back than were taken."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size

    @property
    def free(self) -> int:
        """How many could be taken now."""
        taken = 0
        while taken < 2 * self.size + 10 and self.acquire(0):
            taken += 1
        for _ in range(taken):
            self.release()
        return taken


class Stage:
    """Makes portals, and holds what they share."""

    def __init__(self) -> None:
        self.standing = StandingClock()
        self.log = Log()
        self.slots = CountedSlots(4)
        self.coalesced = 0
        self._made: list[Portal] = []

    def count(self) -> None:
        """Count a shared observation."""
        self.coalesced += 1

    def portal(
        self,
        url: str = "http://127.0.0.1:1",
        fetcher: Fetcher | None = None,
        clock: Clock | None = None,
        **settings: object,
    ) -> Portal:
        """A portal; by default on the standing clock, with a fetcher of its own."""
        clock = clock or self.standing.clock
        if "api_key_file" not in settings:
            settings = {"api_key": Secret("sk-" + "deadbeef" * 8), **settings}
        chosen = PortalSettings("acme", url, **settings)
        fetcher = fetcher or Fetcher(chosen, Transport(chosen, TLSContexts(), clock), clock)
        portal = Portal(chosen, fetcher, clock, self.log.log, self.slots, self.count)
        self._made.append(portal)
        return portal

    def close(self) -> None:
        """Close every portal made."""
        for portal in self._made:
            portal.close()


def observe(portal: Portal, seconds: float = 5.0) -> Observation:
    deadline = portal._clock.monotonic() + seconds
    return portal.finish(portal.begin(deadline), deadline)


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
    """Answers what it is told to, when it is told to."""

    def __init__(self, fetch: Callable[[float], Fetched]) -> None:
        self.fetch = fetch
        self.closed = 0

    def close(self) -> None:
        """Count it."""
        self.closed += 1


def slow(answer: Fetched = EMPTY) -> tuple[FakeFetcher, threading.Event]:
    """A fetcher that heeds no deadline, like name resolution, and the event that lets it end."""
    going_on = threading.Event()

    def fetch(_: float) -> Fetched:
        assert going_on.wait(10)
        return answer

    return FakeFetcher(fetch), going_on


def landed(portal: Portal) -> None:
    """Wait for the fetch under way to end."""
    deadline = time.monotonic() + 5
    while portal._flight is not None and time.monotonic() < deadline:
        time.sleep(0.005)


# Who shares a request


def test_scrapes_that_overlap_share_one_request(stage: Stage, demo: DemoServer) -> None:
    portal = stage.portal(demo.url, api_key=key_of(demo))
    demo.portal.delay = 0.3
    together = threading.Barrier(8)

    def scrape(_: int) -> Observation:
        together.wait(5)
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


def test_within_min_interval_a_failure_is_not_served_again(stage: Stage, demo: DemoServer) -> None:
    """Else one scrape in a hurry would take the portal down for all others."""
    portal = stage.portal(demo.url, min_interval=60.0)
    assert [observe(portal).errors["unauthorized"] for _ in range(3)] == [1, 2, 3]


# Back-off


def test_portal_that_said_429_is_left_alone_until_retry_after(
    stage: Stage, demo: DemoServer
) -> None:
    portal = stage.portal(demo.url, api_key=key_of(demo))
    demo.portal.rate_limit = 2  # the list, and who we are
    assert observe(portal).error is None
    assert isinstance(observe(portal).error, RateLimited)
    asked = demo.portal.requests[KEYS]
    stage.standing.time += 58
    told = observe(portal).error
    assert demo.portal.requests[KEYS] == asked
    assert isinstance(told, RateLimited)
    assert "left alone for 2 s more" in str(told)
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
    """Whatever the machine's own time zone is."""
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


def test_fetch_that_hangs_holds_nobody_past_the_deadline(stage: Stage) -> None:
    fetcher, going_on = slow()
    portal = stage.portal(fetcher=fetcher, clock=Clock())
    before = time.monotonic()
    seen = observe(portal, 0.1)
    assert time.monotonic() - before < 1.5
    assert isinstance(seen.error, Timeout)
    going_on.set()
    landed(portal)


def test_stuck_name_resolution_holds_neither_scrape_nor_slot(
    stage: Stage, demo: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, resolve = threading.Event(), socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: object, **options: object) -> object:
        if host == "stuck.invalid":
            stuck.wait(10)
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    stage.slots = CountedSlots(1)
    hanging = stage.portal("http://stuck.invalid", clock=Clock())
    healthy = stage.portal(demo.url, api_key=key_of(demo), clock=Clock())
    before = time.monotonic()
    assert isinstance(observe(hanging, 0.2).error, Timeout)
    assert observe(healthy).error is None
    assert isinstance(observe(hanging, 0.2).error, Timeout)
    assert time.monotonic() - before < 2
    stuck.set()
    landed(hanging)
    assert stage.slots.free == 1


def test_while_a_fetch_hangs_each_scrape_is_a_timeout_at_once(stage: Stage) -> None:
    fetcher, going_on = slow()
    portal = stage.portal(fetcher=fetcher, clock=Clock())
    observe(portal, 0.05)
    before = time.monotonic()
    assert [observe(portal, 30).errors["timeout"] for _ in range(3)] == [2, 3, 4]
    assert time.monotonic() - before < 1
    going_on.set()
    landed(portal)
    assert observe(portal).error is None


def test_fetch_that_ends_after_it_was_given_up_is_told_once(stage: Stage) -> None:
    fetcher, going_on = slow(Fetched(None, Timeout("late"), None, None, PortalFacts(), 0.0))
    portal = stage.portal(fetcher=fetcher, clock=Clock())
    observe(portal, 0.05)
    going_on.set()
    landed(portal)
    last = portal.last
    assert last is not None
    assert last.errors["timeout"] == 1
    assert stage.log.count("portal is down") == 1


def test_who_joins_with_a_shorter_deadline_speaks_for_itself_alone(stage: Stage) -> None:
    fetcher, going_on = slow()
    portal = stage.portal(fetcher=fetcher, clock=Clock())
    with ThreadPoolExecutor(1) as pool:
        patient = pool.submit(observe, portal, 5.0)
        while portal._flight is None:
            time.sleep(0.005)
        impatient = observe(portal, 0.05)
        assert not patient.done()
        going_on.set()
        assert patient.result(5).error is None
    assert isinstance(impatient.error, Timeout)
    assert portal.last is patient.result()


def test_timeout_of_the_portal_ends_a_fetch_before_the_scrapes_deadline(stage: Stage) -> None:
    given: list[float] = []

    def fetch(seconds: float) -> Fetched:
        given.append(seconds)
        return EMPTY

    observe(stage.portal(fetcher=FakeFetcher(fetch), timeout=2.0), 30)
    observe(stage.portal(fetcher=FakeFetcher(fetch), timeout=50.0), 30)
    assert given == [2.0, 30.0]


# Slots


def test_slot_is_free_again_after_each_kind_of_end(stage: Stage) -> None:
    def fault(_: float) -> Fetched:
        raise LookupError("a fault of ours")

    observe(stage.portal(fetcher=FakeFetcher(lambda _: EMPTY)))
    with pytest.raises(LookupError):
        observe(stage.portal(fetcher=FakeFetcher(fault)))
    fetcher, going_on = slow()
    given_up = stage.portal(fetcher=fetcher, clock=Clock())
    observe(given_up, 0.05)
    assert stage.slots.free == 4
    going_on.set()
    landed(given_up)
    assert stage.slots.free == 4


def test_who_gives_up_a_fetch_that_waits_for_a_slot_frees_none(stage: Stage) -> None:
    """Else each such scrape would let one more fetch run at once, for ever."""

    class Starved(CountedSlots):
        def acquire(self, seconds: float) -> bool:
            if seconds:
                going_on.wait(10)
                return False
            return super().acquire(seconds)

    going_on = threading.Event()
    stage.slots = Starved(4)
    portal = stage.portal(clock=Clock())
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(observe, portal, 0.1)
        while portal._flight is None:
            time.sleep(0.005)
        assert isinstance(observe(portal, 0.1).error, Timeout)
        going_on.set()
        assert isinstance(waiting.result(5).error, Timeout)
    assert stage.slots.free == 4


def test_many_threads_with_any_deadline_leave_the_slots_as_they_were(stage: Stage) -> None:
    def fetch(_: float) -> Fetched:
        time.sleep(random.random() / 50)  # noqa: S311, no secret
        return EMPTY

    stage.slots = CountedSlots(2)
    portals = [stage.portal(fetcher=FakeFetcher(fetch), clock=Clock()) for _ in range(4)]

    def scrape(number: int) -> Observation:
        return observe(portals[number % 4], random.random() / 100)  # noqa: S311, as above

    with ThreadPoolExecutor(16) as pool:
        seen = list(pool.map(scrape, range(200)))
    for portal in portals:
        landed(portal)
    assert all((each.error is None) != (each.listing is None) for each in seen)
    assert stage.slots.free == 2


def test_system_without_threads_costs_one_scrape(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal = stage.portal(fetcher=FakeFetcher(lambda _: EMPTY))

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError):
            observe(portal)
    assert observe(portal).error is None
    assert stage.slots.free == 4


def test_fault_of_ours_is_raised_in_everyone_who_waits(stage: Stage) -> None:
    going_on = threading.Event()

    def fault(_: float) -> Fetched:
        going_on.wait(5)
        raise LookupError("a fault of ours")

    fetcher = FakeFetcher(fault)
    portal = stage.portal(fetcher=fetcher)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(observe, portal) for _ in range(2)]
        while stage.coalesced == 0:
            time.sleep(0.005)
        going_on.set()
        assert [type(each.exception(5)) for each in waiting] == [LookupError, LookupError]
    fetcher.fetch = lambda _: EMPTY
    assert observe(portal).error is None


def test_closing_waits_for_the_fetch_under_way(stage: Stage) -> None:
    fetcher, going_on = slow()
    portal = stage.portal(fetcher=fetcher, clock=Clock())
    flight = portal.begin(time.monotonic() + 5)
    portal.close()
    assert fetcher.closed == 0
    going_on.set()
    assert portal.finish(flight, time.monotonic() + 5).error is None
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
    # Twice in one fetch where the kept connection broke, and not again in the next.
    assert sum(b"/people/" in head for head in server.heads) <= 2
    assert set(second.errors.values()) == {0}


def test_key_file_that_changes_needs_no_reload(
    stage: Stage, demo: DemoServer, tmp_path: Path
) -> None:
    """Its new owner is asked who they are."""
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
    """By its last use: our call has just moved it."""
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


def test_last_success_stays_through_an_outage(stage: Stage, demo: DemoServer) -> None:
    portal = stage.portal(demo.url, api_key=key_of(demo))
    observe(portal)
    succeeded = stage.standing.time
    stage.standing.time += 60
    demo.portal.condition = "broken"
    seen = observe(portal)
    assert (seen.last_success, seen.time, seen.listing) == (succeeded, succeeded + 60, None)


# What is told


def test_outage_is_told_when_it_begins_and_when_it_ends(stage: Stage, demo: DemoServer) -> None:
    portal = stage.portal(demo.url, api_key=key_of(demo))
    for condition in ("ok", "broken", "unpaid", "html", "ok", "ok", "broken", "broken", "ok"):
        demo.portal.condition = condition
        observe(portal)
        stage.standing.time += 15
    told = [line.split("msg=")[1].split(" portal=")[0] for line in stage.log.lines]
    down, back = '"portal is down"', '"portal is back"'
    still = '"portal is still down"'
    assert told == ['"portal answers"', down, still, still, back, down, back]
    assert "reason=server_error" in stage.log.lines[1]
    assert "down_seconds=45" in stage.log.lines[4]


def test_reason_is_told_once_an_outage(stage: Stage, demo: DemoServer) -> None:
    """Two reasons that take turns are two lines, not one each scrape."""
    portal = stage.portal(demo.url, api_key=key_of(demo))
    for condition in ("broken", "unpaid", "broken", "unpaid", "broken"):
        demo.portal.condition = condition
        observe(portal)
    assert [line.count("down") for line in stage.log.lines] == [1, 1]


def test_a_flood_of_bad_records_is_ten_lines_and_a_count(stage: Stage) -> None:
    good = {"id": "good", "isActive": True}
    body = json.dumps({"response": [good, *range(500)]}).encode()

    def script(peer: Peer) -> None:
        while head := peer.request():
            peer.send(answer(b"", "403 No") if b"people" in head else answer(body))

    with FaultServer(script) as server:
        observe(stage.portal(server.url))
    assert stage.log.count("cannot be understood") == 10
    assert stage.log.count("count=490") == 1


def test_who_joins_a_scrape_in_a_hurry_is_not_cut_short_with_it(stage: Stage) -> None:
    """One with 0.2 s began the fetch; the other has time, and the portal answers in 0.6 s."""
    portal = DemoPortal(clock=time.time)
    key = portal.add_key(permissions=["*:read"])
    portal.delay = 0.6
    with DemoServer(portal) as server, ThreadPoolExecutor(1) as pool:
        ours = stage.portal(server.url, api_key=Secret(key.secret), clock=Clock())
        hurried = pool.submit(observe, ours, 0.2)
        time.sleep(0.1)
        assert observe(ours, 5.0).error is None
        assert isinstance(hurried.result().error, Timeout)


def test_record_that_cannot_be_understood_is_told_once(stage: Stage) -> None:
    bad = {"id": "bad\n\tid", "isActive": "yes"}
    good = {"id": "good", "isActive": True}
    sent = [[good, bad], [good, bad], [good, bad, 5], [good], [good, bad]]
    bodies = iter(json.dumps({"response": each}).encode() for each in sent)

    def script(peer: Peer) -> None:
        while head := peer.request():
            peer.send(answer(b"", "403 No") if b"people" in head else answer(next(bodies)))

    with FaultServer(script) as server:
        portal = stage.portal(server.url)
        told = []
        for _ in sent:
            observe(portal)
            told.append(stage.log.count("cannot be understood"))
    assert told == [1, 1, 2, 2, 3]
    assert all("msg=" in line for line in stage.log.lines)


def test_log_that_cannot_be_written_costs_no_scrape(stage: Stage, demo: DemoServer) -> None:
    """A full disk, or a pipe whose reader has gone."""

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
