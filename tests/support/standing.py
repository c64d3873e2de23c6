"""A clock that stands until it is moved, and a log that is read."""

import io

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.logs import make_log

START = 1_790_000_000.0


class StandingClock:
    """``clock`` is what the exporter takes. Both of its hands move together."""

    def __init__(self) -> None:
        self.time = START
        self.clock = Clock(now=self.now, monotonic=self.now)

    def now(self) -> float:
        """The time, in Unix seconds."""
        return self.time


class Log:
    """``log`` is what the exporter takes; ``lines`` is what it said."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.log: FilteringBoundLogger = make_log(self._stream, "debug", "logfmt")

    @property
    def lines(self) -> list[str]:
        """Every line so far."""
        return self._stream.getvalue().splitlines()

    def count(self, text: str) -> int:
        """Lines that hold a text."""
        return sum(text in line for line in self.lines)
