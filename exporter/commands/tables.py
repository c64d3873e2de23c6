"""Tables and progress bars, drawn by rich, for `keys` and `check`.

Only a terminal gets colours, and none if NO_COLOR is set. A pipe gets the full width.
"""

import contextlib
import io
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from exporter.commands.terminal import GAP, is_right_to_left, is_terminal, shown

#: Columns of a pipe: more than any table has.
_ENDLESS = 100_000
#: Portals that the progress bar names.
_NAMED = 3
#: Ends text that runs from the right: otherwise a terminal may move the next column into it.
_LEFT_TO_RIGHT_MARK = "\u200e"


def width() -> int:
    """Columns of standard output."""
    return shutil.get_terminal_size().columns if is_terminal() else _ENDLESS


def cell(text: str, style: str = "") -> Text:
    """Text from outside, made harmless; rich takes nothing in it for markup."""
    mark = _LEFT_TO_RIGHT_MARK if is_terminal() and is_right_to_left(text) else ""
    return Text(shown(text) + mark, style)


def grid() -> Table:
    """A table without a frame: its columns are `GAP` apart, and a line is below the head."""
    return Table(
        box=box.SIMPLE_HEAD,
        padding=(0, GAP - 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        header_style="bold",
    )


def render(*parts: RenderableType) -> str:
    """The parts, one below the other, as text for standard output."""
    text = io.StringIO()
    console = Console(
        file=text,
        width=width(),
        force_terminal=is_terminal(),
        emoji=False,
        markup=False,
        highlight=False,
    )
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in text.getvalue().split("\n"))


def waiting(names: Sequence[str]) -> contextlib.AbstractContextManager[object]:
    """A spinner on standard error, which is a terminal, while the body runs."""
    return _stderr().status(Text(_waiting_for(names)))


@contextlib.contextmanager
def progress(names: Sequence[str]) -> Iterator[Callable[[Sequence[str]], None]]:
    """A bar on standard error while the body runs; nothing if that is no terminal.

    ``names`` are the portals to wait for. The body gets a function, to call with the names left.
    """
    with Progress(
        SpinnerColumn(),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.description}", markup=False),
        console=_stderr(),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task(_waiting_for(names), total=len(names))
        yield lambda left: bar.update(
            task, completed=len(names) - len(left), description=_waiting_for(left)
        )


def _stderr() -> Console:
    return Console(stderr=True, emoji=False, markup=False, highlight=False)


def _waiting_for(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return shown("waiting for " + ", ".join(names[:_NAMED]) + more)
