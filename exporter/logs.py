"""Structured logs: one line for each event, as logfmt or JSON."""

import collections
import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

#: Seconds that a command waits at its end until its last lines are written.
_DRAIN_SECONDS = 1.0

Level = Literal["debug", "info", "warn", "error"]
LogFormat = Literal["logfmt", "json"]


def make_log(stream: TextIO, level: Level, form: LogFormat) -> FilteringBoundLogger:
    """A new logger; nothing global is configured."""
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


@contextlib.contextmanager
def background_log(stream: TextIO, level: Level, form: LogFormat) -> Iterator[FilteringBoundLogger]:
    """A logger that never waits for its stream; the end of the body waits shortly for the rest."""
    background = BackgroundStream(stream)
    try:
        yield make_log(cast("TextIO", background), level, form)
    finally:
        background.drain(_DRAIN_SECONDS)


class BackgroundStream:
    """Writes to a stream in its own thread, so that no scrape waits for a stream that blocks.

    At most ``limit`` texts wait. Further ones are dropped and counted, and the count is written
    after the last of them.
    """

    def __init__(self, stream: TextIO, limit: int = 10_000) -> None:
        self._stream = _Unfailing(stream)
        self._limit = limit
        self._changed = threading.Condition()
        self._waiting: collections.deque[str] = collections.deque()
        self._dropped = 0
        self._writing = False
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> None:
        """Add a text to the queue."""
        with self._changed:
            if len(self._waiting) >= self._limit:
                self._dropped += 1
                return
            self._waiting.append(text)
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="log", daemon=True)
                with contextlib.suppress(RuntimeError):  # the next text tries again
                    thread.start()
                    self._thread = thread
            self._changed.notify_all()

    def flush(self) -> None:
        """Do nothing: each text is flushed when it is written."""

    def drain(self, seconds: float) -> None:
        """Wait until everything is written, ``seconds`` at most."""
        with self._changed:
            if self._thread is None:  # it could not start
                while self._waiting:
                    self._stream.write(self._waiting.popleft())
                self._stream.flush()
            self._changed.wait_for(lambda: not (self._waiting or self._writing), seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                text = self._waiting.popleft()
                if self._dropped and not self._waiting:
                    text += f"{self._dropped} log lines were dropped: standard error was blocked\n"
                    self._dropped = 0
                self._writing = True
            self._stream.write(text)
            self._stream.flush()
            with self._changed:
                self._writing = False
                self._changed.notify_all()


class _Unfailing:
    """A stream whose errors, such as a full disk or a closed pipe, lose lines and raise nothing."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: it is closed
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def _short_level(_: Any, __: str, event: EventDict) -> EventDict:
    """Write ``warn``, as in the flag and in Prometheus' own programs."""
    if event["level"] == "warning":
        event["level"] = "warn"
    return event


def _printable(render: Processor) -> Processor:
    """Render, then escape control characters and all kinds of line ends, as in JSON.

    Some lines contain text of a portal, which must not add other lines or control a terminal.
    """

    def rendered(log: Any, method: str, event: EventDict) -> str:
        line = str(render(log, method, event))
        if line.isprintable():
            return line
        return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in line)

    return rendered
