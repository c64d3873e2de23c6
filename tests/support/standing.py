"""A clock that a test sets, and a log that it reads."""

import io

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.logs import make_log

START = 1_790_000_000.0


class StandingClock:
    """A clock that stands still until a test sets ``time``, in Unix seconds.

    ``clock`` is the argument for the exporter; its monotonic time is the same number.
    """

    def __init__(self) -> None:
        self.time = START
        self.clock = Clock(now=self.now, monotonic=self.now)

    def now(self) -> float:
        """The time, in Unix seconds."""
        return self.time


class Log:
    """A log in memory. ``log`` is the argument for the exporter, ``lines`` its output in logfmt."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.log: FilteringBoundLogger = make_log(self._stream, "debug", "logfmt")

    @property
    def lines(self) -> list[str]:
        """All lines so far."""
        return self._stream.getvalue().splitlines()

    def count(self, text: str) -> int:
        """The number of lines that contain a text."""
        return sum(text in line for line in self.lines)
