"""Portals side by side: a portal that hangs costs only its own series."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from support.standing import Log

from exporter.clock import Clock
from exporter.config import PortalSettings, Secret
from exporter.docspace.deadline import Alarm
from exporter.docspace.errors import Timeout
from exporter.docspace.fleet import Fleet
from exporter.docspace.observation import Observation
from exporter.docspace.portal import Portal, Shared
from exporter.docspace.wire import KeyList
from exporter.docspace.workers import Workers

EMPTY = Observation(PortalSettings("x", "http://x"), 0.0, 0.0, KeyList((), ()))
Fetch = Callable[[float], Observation]


class Fetcher:
    """A fetcher that calls a function of the test."""

    def __init__(self, fetch: Fetch, settings: PortalSettings) -> None:
        self.fetch = lambda seconds, _: replace(fetch(seconds), portal=settings)

    def close(self) -> None:
        """Do nothing."""


class Yard:
    """Makes fleets of portals that answer, hang until their deadline, or hang longer."""

    def __init__(self) -> None:
        self._end = threading.Event()
        self._shared: list[Shared] = []
        self.running = self.most = self.ended = 0
        self._lock = threading.Lock()

    def answers(self, _: float) -> Observation:
        """Answer after 10 ms."""
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        time.sleep(0.01)
        with self._lock:
            self.running -= 1
        return EMPTY

    def hangs(self, seconds: float) -> Observation:
        """Hang until the deadline."""
        self._end.wait(seconds)
        self.ended += 1
        return replace(EMPTY, listing=None, error=Timeout("hangs"))

    def is_stuck(self, _: float) -> Observation:
        """Hang, also past the deadline."""
        self._end.wait(60)
        self.ended += 1
        return EMPTY

    def fleet(self, threads: int, *fetches: Fetch, timeout: float = 60.0) -> Fleet:
        """A portal for each of these functions; its number is its name."""
        shared = Shared(Clock(), Log().log, Workers(threads), Alarm(), lambda: None, lambda: None)
        self._shared.append(shared)
        portals = [
            Portal(
                PortalSettings(str(number), "http://x", api_key=Secret("k"), timeout=timeout),
                partial(Fetcher, fetch),
                shared,
            )
            for number, fetch in enumerate(fetches)
        ]
        return Fleet(portals, Clock())

    def end(self) -> None:
        """End the fetches that hang."""
        self._end.set()
        for shared in self._shared:
            shared.workers.close()


@pytest.fixture
def yard() -> Iterator[Yard]:
    yard = Yard()
    yield yard
    yard.end()


def ups(observations: list[Observation]) -> list[bool]:
    return [observation.error is None for observation in observations]


def scrape(fleet: Fleet, seconds: float) -> list[bool]:
    return ups(fleet.observe(fleet.portals, seconds))


@pytest.mark.parametrize("how", ["hangs", "is_stuck"])
def test_portal_that_hangs_costs_its_own_series_alone(yard: Yard, how: str) -> None:
    fleet = yard.fleet(8, yard.answers, getattr(yard, how), yard.answers)
    assert scrape(fleet, 1.0) == [True, False, True]
    assert yard.ended == 0  # so the scrape did not wait for it


def test_timeout_of_a_portal_bounds_the_scrape_too(yard: Yard) -> None:
    fleet = yard.fleet(8, yard.answers, yard.is_stuck, timeout=0.5)
    assert scrape(fleet, 600) == [True, False]
    assert yard.ended == 0


def test_observations_come_in_the_order_asked_for(yard: Yard) -> None:
    fleet = yard.fleet(2, *[yard.answers] * 6)
    fleet.observe(fleet.portals, 5)
    asked = list(reversed(fleet.portals))
    names = [seen.portal.name for seen in fleet.observe(asked, 5)]
    assert names == ["5", "4", "3", "2", "1", "0"]


def test_answers_are_passed_on_while_a_portal_asked_before_them_is_waited_for(yard: Yard) -> None:
    fleet = yard.fleet(8, yard.hangs, yard.answers, yard.answers)
    passed_on: list[str] = []
    fleet.observe(fleet.portals, 0.3, lambda seen: passed_on.append(seen.portal.name))
    assert (sorted(passed_on[:2]), passed_on[2:]) == (["1", "2"], ["0"])


def test_no_more_portals_at_once_than_threads(yard: Yard) -> None:
    up = scrape(yard.fleet(3, *[yard.answers] * 20), 60)
    assert (all(up), yard.most) == (True, 3)


@pytest.mark.parametrize("how", ["hangs", "is_stuck"])
def test_healthy_portals_behind_hanging_ones_in_every_thread_answer_on_the_next_scrape(
    yard: Yard, how: str
) -> None:
    hanging = getattr(yard, how)
    fleet = yard.fleet(2, hanging, hanging, yard.answers, yard.answers)
    scrape(fleet, 0.5)
    for _ in range(2):
        assert scrape(fleet, 1.0) == [False, False, True, True]
    assert yard.ended == 0


def test_fetches_that_no_scrape_began_keep_no_thread_from_those_behind_them(yard: Yard) -> None:
    """At the start each portal is asked once, and each may hang for its whole timeout."""
    fleet = yard.fleet(2, yard.hangs, yard.hangs, yard.answers, yard.answers)
    for portal in fleet.portals:
        portal.begin(waits=False)
    scrape(fleet, 0.5)
    assert scrape(fleet, 1.0) == [False, False, True, True]


def test_portals_that_hang_take_no_turns_at_starving_the_others(yard: Yard) -> None:
    """A portal that got no thread counts as unknown, not as quick."""
    fleet = yard.fleet(2, *[yard.hangs] * 4, yard.answers, yard.answers)
    scrape(fleet, 0.15)
    scrape(fleet, 0.15)
    for _ in range(3):
        assert scrape(fleet, 1.0) == [False] * 4 + [True] * 2


def test_scrape_with_every_thread_taken_ends_in_time(yard: Yard) -> None:
    fleet = yard.fleet(1, *[yard.is_stuck] * 5)
    assert scrape(fleet, 0.2) == [False] * 5
    assert yard.ended == 0


def test_two_scrapes_at_once_of_more_portals_than_threads_both_end_in_time(yard: Yard) -> None:
    fleet = yard.fleet(2, yard.is_stuck, yard.is_stuck, *[yard.answers] * 10)
    scrape(fleet, 0.2)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(scrape, [fleet] * 2, [2.0] * 2))
        assert yard.ended == 0
    assert results == [[False, False, *[True] * 10]] * 2


def test_fleet_knows_its_portals_by_name(yard: Yard) -> None:
    fleet = yard.fleet(1, yard.answers, yard.answers)
    assert fleet.named("1") is fleet.portals[1]
    assert fleet.named("2") is None


def test_nothing_to_observe_is_nothing(yard: Yard) -> None:
    assert yard.fleet(1).observe((), 5) == []
