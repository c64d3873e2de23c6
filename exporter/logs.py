"""Structured logs: one line an event, to one stream, as logfmt or JSON."""

import contextlib
import io
import json
import select
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

Level = Literal["debug", "info", "warn", "error"]
LogFormat = Literal["logfmt", "json"]


def make_log(stream: TextIO, level: Level, form: LogFormat) -> FilteringBoundLogger:
    """A logger of its own; nothing global is configured."""
    first = ["ts", "level", "msg"]
    render: Processor = (
        structlog.processors.LogfmtRenderer(key_order=first, bool_as_flag=False)
        if form == "logfmt"
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(cast("TextIO", _Unfailing(stream))),
        processors=[
            structlog.processors.add_log_level,
            _short_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.EventRenamer("msg"),
            _printable(render),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    return log


class _Unfailing:
    """A full disk, or a pipe that is closed or full, costs lines, and never a scrape."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError where it is closed
            if self._takes_more():
                self._stream.write(text)

    def _takes_more(self) -> bool:
        """Whether a line can be written without waiting for whoever reads the other end."""
        try:
            return bool(select.select([], [self._stream.fileno()], [], 0)[1])
        except io.UnsupportedOperation:  # a stream in memory
            return True

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def _short_level(_: Any, __: str, event: EventDict) -> EventDict:
    """Write ``warn``, as the flag and Prometheus' own programs do."""
    if event["level"] == "warning":
        event["level"] = "warn"
    return event


def _printable(render: Processor) -> Processor:
    """Render, then escape control characters and every kind of line end, as JSON writes them.

    A portal's words are in some lines: they must not forge others, nor reach a terminal.
    """

    def rendered(log: Any, method: str, event: EventDict) -> str:
        line = str(render(log, method, event))
        if line.isprintable():
            return line
        return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in line)

    return rendered
