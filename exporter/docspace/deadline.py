"""Deadlines: one thread ends whatever is late, wherever it hangs.

The timeouts of a socket start anew with each byte, so a server that sends a byte now and then
passes them all. Here the connection under a request is shut down instead. What cannot be ended,
such as name resolution, is left to its thread, and nobody waits for it (see ``portal``).
"""

import contextlib
import heapq
import itertools
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from urllib3.connection import HTTPConnection
from urllib3.util.ssltransport import SSLTransport


@dataclass(slots=True, order=True)
class Entry:
    """A call that is to come, at a moment of ``time.monotonic()``."""

    at: float
    number: int
    call: Callable[[], None] | None = field(compare=False)


class Alarm:
    """Makes calls at their moments, in one thread that starts with the first of them.

    A call must not block: the others wait for it. ``failed`` gets what one raises.
    """

    #: Calls that were cancelled stay in the heap until their moment, but no more than these.
    _MAX_CANCELLED = 1000

    def __init__(self, failed: Callable[[BaseException], None] = lambda _: None) -> None:
        self._failed = failed
        self._changed = threading.Condition()
        self._heap: list[Entry] = []
        self._numbers = itertools.count()
        self._cancelled = 0
        self._running = False

    def call_in(self, seconds: float, call: Callable[[], None]) -> Entry:
        """Make a call in so many seconds. Raises RuntimeError where no thread can start."""
        entry = Entry(time.monotonic() + seconds, next(self._numbers), call)
        with self._changed:
            if not self._running:
                threading.Thread(target=self._run, name="deadlines", daemon=True).start()
                self._running = True
            heapq.heappush(self._heap, entry)
            if self._heap[0] is entry:
                self._changed.notify()
        return entry

    def cancel(self, entry: Entry) -> None:
        """Forget a call; one that is being made just now goes on."""
        with self._changed:
            if entry.call is None:
                return
            entry.call = None
            self._cancelled += 1
            if self._cancelled > self._MAX_CANCELLED:
                self._heap = [each for each in self._heap if each.call is not None]
                heapq.heapify(self._heap)
                self._cancelled = 0

    def _run(self) -> None:
        while True:
            try:
                self._next()()
            except BaseException as exc:  # noqa: BLE001, the boundary: it ends every other request
                self._failed(exc)

    def _next(self) -> Callable[[], None]:
        """Wait for the next moment and return the call that is due."""
        with self._changed:
            while True:
                while self._heap and self._heap[0].call is None:
                    heapq.heappop(self._heap)
                    self._cancelled = max(self._cancelled - 1, 0)
                wait = self._heap[0].at - time.monotonic() if self._heap else None
                if wait is not None and wait <= 0:
                    entry = heapq.heappop(self._heap)
                    call, entry.call = entry.call, None
                    if call is not None:
                        return call
                else:
                    self._changed.wait(wait)


class Deadline:
    """The end of one request, ``seconds`` after the with statement begins.

    ``expired`` is whether it passed while the request was under way.
    """

    def __init__(self, alarm: Alarm, seconds: float) -> None:
        self.seconds = seconds
        self.expired = False
        self._alarm = alarm
        self._lock = threading.Lock()
        self._over = False
        self._connection: HTTPConnection | None = None
        self._sock: Any = None

    def __enter__(self) -> Self:
        self._ends = time.monotonic() + self.seconds
        self._entry = self._alarm.call_in(self.seconds, self._expire)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:  # an expiry that comes now must not end the next request
            self._over = True
        self._alarm.cancel(self._entry)

    def remaining(self) -> float:
        """Seconds left, fit for a socket's timeout: never 0, which means no waiting at all."""
        return max(self._ends - time.monotonic(), 0.001)

    def check(self) -> None:
        """Raise TimeoutError where it passed before there was anything to shut down."""
        if self.expired:
            raise TimeoutError

    def track(self, connection: HTTPConnection) -> None:
        """Note the connection that is in use from now on.

        Its socket too: a connection forgets that as soon as an answer says it will be the last.
        """
        with self._lock:
            self._connection, self._sock = connection, connection.sock

    def _expire(self) -> None:
        with self._lock:
            if self._over:
                return
            self.expired = True
            sock = (self._connection.sock if self._connection else None) or self._sock
            while isinstance(sock, SSLTransport):  # TLS to the portal within TLS to a proxy
                sock = sock.socket
            if sock is not None:
                # The base class' shutdown: SSLSocket's own would drop the TLS state in use.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
