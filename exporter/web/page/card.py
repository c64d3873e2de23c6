"""One portal on the status page: its last observation as plain values and text."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from exporter.docspace.model import Access, ApiKey
from exporter.docspace.observation import Observation
from exporter.docspace.portal import Portal
from exporter.docspace.snapshot import Snapshot
from exporter.docspace.state import KeyState, Summary
from exporter.formatting import DAY, iso, moment, plural, span

#: Keys in one list.
LIST_KEYS = 50
#: Age in seconds from which an observation is shown as old.
STALE = 15 * 60.0
#: Seconds of clock skew that are not shown: the Date header has whole seconds.
_SKEW = 5.0

Condition = Literal["down", "up", "unseen"]


@dataclass(frozen=True, slots=True, eq=False)
class Urgency:
    """A group of keys. The lists of urgent ones are open at first."""

    slug: str
    title: str
    urgent: bool = False


ORPHANED = Urgency("orphaned", "refused, creator gone", urgent=True)
WEEK = Urgency("week", "within 7 days", urgent=True)
MONTH = Urgency("month", "in 7 to 30 days", urgent=True)
QUARTER = Urgency("quarter", "in 30 to 90 days")
LATER = Urgency("later", "after 90 days")
NEVER = Urgency("never", "no expiry")
ROTATED = Urgency("rotated", "rotated")
EXPIRED = Urgency("expired", "expired")
DISABLED = Urgency("disabled", "disabled")

#: The groups of active keys that were not rotated, the most urgent first.
IN_USE = (ORPHANED, WEEK, MONTH, QUARTER, LATER, NEVER)
URGENCIES = (*IN_USE, ROTATED, EXPIRED, DISABLED)

#: The groups by time left, and the longest time in seconds of each but the last.
_DATED = (WEEK, MONTH, QUARTER, LATER)
_LIMITS = (7 * DAY, 30 * DAY, 90 * DAY)


@dataclass(frozen=True, slots=True)
class Row:
    """A key in a list.

    ``when`` is its expiry in words. ``refused`` is the status of a creator for which the portal
    refuses the key, else "".
    """

    name: str
    postfix: str
    when: str
    expires: datetime | None
    access: Access
    permissions: tuple[str, ...]
    used: str
    creator: str
    refused: str
    own: bool
    urgency: Urgency


#: An urgency, the number of a portal's keys in it, and those of them that are shown.
Group = tuple[Urgency, int, tuple[Row, ...]]


@dataclass(frozen=True, slots=True)
class Card:
    """A portal. ``counts`` are numbers with their nouns, ``soonest`` is its first expiry."""

    name: str
    url: str
    observation: Observation | None
    condition: Condition
    seen: str
    stale: bool
    took: str
    soonest: str
    counts: tuple[tuple[int, str], ...]
    own_key: Row | None
    notes: tuple[str, ...]
    last_success: str
    groups: tuple[Group, ...]

    @property
    def shown(self) -> int:
        """How many keys it lists."""
        return sum(len(rows) for _, _, rows in self.groups)


@dataclass(frozen=True, slots=True)
class JudgedPortal:
    """A portal at a moment, with its keys by urgency."""

    portal: Portal
    view: Snapshot | None
    keys: Mapping[Urgency, Sequence[KeyState]]
    now: float

    @classmethod
    def at(cls, portal: Portal, now: float) -> "JudgedPortal":
        """The last observation of a portal as it is at ``now``, in Unix seconds."""
        observation = portal.last
        view = Snapshot.at(observation, now) if observation else None
        keys: dict[Urgency, list[KeyState]] = defaultdict(list)
        for state in view.states if view else ():
            keys[urgency_of(state)].append(state)
        for urgency, states in keys.items():
            states.sort(key=_latest if urgency is EXPIRED else _soonest)
        return cls(portal, view, {urgency: keys[urgency] for urgency in URGENCIES}, now)

    @property
    def name(self) -> str:
        """The portal's configured name."""
        return self.portal.settings.name

    @property
    def condition(self) -> Condition:
        """Whether its last observation has keys; "unseen" if there is no observation yet."""
        if self.view is None:
            return "unseen"
        return "down" if self.view.summary is None else "up"

    @property
    def left(self) -> float | None:
        """Seconds to the first expiry of a key in use."""
        dated = (self.keys[urgency] for urgency in _DATED)
        return next((states[0].left for states in dated if states), None)

    def label(self, key: ApiKey) -> str:
        """The name of a key; empty if the configuration withholds it."""
        withheld = "key_name" in self.portal.settings.withhold
        return "" if withheld else key.name.strip() or "(no name)"

    def row(self, state: KeyState) -> Row:
        """A key of this portal for a list."""
        key = state.key
        withhold = self.portal.settings.withhold
        creator = "creator" not in withhold and key.creator
        own = self.view.observation.own_key if self.view else None
        return Row(
            name=self.label(key),
            postfix=key.postfix,
            when=_when(state),
            expires=None if key.expires is None else date(key.expires),
            access=key.access,
            permissions=() if "permissions" in withhold else key.permissions,
            used=_used(state, self.now),
            creator=creator.name if creator else "",
            refused=f"creator {state.creator_status}" if state.orphaned else "",
            own=own is not None and own.id == key.id,
            urgency=urgency_of(state),
        )

    def card(self, keys: int) -> Card:
        """The portal with ``keys`` keys at most in its lists, the most urgent first."""
        view, left = self.view, self.left
        observation = view.observation if view else None
        age = self.now - observation.time if observation else 0.0
        return Card(
            name=self.name,
            url=self.portal.settings.url,
            observation=observation,
            condition=self.condition,
            seen=ago(age) if observation else "",
            stale=age > STALE,
            took=_took(observation.duration) if observation else "",
            soonest="" if left is None else moment(left),
            counts=tuple(_counts(view.summary)) if view and view.summary else (),
            own_key=self._own_key(),
            notes=tuple(_notes(observation)) if observation and observation.listing else (),
            last_success=_last_success(observation, self.now) if observation else "",
            groups=tuple(self._groups(keys)),
        )

    def _own_key(self) -> Row | None:
        own = self.view.observation.own_key if self.view else None
        states = self.view.states if self.view and own else ()
        return next((self.row(state) for state in states if own and state.key.id == own.id), None)

    def _groups(self, keys: int) -> Iterable[Group]:
        for urgency in URGENCIES:
            states = self.keys[urgency]
            if states:
                rows = tuple(self.row(state) for state in states[: min(keys, LIST_KEYS)])
                keys -= len(rows)
                yield urgency, len(states), rows


def date(time: float) -> datetime:
    """The date in UTC, to the second, of Unix seconds."""
    return datetime.fromisoformat(iso(time))


def ago(seconds: float) -> str:
    """How long ago; "just now" also for a moment in the future, by a clock that is ahead."""
    return "just now" if seconds < 1 else moment(-seconds)


def urgency_of(state: KeyState) -> Urgency:
    """The urgency of a key."""
    if state.status != "active":
        return EXPIRED if state.status == "expired" else DISABLED
    if state.orphaned:
        return ORPHANED
    if state.superseded:
        return ROTATED
    return NEVER if state.left is None else _DATED[bisect_left(_LIMITS, state.left)]


def _soonest(state: KeyState) -> tuple[float, str]:
    return (float("inf") if state.left is None else state.left, state.key.name)


def _latest(state: KeyState) -> tuple[float, str]:
    return (-(state.left or 0.0), state.key.name)


def _when(state: KeyState) -> str:
    if state.left is None:
        return "never expires"
    return f"expired {ago(-state.left)}" if state.left <= 0 else moment(state.left)


def _used(state: KeyState, now: float) -> str:
    """The last use, or the last attempt if the portal refuses the key."""
    verb = "tried" if state.condition == "orphaned" else "used"
    last = state.key.last_used
    return f"never {verb}" if last is None else f"last {verb} {ago(now - last)}"


def _took(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _counts(summary: Summary) -> Iterable[tuple[int, str]]:
    """The counts of a portal: keys, active keys, and the other counts unless they are 0."""
    yield summary.keys, "key" if summary.keys == 1 else "keys"
    yield summary.active, "active"
    rest = (
        (summary.expired, "expired"),
        (summary.disabled, "disabled"),
        (summary.never_expiring, "without expiry"),
        (summary.unrestricted, "with full access"),
        (summary.never_used, "never used"),
        (summary.orphaned, "refused, creator gone"),
    )
    yield from ((count, label) for count, label in rest if count)


def _notes(observation: Observation) -> Iterable[str]:
    """Limits of what is known of a portal that is up, and its clock skew."""
    if observation.facts.visibility == "own":
        yield "This key sees the keys of one person only; a key of an admin sees all keys."
    if observation.facts.visibility == "unknown":
        yield "It is not known whether these are all keys of the portal or those of one person."
    if observation.facts.people_error is not None:
        yield "It is not known who is disabled, so refused keys of disabled people are not marked."
    if observation.own_key is None:
        yield "It is not known which of these keys the exporter uses."
    malformed = observation.listing.malformed_count if observation.listing else 0
    if malformed:
        yield f"{plural(malformed, 'record')} could not be read and were left out."
    skew = observation.clock_skew or 0.0
    if abs(skew) > _SKEW:
        direction = "ahead of" if skew > 0 else "behind"
        yield f"The portal's clock is {span(abs(skew))} {direction} the exporter's."


def _last_success(observation: Observation, now: float) -> str:
    success = observation.last_success
    return "none since the exporter started" if success is None else ago(now - success)
