"""The state of a key at a moment, and the counts of states."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from observations import ANNA, DAY, NOW, key

from exporter.config import Window
from exporter.docspace.model import REMOVED_CREATOR, ApiKey, Creator
from exporter.docspace.state import UNUSED_FOR, Summary, find_superseded, judge, summarize

WEEK = Window("7d", 7 * DAY)
MONTH = Window("30d", 30 * DAY)
REMOVED = Creator(REMOVED_CREATOR, "profile removed")


def status(**fields: Any) -> str:
    (state,) = judge([key(**fields)], NOW)
    return state.status


def counted(
    keys: Sequence[ApiKey],
    now: float,
    windows: Sequence[Window] = (),
    disabled: frozenset[str] | None = None,
) -> Summary:
    return summarize(keys, now, windows, disabled, find_superseded(keys, now))


def summary(*keys: ApiKey) -> Summary:
    return counted(keys, NOW, [WEEK, MONTH])


def superseded(*keys: ApiKey) -> list[int]:
    """Indexes of the superseded keys."""
    return [place for place, state in enumerate(judge(keys, NOW)) if state.superseded]


# Status


@pytest.mark.parametrize(
    ("is_active", "expires", "expected"),
    [
        (True, None, "active"),
        (True, NOW + 1e-6, "active"),
        (True, NOW, "expired"),
        (True, NOW - 1, "expired"),
        (False, None, "disabled"),
        (False, NOW + 1e-6, "disabled"),
        (False, NOW, "expired"),
        (False, NOW - 1, "expired"),
    ],
)
def test_status(is_active: bool, expires: float | None, expected: str) -> None:  # noqa: FBT001, a parameter of the test
    """A key is expired from the moment of its expiry, whether or not the portal switched it off."""
    assert status(is_active=is_active, expires=expires) == expected


def test_a_key_that_the_job_has_not_switched_off_yet_is_expired() -> None:
    """The portal switches expired keys off minutes or a day later, or never."""
    assert status(is_active=True, expires=NOW - 30 * DAY) == "expired"


def test_a_key_that_is_off_past_its_expiry_was_not_disabled_by_a_person() -> None:
    assert status(is_active=False, expires=NOW - 1) == "expired"
    assert status(is_active=False, expires=NOW + 1) == "disabled"


@pytest.mark.parametrize(
    ("creator", "orphaned"),
    [("anna", False), ("bruno", True), (REMOVED_CREATOR, True), ("", None)],
)
def test_a_key_of_a_disabled_or_removed_creator_is_orphaned_though_it_is_active(
    creator: str, *, orphaned: bool | None
) -> None:
    each = key(creator=Creator(creator, "any name"), is_active=True)
    (state,) = judge([each], NOW, frozenset({"bruno"}))
    assert (state.status, state.orphaned) == ("active", orphaned)


def test_where_it_is_not_known_who_is_disabled_only_removed_creators_are() -> None:
    keys = [key(1, creator=Creator("anna", "A")), key(2, creator=Creator(REMOVED_CREATOR, "R"))]
    assert [state.orphaned for state in judge(keys, NOW, None)] == [None, True]


@pytest.mark.parametrize(("expires", "left"), [(None, None), (NOW + 5, 5), (NOW - 5, -5)])
def test_time_left(expires: float | None, left: float | None) -> None:
    (state,) = judge([key(expires=expires)], NOW)
    assert state.left == left


def test_states_are_in_the_order_given() -> None:
    keys = [key(3), key(1), key(2)]
    assert [state.key for state in judge(keys, NOW)] == keys


# Summary


def test_nothing_is_counted_of_no_keys() -> None:
    none = {"30d": 0, "90d": 0, "180d": 0, "365d": 0}
    assert summary() == Summary(0, 0, 0, 0, {"7d": 0, "30d": 0}, 0, 0, 0, 0, 0, none, None)


def test_every_count() -> None:
    assert summary(
        key(1, last_used=NOW),
        key(2, last_used=NOW - 90 * DAY, permissions=("*:read",), expires=NOW + DAY),
        key(3, permissions=("*:read",), expires=NOW + 10 * DAY),
        key(4, creator=REMOVED, expires=NOW + 100 * DAY),
        key(5, is_active=False),
        key(6, expires=NOW - DAY),
    ) == Summary(
        keys=6,
        active=4,
        disabled=1,
        expired=1,
        expiring={"7d": 1, "30d": 2},
        never_expiring=1,
        unrestricted=2,
        never_used=2,
        orphaned=1,
        superseded=0,
        stale={"30d": 1, "90d": 1, "180d": 0, "365d": 0},
        last_created=NOW - 30 * DAY,
    )


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (1e-6, {"7d": 1, "30d": 1}),
        (7 * DAY, {"7d": 1, "30d": 1}),
        (7 * DAY + 1e-6, {"7d": 0, "30d": 1}),
        (30 * DAY, {"7d": 0, "30d": 1}),
        (30 * DAY + 1e-6, {"7d": 0, "30d": 0}),
        (0, {"7d": 0, "30d": 0}),
        (-1, {"7d": 0, "30d": 0}),
    ],
)
def test_window_holds_its_own_end(left: float, expected: dict[str, int]) -> None:
    assert summary(key(expires=NOW + left)).expiring == expected


@pytest.mark.parametrize("off", [{"is_active": False}, {"expires": NOW}])
def test_key_that_cannot_be_used_is_in_no_count_of_dangers(off: dict[str, Any]) -> None:
    counts = summary(key(creator=REMOVED, **off))
    assert counts.expiring == {"7d": 0, "30d": 0}
    assert (counts.never_expiring, counts.unrestricted, counts.never_used, counts.orphaned) == (
        0, 0, 0, 0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("last_used", "spans"),
    [
        (NOW - 90 * DAY + 1, ["30d"]),
        (NOW - 90 * DAY, ["30d", "90d"]),
        (NOW - 400 * DAY, ["30d", "90d", "180d", "365d"]),
        (None, []),
    ],
)
def test_key_is_stale_from_the_end_of_a_span_without_use(
    last_used: float | None, spans: list[str]
) -> None:
    stale = summary(key(last_used=last_used)).stale
    assert [span for span, keys in stale.items() if keys] == spans


@pytest.mark.parametrize("off", [{"is_active": False}, {"expires": NOW}])
def test_key_that_cannot_be_used_is_not_stale_but_may_be_the_newest(off: dict[str, Any]) -> None:
    counts = summary(key(1), key(2, last_used=0.0, created=NOW - 5, **off))
    assert set(counts.stale.values()) == {0}
    assert counts.last_created == NOW - 5


def test_key_without_a_creator_is_not_orphaned() -> None:
    assert summary(key(creator=None)).orphaned == 0


# Superseded

OLD = key(1, created=NOW - 9 * DAY, expires=NOW + DAY)
NEW = key(2, created=NOW - DAY, expires=NOW + 90 * DAY)


def test_rotated_key_is_superseded() -> None:
    assert superseded(OLD, NEW) == [0]


def test_order_does_not_matter() -> None:
    assert superseded(NEW, OLD) == [1]


def test_expired_key_is_superseded_too() -> None:
    assert superseded(replace(OLD, expires=NOW - 1), NEW) == [0]


def test_disabled_key_is_superseded_too() -> None:
    assert superseded(replace(OLD, is_active=False), NEW) == [0]


def test_key_without_expiry_outlives_one_with() -> None:
    assert superseded(OLD, replace(NEW, expires=None)) == [0]


@pytest.mark.parametrize(
    "newer",
    [
        {"name": "other"},
        {"creator": Creator("x", "Anna")},
        {"creator": None},
        {"is_active": False},
        {"created": OLD.created},
        {"created": None},
        {"created": NOW - 10 * DAY},
        {"expires": OLD.expires},
        {"expires": NOW + DAY / 2},
    ],
    ids=lambda changes: " ".join(changes),
)
def test_nothing_is_superseded_by_a_key_that(newer: dict[str, Any]) -> None:
    assert superseded(OLD, replace(NEW, **newer)) == []


def test_newer_key_that_is_expired_supersedes_nothing() -> None:
    assert superseded(replace(OLD, expires=NOW - 2), replace(NEW, expires=NOW - 1)) == []


def test_keys_of_removed_people_are_not_one_persons() -> None:
    assert superseded(replace(OLD, creator=REMOVED), replace(NEW, creator=REMOVED)) == []


@pytest.mark.parametrize("creator", [None, Creator("", "")])
def test_keys_of_nobody_are_not_one_persons(creator: Creator | None) -> None:
    assert superseded(replace(OLD, creator=creator), replace(NEW, creator=creator)) == []


def test_person_may_have_changed_their_name() -> None:
    assert superseded(OLD, replace(NEW, creator=Creator(ANNA.id, "Anna B."))) == [0]


def test_each_of_a_row_of_rotations_but_the_last() -> None:
    third = key(3, created=NOW, expires=NOW + 180 * DAY)
    assert superseded(third, NEW, OLD) == [1, 2]


# Any keys at all

# Few values near the moment, since errors are likely with ties and at boundaries.
TIMES = st.none() | st.sampled_from([NOW + step for step in (-2, -1, 0, 1, 2)]) | st.just(-DAY)
CREATORS = st.sampled_from([None, ANNA, Creator("x", "X"), Creator("", ""), REMOVED])
PLAIN_KEYS = st.builds(
    lambda **fields: fields,
    name=st.sampled_from("ab"),
    creator=CREATORS,
    is_active=st.booleans(),
    created=TIMES,
    expires=TIMES,
    last_used=TIMES,
    permissions=st.sampled_from([("*",), ("*:read",)]),
)
KEYS = st.lists(PLAIN_KEYS, max_size=12).map(
    lambda found: [key(number, **fields) for number, fields in enumerate(found)]
)
MOMENTS = st.sampled_from([NOW, NOW + 1.5, NOW - 10])
WINDOWS = st.lists(st.integers(1, 4), unique=True).map(
    lambda lengths: [Window(f"{length}s", float(length)) for length in sorted(lengths)]
)


@given(KEYS, MOMENTS)
def test_keys_are_active_disabled_or_expired(keys: list[ApiKey], now: float) -> None:
    counts = counted(keys, now)
    assert counts.keys == len(keys) == counts.active + counts.disabled + counts.expired


@given(KEYS, MOMENTS, WINDOWS)
def test_windows_nest(keys: list[ApiKey], now: float, windows: list[Window]) -> None:
    counts = counted(keys, now, windows)
    found = [0, *counts.expiring.values(), counts.active - counts.never_expiring]
    assert all(narrow <= wide for narrow, wide in pairwise(found))


@given(KEYS, MOMENTS)
def test_dangers_are_among_the_active(keys: list[ApiKey], now: float) -> None:
    counts = counted(keys, now)
    dangers = (counts.never_expiring, counts.unrestricted, counts.never_used, counts.orphaned)
    assert max(dangers) <= counts.active


@given(KEYS, MOMENTS)
def test_superseded_is_what_its_definition_says(keys: list[ApiKey], now: float) -> None:
    """A newer active key of the same creator and name outlives it, checked pair by pair."""

    def end(key: ApiKey) -> float:
        return float("inf") if key.expires is None else key.expires

    def outlives(newer: ApiKey, older: ApiKey) -> bool:
        return (
            newer.creator is not None
            and older.creator is not None
            and newer.creator.id == older.creator.id
            and newer.creator.id not in {"", REMOVED_CREATOR}
            and newer.name == older.name
            and newer.created is not None
            and older.created is not None
            and newer.created > older.created
            and newer.is_active
            and end(newer) > now
            and end(newer) > end(older)
        )

    expected = [any(outlives(newer, older) for newer in keys) for older in keys]
    assert [state.superseded for state in judge(keys, now)] == expected


PEOPLE = st.sampled_from([None, frozenset(), frozenset({"x"}), frozenset({"", ANNA.id, "x"})])


@given(KEYS, MOMENTS, WINDOWS, PEOPLE)
def test_summary_counts_the_states(
    keys: list[ApiKey], now: float, windows: list[Window], disabled: frozenset[str] | None
) -> None:
    """By the definition: the state of each key, then counted."""
    states = judge(keys, now, disabled)
    active = [state for state in states if state.status == "active"]
    lefts = [state.left for state in active if state.left is not None]
    uses = [state.key.last_used for state in active if state.key.last_used is not None]
    born = [key.created for key in keys if key.created is not None]
    assert counted(keys, now, windows, disabled) == Summary(
        keys=len(states),
        active=len(active),
        disabled=sum(state.status == "disabled" for state in states),
        expired=sum(state.status == "expired" for state in states),
        expiring={
            window.label: sum(left <= window.seconds for left in lefts) for window in windows
        },
        never_expiring=len(active) - len(lefts),
        unrestricted=sum(state.key.access == "full" for state in active),
        never_used=sum(state.key.last_used is None for state in active),
        orphaned=sum(state.orphaned is True for state in active),
        superseded=sum(state.superseded for state in active),
        stale={span.label: sum(used <= now - span.seconds for used in uses) for span in UNUSED_FOR},
        last_created=max(born, default=None),
    )


@given(st.lists(st.floats(NOW - 1, NOW + 10 * DAY), max_size=20), st.floats(NOW - 1, NOW + 1))
def test_window_counts_what_is_left_to_the_last_bit(ends: list[float], now: float) -> None:
    """Seconds left, not the end of the window: adding and subtracting round differently."""
    for end in ends:
        window = Window("w", end - now)
        expected = sum(0 < each - now <= window.seconds for each in ends)
        keys = [key(number, expires=each) for number, each in enumerate(ends)]
        assert counted(keys, now, [window]).expiring == {"w": expected}
