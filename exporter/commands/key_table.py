"""The key list as a person reads it: a narrow terminal gets fewer columns, a pipe gets all."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from exporter.commands.key_list import Listed
from exporter.commands.tables import GAP, aligned, cell, grid, width
from exporter.formatting import day, moment, plural


@dataclass(frozen=True, slots=True)
class Column:
    """What of a key a column shows.

    ``folds`` is how narrow it may get by folding its lines, 0 where it may not.
    """

    heading: str
    value: Callable[[Listed], Text]
    folds: int = 0

    def longest(self, keys: Sequence[Listed]) -> int:
        """The terminal columns that show it for these keys without folding."""
        return max(len(self.heading), *(cell_len(self.value(key).plain) for key in keys))

    def needs(self, keys: Sequence[Listed]) -> int:
        """The fewest terminal columns that show it for these keys."""
        longest = self.longest(keys)
        return max(len(self.heading), min(longest, self.folds or longest))


def _name(key: Listed) -> Text:
    return cell(key.state.key.name, "bold" if _urgency(key) else "")


def _status(key: Listed) -> Text:
    condition = key.state.condition
    if condition == "orphaned":
        return cell(f"refused: creator {key.state.creator_status}", "bold red")
    return cell(condition)


def _permissions(key: Listed) -> Text:
    if key.state.key.access == "full":
        return cell("full access")
    return cell(", ".join(key.state.key.permissions))


def _last_used(key: Listed) -> Text:
    if key.unused is None:
        return cell("never")
    # A call that the portal refuses moves the date as well.
    attempt = "tried " if key.state.condition == "orphaned" else ""
    return cell(f"{attempt}{moment(-key.unused)}")


def _expires(key: Listed) -> Text:
    return cell(moment(key.state.left), _urgency(key))


def _urgency(key: Listed) -> str:
    """The colour of an expiry: one within the portal's narrowest window, one within the widest."""
    windows = key.portal.expiring_within if key.state.condition == "active" else ()
    if any(key.expires_within(window.seconds) for window in windows[:1]):
        return "bold red"
    return "yellow" if any(key.expires_within(window.seconds) for window in windows) else ""


def _date(time: float | None) -> Text:
    return cell("" if time is None else day(time))


PORTAL = Column("Portal", lambda key: cell(key.portal.name), folds=12)
NAME = Column("Name", _name, folds=18)
POSTFIX = Column("Key", lambda key: cell(f"…{key.state.key.postfix}"))
STATE = Column("State", _status, folds=8)
PERMISSIONS = Column("Permissions", _permissions, folds=16)
CREATED = Column("Created", lambda key: _date(key.state.key.created))
LAST_USED = Column("Last used", _last_used)
EXPIRES = Column("Expires", _expires)
EXPIRY_DATE = Column("Expiry date", lambda key: _date(key.state.key.expires))

COLUMNS = (
    PORTAL, NAME, POSTFIX, STATE, PERMISSIONS, CREATED, LAST_USED, EXPIRES, EXPIRY_DATE
)  # fmt: skip
#: The columns that a narrow terminal goes without, the first to go first.
DISPENSABLE = (CREATED, EXPIRY_DATE, LAST_USED, PERMISSIONS, POSTFIX, STATE, PORTAL)


def piped(keys: Sequence[Listed], *, several_portals: bool) -> str:
    """All columns, as text for a pipe."""
    columns = [column for column in COLUMNS if several_portals or column is not PORTAL]
    rows = [[column.value(key).plain for column in columns] for key in keys]
    return aligned([[column.heading for column in columns], *rows])


def parts(keys: Sequence[Listed], *, several_portals: bool) -> Iterator[RenderableType]:
    """The table of at least one key on a terminal; the last line says what is left out."""
    needs = {
        column: column.needs(keys) for column in COLUMNS if several_portals or column is not PORTAL
    }
    fitting = _fitting(needs)
    yield _table(keys, _widths(keys, fitting))
    gone = [column.heading.lower() for column in needs if column not in fitting]
    note = f"; too narrow for {', '.join(gone)}" if gone else ""
    yield Text(f"{plural(len(keys), 'key')}{note}", "dim")


def _fitting(needs: Mapping[Column, int]) -> dict[Column, int]:
    """The columns that the terminal is wide enough for, with what they need."""
    fitting = dict(needs)
    for dispensable in DISPENSABLE:
        if sum(need + GAP for need in fitting.values()) - GAP <= width():
            break
        fitting.pop(dispensable, None)
    return fitting


def _widths(keys: Sequence[Listed], needs: Mapping[Column, int]) -> dict[Column, int]:
    """The width of each column: what it needs, and of the rest of the terminal what saves folds.

    rich would share the width out itself, but then cuts the last column where others fold.
    """
    widths = dict(needs)
    spare = width() - sum(need + GAP for need in needs.values()) + GAP
    for column, need in needs.items():
        more = min(max(spare, 0), column.longest(keys) - need)
        widths[column] += more
        spare -= more
    return widths


def _table(keys: Sequence[Listed], columns: Mapping[Column, int]) -> Table:
    table = grid()
    for column, wide in columns.items():
        table.add_column(column.heading, width=wide, no_wrap=not column.folds, overflow="fold")
    for key in keys:
        relied_on = key.state.condition in {"active", "orphaned"}
        table.add_row(*(column.value(key) for column in columns), style="" if relied_on else "dim")
    return table
