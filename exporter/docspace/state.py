"""What a key is at a moment. The only place where a metric compares a key with the time."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, groupby
from operator import attrgetter
from typing import Literal

import msgspec

from exporter.config import Window
from exporter.docspace.model import FULL_ACCESS, REMOVED_CREATOR, ApiKey, CreatorStatus

KeyStatus = Literal["active", "disabled", "expired"]
Condition = Literal["active", "orphaned", "rotated", "disabled", "expired"]


class KeyState(msgspec.Struct, frozen=True, gc=False):
    """A key at a moment. A Struct for the same reason as ApiKey.

    ``active`` is switched on and not past its expiry, ``expired`` is past its expiry whether or not
    the portal has switched it off yet, ``disabled`` was switched off by a person before that.
    ``left`` is the seconds to its expiry (negative past it), None where it never expires.
    """

    key: ApiKey
    status: KeyStatus
    left: float | None
    superseded: bool
    creator_status: CreatorStatus

    @property
    def orphaned(self) -> bool | None:
        """Whether the portal refuses the key since its creator is gone; None where unknown."""
        return ORPHANED[self.creator_status]

    @property
    def condition(self) -> Condition:
        """The one word for a person: of the active keys, the orphaned and the rotated stand out."""
        if self.status != "active":
            return self.status
        if self.orphaned:
            return "orphaned"
        return "rotated" if self.superseded else "active"


#: Whether a key whose creator has this status is refused.
ORPHANED: Mapping[CreatorStatus, bool | None] = {
    "active": False,
    "disabled": True,
    "removed": True,
    "unknown": None,
}


#: How long a stale key was not used: the spans that are counted.
UNUSED_FOR = tuple(Window(f"{days}d", days * 86_400.0) for days in (30, 90, 180, 365))


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts over the keys of a portal. ``keys`` = ``active`` + ``disabled`` + ``expired``.

    ``expiring`` goes from window label to the active keys that expire within it, so a wider window
    holds the narrower ones. All after ``expired`` count active keys only. ``orphaned`` are those
    known to be refused since their creator is removed or disabled. ``stale`` goes from the label of
    a span to the keys that were used, but not within it. ``last_created`` is the creation of the
    newest key, active or not, in Unix seconds; None where that of none is known.
    """

    keys: int
    active: int
    disabled: int
    expired: int
    expiring: dict[str, int]
    never_expiring: int
    unrestricted: int
    never_used: int
    orphaned: int
    superseded: int
    stale: dict[str, int]
    last_created: float | None


def judge(
    keys: Sequence[ApiKey],
    now: float,
    disabled: frozenset[str] | None = None,
    superseded: frozenset[str] | None = None,
) -> tuple[KeyState, ...]:
    """The state of each key at ``now`` (Unix seconds), in the order given.

    ``disabled`` holds the ids of disabled people; None where they are not known. ``superseded`` is
    what ``find_superseded`` found at the same moment, where it was asked already.
    """
    if superseded is None:
        superseded = find_superseded(keys, now)
    return tuple(_state(key, now, disabled, superseded=key.id in superseded) for key in keys)


def summarize(
    keys: Sequence[ApiKey],
    now: float,
    windows: Sequence[Window],
    disabled: frozenset[str] | None,
    superseded: frozenset[str],
) -> Summary:
    """Count keys: as if each had been judged, without making a state of each.

    ``superseded`` is what ``find_superseded`` found at the same moment.
    """
    living = [key for key in keys if (end := key.expires) is None or end > now]
    active = [key for key in living if key.is_active]
    ends = sorted([key.expires for key in active if key.expires is not None])
    used = sorted([key.last_used for key in active if key.last_used is not None])
    gone = {REMOVED_CREATOR, *(disabled or ())} - {""}
    return Summary(
        keys=len(keys),
        active=len(active),
        disabled=len(living) - len(active),
        expired=len(keys) - len(living),
        expiring={
            window.label: bisect_right(ends, window.seconds, key=lambda end: end - now)
            for window in windows
        },
        never_expiring=len(active) - len(ends),
        unrestricted=sum([key.permissions == FULL_ACCESS for key in active]),
        never_used=sum([key.last_used is None for key in active]),
        orphaned=sum([(by := key.creator) is not None and by.id in gone for key in active]),
        superseded=sum([key.id in superseded for key in active]) if superseded else 0,
        stale={span.label: bisect_right(used, now - span.seconds) for span in UNUSED_FOR},
        last_created=max([at for key in keys if (at := key.created) is not None], default=None),
    )


def find_superseded(keys: Sequence[ApiKey], now: float) -> frozenset[str]:
    """Ids of keys that were rotated.

    Rotated is a key for which the same person made a newer active one of the same name that
    outlives it. Removed people share one id, so which of them made a key is unknown.
    """
    names = [key.name for key in keys]
    doubled = {name for name, count in Counter(names).items() if count > 1}
    families: dict[tuple[str, str], list[ApiKey]] = defaultdict(list)
    for key in compress(keys, map(doubled.__contains__, names)) if doubled else ():
        creator = key.creator
        if creator is not None and creator.id and not creator.removed:
            families[creator.id, key.name].append(key)
    return frozenset(
        key_id
        for family in families.values()
        if len(family) > 1
        for key_id in _outlived(family, now)
    )


def _state(
    key: ApiKey, now: float, disabled: frozenset[str] | None, *, superseded: bool
) -> KeyState:
    left = None if key.expires is None else key.expires - now
    creator = "unknown" if key.creator is None else key.creator.status(disabled)
    return KeyState(key, _status(key, now), left, superseded, creator)


def _status(key: ApiKey, now: float) -> KeyStatus:
    """Expiry comes first: the portal switches an expired key off only minutes later."""
    if key.expires is not None and key.expires <= now:
        return "expired"
    return "active" if key.is_active else "disabled"


def _outlived(family: Iterable[ApiKey], now: float) -> Iterable[str]:
    """Walk from the newest to the oldest, with the longest life of the active ones passed."""
    dated = [key for key in family if key.created is not None]
    created = attrgetter("created")
    longest = float("-inf")
    for _, same_age in groupby(sorted(dated, key=created, reverse=True), key=created):
        contemporaries = list(same_age)
        yield from (key.id for key in contemporaries if _end(key) < longest)
        active = [_end(key) for key in contemporaries if _status(key, now) == "active"]
        longest = max([longest, *active])


def _end(key: ApiKey) -> float:
    return float("inf") if key.expires is None else key.expires
