"""The key list on a terminal; a narrow one gets fewer columns."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from exporter.commands.key_columns import (
    CREATED,
    EXPIRY_DATE,
    LAST_USED,
    PERMISSIONS,
    PORTAL,
    POSTFIX,
    STATE,
    Column,
    columns,
)
from exporter.commands.key_list import Listed
from exporter.commands.tables import cell, grid, width
from exporter.commands.terminal import GAP
from exporter.formatting import plural

#: The columns that a narrow terminal does not show, the first to go first.
DISPENSABLE = (CREATED, EXPIRY_DATE, LAST_USED, PERMISSIONS, POSTFIX, STATE, PORTAL)

#: The cells of each column, one a key.
_Cells = Mapping[Column, Sequence[Text]]


def parts(keys: Sequence[Listed], *, several_portals: bool) -> Iterator[RenderableType]:
    """The table of at least one key; the last line says which columns are left out."""
    cells = {
        column: [cell(column.text(key), column.style(key)) for key in keys]
        for column in columns(several_portals=several_portals)
    }
    longest = {
        column: max(len(column.heading), *(text.cell_len for text in texts))
        for column, texts in cells.items()
    }
    widths = _widths(longest)
    yield _table(keys, cells, widths)
    gone = [column.heading.lower() for column in cells if column not in widths]
    note = f"; too narrow for {', '.join(gone)}" if gone else ""
    yield Text(f"{plural(len(keys), 'key')}{note}", "dim")


def _widths(longest: Mapping[Column, int]) -> dict[Column, int]:
    """The columns that fit the terminal, with their widths.

    rich could choose the widths itself, but would then cut the last column instead of folding
    others.
    """
    widths = {
        column: max(len(column.heading), min(most, column.folds or most))
        for column, most in longest.items()
    }
    for dispensable in DISPENSABLE:
        if _spare(widths) >= 0:
            break
        widths.pop(dispensable, None)
    for column in widths:
        widths[column] += min(max(_spare(widths), 0), longest[column] - widths[column])
    return widths


def _spare(widths: Mapping[Column, int]) -> int:
    """The terminal columns that are left beside a table with these widths."""
    return width() - sum(wide + GAP for wide in widths.values()) + GAP


def _table(keys: Sequence[Listed], cells: _Cells, widths: Mapping[Column, int]) -> Table:
    table = grid()
    for column, wide in widths.items():
        table.add_column(column.heading, width=wide, no_wrap=not column.folds, overflow="fold")
    for key, row in zip(keys, zip(*(cells[column] for column in widths), strict=True), strict=True):
        works = key.state.condition in {"active", "orphaned"}
        table.add_row(*row, style="" if works else "dim")
    return table
