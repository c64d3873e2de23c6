"""Tables and progress, drawn by rich, for `keys` and `check`.

Colours go to a terminal only, and not where NO_COLOR is set; a pipe gets the full width.
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

from exporter.commands.terminal import is_right_to_left, shown

#: Terminal columns from one column of a table to the next.
GAP = 2
#: Columns of a pipe: more than anything takes.
_ENDLESS = 100_000
#: Portals that the progress names.
_NAMED = 3
#: Ends text that runs from the right: else a terminal could pull the next column into it.
_LEFT_TO_RIGHT_MARK = "\u200e"


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def width() -> int:
    """Columns of standard output."""
    return shutil.get_terminal_size().columns if is_terminal() else _ENDLESS


def cell(text: str, style: str = "") -> Text:
    """Text from outside, made harmless; nothing in it is markup to rich."""
    mark = _LEFT_TO_RIGHT_MARK if is_terminal() and is_right_to_left(text) else ""
    return Text(shown(text) + mark, style)


def grid(*, headed: bool = True) -> Table:
    """A table without frame, its columns `GAP` apart; ``headed`` draws a line below the head."""
    return Table(
        box=box.SIMPLE_HEAD if headed else None,
        padding=(0, GAP - headed, 0, 0),
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
    """A spinner on standard error while the body runs; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        return contextlib.nullcontext()
    return _stderr().status(Text(_waiting_for(names)))


@contextlib.contextmanager
def progress(names: Sequence[str]) -> Iterator[Callable[[Sequence[str]], None]]:
    """A bar on standard error while the body runs; nothing where that is no terminal.

    ``names`` are the portals waited for; the body calls what it is given with those still left.
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
