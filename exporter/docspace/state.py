"""The state of a key at a moment. No other module compares keys with the time for a metric."""

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
    """A key at a moment.

    ``active`` is switched on and not past its expiry, ``expired`` is past its expiry, also before
    the portal switches it off, ``disabled`` was switched off by a person. ``left`` is the seconds
    to its expiry (negative past it), None if it never expires.
    """

    key: ApiKey
    status: KeyStatus
    left: float | None
    superseded: bool
    creator_status: CreatorStatus

    @property
    def orphaned(self) -> bool | None:
        """Whether its creator is disabled or removed, so that the portal refuses it; or None."""
        return ORPHANED[self.creator_status]

    @property
    def condition(self) -> Condition:
        """The status in one word, where an active key may also be orphaned or rotated."""
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


#: The spans without use for which stale keys are counted.
UNUSED_FOR = tuple(Window(f"{days}d", days * 86_400.0) for days in (30, 90, 180, 365))


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts over the keys of a portal. ``keys`` = ``active`` + ``disabled`` + ``expired``.

    The counts after ``expired`` are of active keys. ``expiring`` maps a window's label to the keys
    that expire within it, so a wider window includes the narrower ones. ``orphaned`` counts keys
    whose creator is known to be removed or disabled. ``stale`` maps a span's label to the keys
    that were used, but not within it. ``last_created`` is when the newest key, active or not, was
    created (Unix seconds); None if unknown.
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

    ``disabled`` holds the ids of disabled people; None if unknown. ``superseded`` is the result of
    ``find_superseded`` at the same moment, if the caller has it.
    """
    if superseded is None:
        superseded = find_superseded(keys, now)
    return tuple(
        KeyState(
            key,
            _status(key, now),
            None if key.expires is None else key.expires - now,
            key.id in superseded,
            "unknown" if key.creator is None else key.creator.status(disabled),
        )
        for key in keys
    )


def summarize(
    keys: Sequence[ApiKey],
    now: float,
    windows: Sequence[Window],
    disabled: frozenset[str] | None,
    superseded: frozenset[str],
) -> Summary:
    """Count keys by their states, without creating a state for each.

    ``superseded`` is the result of ``find_superseded`` at the same moment.
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

    A key was rotated if its creator created a newer active key of the same name that expires later.
    Removed people share one id, so it is unknown which of them created a key.
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


def _status(key: ApiKey, now: float) -> KeyStatus:
    """The status; expiry counts first, since the portal switches an expired key off later."""
    if key.expires is not None and key.expires <= now:
        return "expired"
    return "active" if key.is_active else "disabled"


def _outlived(family: Iterable[ApiKey], now: float) -> Iterable[str]:
    """Ids of the keys that expire before a newer active key, from the newest key on."""
    dated = [key for key in family if key.created is not None]
    created = attrgetter("created")
    latest = float("-inf")
    for _, same_age in groupby(sorted(dated, key=created, reverse=True), key=created):
        contemporaries = list(same_age)
        yield from (key.id for key in contemporaries if _end(key) < latest)
        active = [_end(key) for key in contemporaries if _status(key, now) == "active"]
        latest = max([latest, *active])


def _end(key: ApiKey) -> float:
    return float("inf") if key.expires is None else key.expires
