"""The disabled people: rounds over pages, and the result during an incomplete round."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.standing import StandingClock

from exporter.docspace.errors import Forbidden, InvalidResponse, Timeout, TooLarge
from exporter.docspace.people import MAX_PAGES, PAGES_A_FETCH, DisabledPeople
from exporter.docspace.wire import PeoplePage

INTERVAL = 300.0


class Listing:
    """The disabled people of a portal, in pages of 100."""

    def __init__(self, people: int) -> None:
        self.people = people
        self.asked: list[int] = []
        self.says_total = True
        self.fails: Exception | None = None
        self.has_time = True

    def page(self, path: str) -> PeoplePage | None:
        """The page at this path."""
        assert "employeeStatus=2&" in path
        assert "count=100&" in path
        if not self.has_time:
            return None
        start = int(path.rpartition("=")[2])
        self.asked.append(start)
        if self.fails is not None:
            raise self.fails
        ids = [f"person-{number}" for number in range(self.people)][start : start + 100]
        return PeoplePage(frozenset(ids), len(ids), self.people if self.says_total else None)


class Reading:
    """Reads the disabled people of a listing, on a standing clock."""

    def __init__(self, people: int) -> None:
        self.listing = Listing(people)
        self.clock = StandingClock()
        self.people = DisabledPeople(INTERVAL)

    def read(self) -> int | None:
        """The number of disabled people, None if unknown."""
        ids, _ = self.people.read(self.listing.page, self.clock.now)
        return None if ids is None else len(ids)

    def error(self) -> Exception | None:
        """The error for which they are unknown."""
        return self.people.read(self.listing.page, self.clock.now).error


def fetches(reading: Reading) -> int:
    """Reads until a round is complete, and returns how many there were."""
    count = 1
    while reading.read() is None:
        count += 1
        assert count < 100
    return count


def test_pages_are_of_100_people_since_more_are_a_400_and_leave_out_all_but_id_and_status() -> None:
    paths: list[str] = []

    def page(path: str) -> None:
        paths.append(path)

    DisabledPeople(INTERVAL).read(page, StandingClock().now)
    fixed = "/api/2.0/people/filter?employeeStatus=2&fields=id,status"
    assert paths == [f"{fixed}&count=100&startIndex=0"]


@pytest.mark.parametrize("says_total", [True, False])
@pytest.mark.parametrize("people", [0, 1, 99, 100, 101, 500])
def test_few_people_are_known_after_one_fetch(people: int, *, says_total: bool) -> None:
    reading = Reading(people)
    reading.listing.says_total = says_total
    while reading.read() is None:
        assert (people, says_total) == (500, False)  # the sixth page, which is empty
    assert reading.read() == people


def test_a_round_of_many_pages_takes_several_fetches_and_says_nothing_before_its_end() -> None:
    reading = Reading(1250)
    assert [reading.read() for _ in range(3)] == [None, None, 1250]
    assert reading.listing.asked == [start * 100 for start in range(13)]


def test_the_next_round_is_an_interval_later() -> None:
    reading = Reading(3)
    reading.read()
    reading.clock.time += INTERVAL - 1
    reading.read()
    assert len(reading.listing.asked) == 1
    reading.clock.time += 1
    reading.read()
    assert len(reading.listing.asked) == 2


def test_a_long_list_is_read_less_often() -> None:
    """On average, five pages an interval at most."""
    reading = Reading(1250)
    assert fetches(reading) == 3
    reading.clock.time += 3 * INTERVAL - 1
    reading.read()
    assert len(reading.listing.asked) == 13
    reading.clock.time += 1
    reading.read()
    assert len(reading.listing.asked) == 13 + PAGES_A_FETCH


def test_the_last_round_counts_until_the_next_is_complete() -> None:
    reading = Reading(700)
    fetches(reading)
    reading.clock.time += 2 * INTERVAL
    reading.listing.people = 650
    assert [reading.read(), reading.read()] == [700, 650]


def test_without_time_left_the_round_goes_on_at_the_next_fetch() -> None:
    reading = Reading(150)
    reading.listing.has_time = False
    assert (reading.read(), reading.error(), reading.listing.asked) == (None, None, [])
    reading.listing.has_time = True
    assert reading.read() == 150


@pytest.mark.parametrize("error", [Forbidden("HTTP 403"), Timeout("slow")])
def test_a_failure_makes_everybody_unknown_and_is_tried_again_after_a_minute(
    error: Exception,
) -> None:
    reading = Reading(3)
    reading.read()
    reading.clock.time += INTERVAL
    reading.listing.fails = error
    assert (reading.read(), reading.error()) == (None, error)
    reading.listing.fails = None
    reading.clock.time += 59
    assert reading.read() is None
    reading.clock.time += 1
    assert (reading.read(), reading.error()) == (3, None)


def test_a_round_that_fails_starts_anew() -> None:
    reading = Reading(700)
    reading.read()
    reading.listing.fails = Timeout("slow")
    reading.read()
    reading.listing.fails = None
    reading.clock.time += 60
    assert fetches(reading) == 2
    assert reading.listing.asked[-7:] == [0, 100, 200, 300, 400, 500, 600]


def test_people_that_the_pages_lack_are_not_active() -> None:
    """A person who is enabled between two pages moves the others up, and one is skipped."""
    reading = Reading(0)

    def page(path: str) -> PeoplePage:
        first = path.endswith("startIndex=0")
        return PeoplePage(frozenset({path}), 100 if first else 49, 150)

    found = reading.people.read(page, reading.clock.now)
    assert found.ids is None
    assert isinstance(found.error, InvalidResponse)


def test_more_pages_than_are_read_leave_everybody_unknown() -> None:
    reading = Reading(MAX_PAGES * 100 + 1)
    while reading.people.read(reading.listing.page, reading.clock.now).error is None:
        assert len(reading.listing.asked) <= MAX_PAGES
    assert isinstance(reading.error(), TooLarge)
    assert len(reading.listing.asked) == MAX_PAGES
    reading.clock.time += INTERVAL
    reading.read()
    assert len(reading.listing.asked) == MAX_PAGES  # not again soon


def test_a_page_that_is_too_large_is_not_asked_for_at_each_fetch() -> None:
    reading = Reading(3)
    reading.listing.fails = TooLarge("a page of many megabytes")
    for _ in range(10):
        reading.read()
        reading.clock.time += 15
    assert len(reading.listing.asked) == 1
    reading.clock.time += INTERVAL
    reading.read()
    assert len(reading.listing.asked) == 2


@given(people=st.integers(0, 3000), says_total=st.booleans())
def test_any_number_of_people_is_read_within_bounds(people: int, *, says_total: bool) -> None:
    reading = Reading(people)
    reading.listing.says_total = says_total
    needed = fetches(reading)
    assert reading.read() == people
    assert len(reading.listing.asked) <= needed * PAGES_A_FETCH
    assert len(set(reading.listing.asked)) == len(reading.listing.asked)
