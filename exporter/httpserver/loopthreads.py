"""What must not be done in the event loop's thread, since it may take its time: calls and logs."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from structlog.typing import FilteringBoundLogger

T = TypeVar("T")

#: Lines that wait to be written; more are dropped.
_MAX_LINES = 100
#: Seconds between two lines about the same kind of event.
_PAUSE = 60.0


def in_thread(call: Callable[[], T]) -> "asyncio.Future[T]":
    """Run a call in a thread that does not keep the process alive.

    The future has what the call returns or raises. Raises RuntimeError or MemoryError where no
    thread can be had.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def settle(set_outcome: Callable[[], None]) -> None:
        if not result.done():
            set_outcome()

    def work() -> None:
        try:
            outcome = partial(result.set_result, call())
        except BaseException as exc:  # noqa: BLE001, raised again in whoever waits
            outcome = partial(result.set_exception, exc)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=work, name="request", daemon=True).start()
    return result


class LogThread:
    """Writes to a log in a thread of its own, so that a stream that blocks stops nobody else."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._lines: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._counts: dict[str, int] = {}
        self._next: dict[str, float] = {}

    def start(self) -> None:
        """Start the thread. Raises RuntimeError where none can be had."""
        threading.Thread(target=self._write, name="log", daemon=True).start()

    def stop(self) -> None:
        """Let the thread end once it has written what is there."""
        self._lines.put(None)

    def debug(self, event: str, **fields: object) -> None:
        """Log a line at level debug."""
        self._put(partial(self._log.debug, event, **fields))

    def warn_at_times(self, event: str, now: float, **fields: object) -> None:
        """Warn of an event that may be frequent: a line a minute, with how many there were."""
        self._counts[event] = self._counts.get(event, 0) + 1
        if now >= self._next.get(event, now):
            self._next[event] = now + _PAUSE
            self._put(partial(self._log.warning, event, times=self._counts.pop(event), **fields))

    def _put(self, line: Callable[[], Any]) -> None:
        if self._lines.qsize() < _MAX_LINES:
            self._lines.put(line)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            line()
