"""The drawing of the keys that expire in the coming 90 days: positions and texts, without markup.

``x`` is in percent of the drawing's width, ``y`` in pixels from the top: so the drawing fits any
screen and its text keeps its size. Its text needs space, so there are two of it: for a wide screen
and for a narrow one.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from exporter.formatting import DAY

DAYS = 90

#: Blocks that a day shows one by one. If any day has more, each day is a bar with a count.
_STACK = 10
_BLOCK = 9.0
_GAP = 2.0
_ROW = 22.0
_AXIS = 30.0
_TOP = 6.0
#: Days that may get a flag: more never fit.
_CANDIDATES = 24


@dataclass(frozen=True, slots=True)
class Mark:
    """A key, which expires in ``left`` seconds."""

    left: float
    urgency: str
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Block:
    """One key of a day, or all keys of an urgency if there are too many for single blocks."""

    x: float
    y: float
    height: float
    urgency: str
    title: str


@dataclass(frozen=True, slots=True)
class Flag:
    """The name of a day's first key at the top of a vertical line, which ends at ``foot``."""

    x: float
    y: float
    foot: float
    leftward: bool
    name: str
    note: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A Monday or, with a label, the first day of a month."""

    x: float
    label: str
    wide_only: bool


@dataclass(frozen=True, slots=True)
class Count:
    """The number of keys of a day without a flag, written above its bar."""

    x: float
    y: float
    count: int


@dataclass(frozen=True, slots=True)
class Writing:
    """The text of the drawing for one kind of screen."""

    flags: tuple[Flag, ...]
    counts: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The drawing. ``base`` is the ``y`` of the axis, ``day`` the width of a day in percent."""

    height: float
    base: float
    day: float
    blocks: tuple[Block, ...]
    wide: Writing
    narrow: Writing
    ticks: tuple[Tick, ...]
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class _Screen:
    """The least width of the drawing in pixels, and the limits of its flags.

    ``rows`` is their most rows, ``name`` the most ems of a name; if ``noted``, they have a note.
    """

    width: float
    rows: int
    name: float
    noted: bool


_WIDE = _Screen(width=800.0, rows=8, name=20.0, noted=True)
_NARROW = _Screen(width=250.0, rows=8, name=11.0, noted=False)
_EM = 13.0
_POLE = 6.0


@dataclass(frozen=True, slots=True)
class _Label:
    """A flag without its row: the day, its extent in pixels, and its text."""

    day: int
    pole: float
    start: float
    end: float
    name: str
    note: str


def draw(marks: Iterable[Mark], now: float) -> Timeline:
    """The drawing of the marks of the coming 90 days, in any order; ``now`` is Unix seconds."""
    days: dict[int, list[Mark]] = defaultdict(list)
    for mark in sorted(marks, key=lambda mark: mark.left):
        if 0 <= mark.left < DAYS * DAY:
            days[int(mark.left // DAY)].append(mark)
    most = max(map(len, days.values()), default=1)
    unit = _BLOCK + _GAP if most <= _STACK else _STACK * (_BLOCK + _GAP) / most
    chosen = {screen: _chosen(days, screen) for screen in (_WIDE, _NARROW)}
    rows = 1 + max((row for labels in chosen.values() for row in labels.values()), default=-1)
    base = _TOP + rows * _ROW + min(most, _STACK) * (_BLOCK + _GAP) + 2 * _GAP
    wide, narrow = (
        _writing(days, chosen[screen], screen, base, unit) for screen in (_WIDE, _NARROW)
    )
    return Timeline(
        height=base + _AXIS,
        base=base,
        day=_x(1),
        blocks=tuple(_blocks(days, base, unit, single=most <= _STACK)),
        wide=wide,
        narrow=narrow,
        ticks=tuple(_ticks(now)),
        first=_day_of(now),
        last=_day_of(now + DAYS * DAY),
    )


def _x(day: float) -> float:
    return round(100 * day / DAYS, 2)


def _day_of(time: float) -> str:
    day = datetime.fromtimestamp(time, UTC)
    return f"{day.day} {day:%b}"


def _blocks(
    days: dict[int, list[Mark]], base: float, unit: float, *, single: bool
) -> Iterable[Block]:
    for day, marks in days.items():
        if single:
            for place, mark in enumerate(marks, 1):
                title = f"{mark.name}, {mark.detail}"
                yield Block(_x(day), base - place * unit, _BLOCK, mark.urgency, title)
            continue
        foot = base - _GAP
        for urgency in dict.fromkeys(mark.urgency for mark in marks):
            count = sum(mark.urgency == urgency for mark in marks)
            height = round(max(count * unit, 2.0), 1)
            foot -= height
            title = f"{count:,} keys, the first: {marks[0].name}, {marks[0].detail}"
            yield Block(_x(day), round(foot, 1), height, urgency, title)


def _chosen(days: dict[int, list[Mark]], screen: _Screen) -> dict[_Label, int]:
    """The flags that fit, the soonest first, with their rows; row 0 is the lowest."""
    chosen: dict[_Label, int] = {}
    for day in sorted(days)[:_CANDIDATES]:
        placed = _placed([*chosen, _label(day, days[day], screen)], screen.rows)
        chosen = placed or chosen
    return chosen


def _label(day: int, marks: Sequence[Mark], screen: _Screen) -> _Label:
    name = _shortened(" ".join(marks[0].name.split()), screen.name)
    more = f"+{len(marks) - 1:,}" if len(marks) > 1 else ""
    note = " · ".join(filter(None, (more, marks[0].detail if screen.noted else "")))
    pole = (day + 0.5) * screen.width / DAYS
    width = _POLE + _EM * (_ems(name) + _ems(note) + 1.2)
    if pole + width <= screen.width:
        return _Label(day, pole, pole, pole + width, name, note)
    return _Label(day, pole, pole - width, pole, name, note)


def _placed(labels: Sequence[_Label], rows: int) -> dict[_Label, int] | None:
    """The lowest free row of each label, from right to left; None if one of them does not fit."""
    placed: dict[_Label, int] = {}
    for label in sorted(labels, key=lambda label: -label.day):
        row = next((row for row in range(rows) if _free(label, row, placed)), None)
        if row is None or label.start < 0:
            return None
        placed[label] = row
    return placed


def _free(label: _Label, row: int, placed: dict[_Label, int]) -> bool:
    """Whether the label and its pole do not touch those of others."""
    for other, taken in placed.items():
        beside = label.end < other.start or label.start > other.end
        if taken == row and not beside:
            return False
        if taken < row and other.start <= label.pole <= other.end:
            return False
        if taken > row and label.start <= other.pole <= label.end:
            return False
    return True


def _writing(
    days: dict[int, list[Mark]],
    labels: dict[_Label, int],
    screen: _Screen,
    base: float,
    unit: float,
) -> Writing:
    tops = {day: round(base - len(marks) * unit, 1) for day, marks in days.items()}
    ceiling = base - min(max(map(len, days.values()), default=1), _STACK) * (_BLOCK + _GAP)
    flags = tuple(
        Flag(
            x=_x(label.day + 0.5),
            y=round(ceiling - 2 * _GAP - (row + 0.35) * _ROW, 1),
            foot=tops[label.day] - _GAP,
            leftward=label.start < label.pole,
            name=label.name,
            note=label.note,
        )
        for label, row in labels.items()
    )
    crowded = unit < _BLOCK
    return Writing(flags, tuple(_counts(days, labels, tops, screen)) if crowded else ())


def _counts(
    days: dict[int, list[Mark]],
    labels: Iterable[_Label],
    tops: dict[int, float],
    screen: _Screen,
) -> Iterable[Count]:
    """Counts of the days with most keys, as many as fit between poles and other counts."""
    width = 2.6 * _EM
    taken = [label.pole for label in labels]
    for day in sorted(days, key=lambda day: -len(days[day])):
        place = (day + 0.5) * screen.width / DAYS
        if width / 2 < place < screen.width - width / 2 and all(
            abs(place - other) > width for other in taken
        ):
            taken.append(place)
            yield Count(_x(day + 0.5), tops[day] - 2 * _GAP, len(days[day]))


def _ticks(now: float) -> Iterable[Tick]:
    """Mondays and first days of months at 0:00 UTC, without those close to either end."""
    midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(1, DAYS + 1):
        day = midnight + timedelta(days=number)
        ahead = (day.timestamp() - now) / DAY
        if day.day == 1 and 5 < ahead < DAYS - 9:
            long = 15 < ahead < DAYS - 24
            yield Tick(_x(ahead), f"{day:%B}" if long else f"{day:%b}", wide_only=not long)
        elif day.weekday() == 0:
            yield Tick(_x(ahead), "", wide_only=False)


def _ems(text: str) -> float:
    """The width of a text, roughly; East Asian characters and emoji are wider."""
    return sum(1.0 if unicodedata.east_asian_width(char) in "WF" else 0.6 for char in text)


def _shortened(text: str, ems: float) -> str:
    """The text, or its start and an ellipsis if it is too long."""
    if _ems(text) <= ems:
        return text
    while text and _ems(text) > ems - 0.8:
        text = text[:-1]
    return text.rstrip() + "…"
