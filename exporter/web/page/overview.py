"""The content of the status page, made from the portals' last observations.

There is no markup here. Lists are bounded and say how much they leave out, so that the page stays
readable and small with hundreds of portals.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from exporter.docspace.portal import Portal
from exporter.docspace.state import KeyState
from exporter.formatting import DAY, moment, plural
from exporter.web.page.card import (
    DISABLED,
    EXPIRED,
    IN_USE,
    LIST_KEYS,
    MONTH,
    ORPHANED,
    QUARTER,
    ROTATED,
    STALE,
    URGENCIES,
    WEEK,
    Card,
    JudgedPortal,
    Row,
    Urgency,
    ago,
    date,
    urgency_of,
)
from exporter.web.page.timeline import DAYS, Mark, Timeline, draw

#: Portals with their keys on the page; the next `BRIEF_PORTALS` get a line each, the rest a count.
FULL_PORTALS = 20
BRIEF_PORTALS = 500
#: Keys in all lists of portals together.
PAGE_KEYS = 250

_ORDER = {"down": 0, "up": 1, "unseen": 2}


@dataclass(frozen=True, slots=True)
class Overview:
    """The page.

    ``unseen`` counts the portals without an observation. ``totals`` has the number of keys in use
    for each urgency. ``coming`` is the number of keys in the drawing, ``upcoming`` are the first of
    them, each with the name of its portal. ``more`` counts the portals that are not shown.
    """

    headline: tuple[str, ...]
    time: datetime
    portals: int
    up: int
    unseen: int
    keys: int
    active: int
    seen: str
    stale: bool
    totals: tuple[tuple[Urgency, int], ...]
    timeline: Timeline
    coming: int
    upcoming: tuple[tuple[str, Row], ...]
    cards: tuple[Card, ...]
    brief: tuple[Card, ...]
    more: int


def overview(portals: Sequence[Portal], now: float) -> Overview:
    """The page at ``now``, in Unix seconds.

    Portals that are down come first, then those whose keys expire first.
    """
    judged = sorted((JudgedPortal.at(portal, now) for portal in portals), key=_order)
    totals = {urgency: sum(len(each.keys[urgency]) for each in judged) for urgency in URGENCIES}
    keys = sum(totals.values())
    coming = _coming(judged)
    seen = [each.view.observation.time for each in judged if each.view]
    return Overview(
        headline=tuple(_headline(judged, totals)),
        time=date(now),
        portals=len(judged),
        up=sum(each.condition == "up" for each in judged),
        unseen=len(judged) - len(seen),
        keys=keys,
        active=keys - totals[EXPIRED] - totals[DISABLED],
        seen=ago(now - max(seen)) if seen else "",
        stale=bool(seen) and now - max(seen) > STALE,
        totals=tuple((urgency, totals[urgency]) for urgency in IN_USE),
        timeline=draw((_mark(each, state, len(judged)) for each, state in coming), now),
        coming=len(coming),
        upcoming=tuple((each.name, each.row(state)) for each, state in coming[:LIST_KEYS]),
        cards=tuple(_cards(judged[:FULL_PORTALS])),
        brief=tuple(each.card(0) for each in judged[FULL_PORTALS:][:BRIEF_PORTALS]),
        more=max(len(judged) - FULL_PORTALS - BRIEF_PORTALS, 0),
    )


def _order(judged: JudgedPortal) -> tuple[int, float, str]:
    left = float("inf") if judged.left is None else judged.left
    return (_ORDER[judged.condition], left, judged.name)


def _cards(judged: Iterable[JudgedPortal]) -> Iterable[Card]:
    left = PAGE_KEYS
    for each in judged:
        card = each.card(left)
        left -= card.shown
        yield card


def _coming(judged: Iterable[JudgedPortal]) -> list[tuple[JudgedPortal, KeyState]]:
    """The active keys of all portals that expire in the coming days, the soonest first."""
    found = [
        (state.left, number, each, state)
        for number, each in enumerate(judged)
        for urgency in (WEEK, MONTH, QUARTER, ROTATED)
        for state in each.keys[urgency]
        if state.left is not None and state.left < DAYS * DAY
    ]
    found.sort(key=lambda found: found[:2])
    return [(each, state) for _, _, each, state in found]


def _mark(judged: JudgedPortal, state: KeyState, portals: int) -> Mark:
    left = state.left or 0.0
    detail = f"{judged.name}, {moment(left)}" if portals > 1 else moment(left)
    name = judged.label(state.key) or f"…{state.key.postfix}"
    return Mark(left, urgency_of(state).slug, name, detail)


def _headline(judged: Sequence[JudgedPortal], totals: Mapping[Urgency, int]) -> Iterable[str]:
    """The most important facts, in one to three sentences."""
    down = [each.name for each in judged if each.condition == "down"]
    up = any(each.condition == "up" for each in judged)
    if down:
        several = f"{len(down):,} of {plural(len(judged), 'portal')}"
        which = _isolated(down[0]) if len(down) == 1 else several
        yield f"The keys of {which} cannot be read."
    if up:
        if totals[ORPHANED]:
            count = totals[ORPHANED]
            gone = "is refused: its creator is" if count == 1 else "are refused: their creators are"
            yield f"{plural(count, 'key')} {gone} gone."
        yield _expiring(totals)
    elif not down:
        yield "Waiting for the first answer."


def _isolated(name: str) -> str:
    """A name, isolated from the writing direction of the text around it."""
    return f"\u2068{name}\u2069"


def _expiring(totals: Mapping[Urgency, int]) -> str:
    for urgency, days in ((WEEK, 7), (MONTH, 30)):
        if totals[urgency]:
            count = totals[urgency]
            verb = "expires" if count == 1 else "expire"
            return f"{plural(count, 'key')} {verb} within {days} days."
    return "No key expires within 30 days."
