"""The columns of the key list for people, and the whole list as text for a pipe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from exporter.commands.key_list import Listed
from exporter.commands.terminal import GAP, shown
from exporter.formatting import day, moment


def _no_style(_: Listed) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list: the ``text`` of a key, and rich's ``style`` of it on a terminal.

    ``folds`` is the least width to which its lines may be folded; with 0 they are not folded.
    """

    heading: str
    text: Callable[[Listed], str]
    style: Callable[[Listed], str] = _no_style
    folds: int = 0


def _status(key: Listed) -> str:
    orphaned = key.state.condition == "orphaned"
    return f"refused: creator {key.state.creator_status}" if orphaned else key.state.condition


def _permissions(key: Listed) -> str:
    if key.state.key.access == "full":
        return "full access"
    return ", ".join(key.state.key.permissions)


def _last_used(key: Listed) -> str:
    if key.unused is None:
        return "never"
    # A call that the portal refuses moves the date as well.
    attempt = "tried " if key.state.condition == "orphaned" else ""
    return f"{attempt}{moment(-key.unused)}"


def _urgency(key: Listed) -> str:
    """The colour of an expiry within the portal's shortest window, or a longer one; else none."""
    windows = key.portal.expiring_within if key.state.condition == "active" else ()
    if any(key.expires_within(window.seconds) for window in windows[:1]):
        return "bold red"
    return "yellow" if any(key.expires_within(window.seconds) for window in windows) else ""


def _date(time: float | None) -> str:
    return "" if time is None else day(time)


PORTAL = Column("Portal", lambda key: key.portal.name, folds=12)
NAME = Column(
    "Name", lambda key: key.state.key.name, lambda key: "bold" if _urgency(key) else "", folds=18
)
POSTFIX = Column("Key", lambda key: f"…{key.state.key.postfix}")
STATE = Column(
    "State",
    _status,
    lambda key: "bold red" if key.state.condition == "orphaned" else "",
    folds=8,
)
PERMISSIONS = Column("Permissions", _permissions, folds=16)
CREATED = Column("Created", lambda key: _date(key.state.key.created))
LAST_USED = Column("Last used", _last_used)
EXPIRES = Column("Expires", lambda key: moment(key.state.left), _urgency)
EXPIRY_DATE = Column("Expiry date", lambda key: _date(key.state.key.expires))

COLUMNS = (
    PORTAL, NAME, POSTFIX, STATE, PERMISSIONS, CREATED, LAST_USED, EXPIRES, EXPIRY_DATE
)  # fmt: skip


def columns(*, several_portals: bool) -> tuple[Column, ...]:
    """The columns of a list; without that of the portal if there is only one."""
    return COLUMNS if several_portals else COLUMNS[1:]


def piped(keys: Sequence[Listed], *, several_portals: bool) -> str:
    """All columns, as text for a pipe."""
    return aligned(
        [
            [column.heading, *(shown(column.text(key)) for key in keys)]
            for column in columns(several_portals=several_portals)
        ]
    )


def aligned(table: Sequence[Sequence[str]]) -> str:
    """The lines of a table that is given by its columns, as rich would write it into a pipe."""
    padded = []
    for column in table:
        widths = [len(text) if text.isascii() else cell_len(text) for text in column]
        widest = max(widths)
        padded.append(
            [text + " " * (widest - width) for text, width in zip(column, widths, strict=True)]
        )
    gap = " " * GAP
    return "".join(gap.join(row).rstrip() + "\n" for row in zip(*padded, strict=True))
