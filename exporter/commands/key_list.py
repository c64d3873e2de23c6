"""The keys of all portals as one list: filtered, sorted, and as plain records."""

import csv
import io
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.config import PortalSettings
from exporter.docspace.snapshot import Snapshot
from exporter.docspace.state import Condition, KeyState
from exporter.formatting import iso

#: The first characters of a formula in a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Listed:
    """A key of a portal with its state at ``time``, in Unix seconds."""

    portal: PortalSettings
    time: float
    state: KeyState

    @property
    def unused(self) -> float | None:
        """Seconds since its last use, at least 0; None if it was never used."""
        used = self.state.key.last_used
        return None if used is None else max(self.time - used, 0.0)

    def expires_within(self, seconds: float) -> bool:
        """Whether it counts in `docspace_api_keys_expiring` for a window of ``seconds``."""
        left = self.state.left
        return self.state.status == "active" and left is not None and left <= seconds


def listed(snapshots: Iterable[Snapshot], now: float) -> list[Listed]:
    """All keys of the portals at ``now``, in Unix seconds."""
    return [
        Listed(snapshot.observation.portal, now, state)
        for snapshot in snapshots
        for state in snapshot.states
    ]


def wanted(
    keys: Iterable[Listed], states: Collection[Condition], within: float | None
) -> list[Listed]:
    """The keys in one of ``states``, or in any without them, that expire ``within`` seconds."""
    return [
        key
        for key in keys
        if (not states or key.state.condition in states)
        and (within is None or key.expires_within(within))
    ]


def ordered(keys: Iterable[Listed], by: str) -> list[Listed]:
    """The keys in one of the `ORDERS`; equal ones by expiry, soonest first, and name."""
    by_expiry = sorted(keys, key=_by_expiry)
    return by_expiry if by == "expiry" else sorted(by_expiry, key=ORDERS[by])


def _by_expiry(key: Listed) -> tuple[float, str, str]:
    left = float("inf") if key.state.left is None else key.state.left
    return left, key.state.key.name.casefold(), key.portal.name


#: Sort keys. The first to expire, the oldest and the longest unused come first, never used before.
ORDERS: Mapping[str, Callable[[Listed], Any]] = {
    "expiry": _by_expiry,
    "name": lambda key: key.state.key.name.casefold(),
    "portal": lambda key: key.portal.name.casefold(),
    "created": lambda key: key.state.key.created or 0.0,
    "last-used": lambda key: key.state.key.last_used or 0.0,
}


def record(listed: Listed) -> dict[str, Any]:
    """A key's fields, as docs/commands.md describes them; None for what is unknown."""
    state, key = listed.state, listed.state.key
    return {
        "portal": listed.portal.name,
        "id": key.id,
        "name": key.name,
        "postfix": key.postfix,
        "state": state.condition,
        "active": key.is_active,
        "access": key.access,
        "permissions": list(key.permissions),
        "creator": key.creator.name if key.creator else None,
        "creator_status": state.creator_status,
        "orphaned": state.orphaned,
        "superseded": state.superseded,
        "created": _date(key.created),
        "last_used": _date(key.last_used),
        "expires": _date(key.expires),
        "seconds_left": None if state.left is None else round(state.left),
    }


def csv_text(keys: Sequence[Listed]) -> str:
    """The records as CSV (RFC 4180), with a line of field names.

    Text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(FIELDS)
    writer.writerows([_csv_cell(value) for value in record(key).values()] for key in keys)
    return text.getvalue()


FIELDS = (
    "portal", "id", "name", "postfix", "state", "active", "access", "permissions", "creator",
    "creator_status", "orphaned", "superseded", "created", "last_used", "expires", "seconds_left",
)  # fmt: skip


def _csv_cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = ",".join(value) if isinstance(value, list) else value
    return f"'{text}" if isinstance(text, str) and text.startswith(_FORMULA) else text


def _date(time: float | None) -> str | None:
    return None if time is None else iso(time)
