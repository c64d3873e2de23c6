"""Deadlines of requests, kept by one thread.

A socket's timeout starts again with each byte, so a server that sends a byte now and then never
exceeds it. Here the connection of a late request is shut down instead. A name resolution cannot be
ended: it keeps its thread, and no scrape waits for it (see ``portal``).
"""

import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Self

from urllib3.connection import HTTPConnection
from urllib3.util.ssltransport import SSLTransport


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A call to make at a moment of ``time.monotonic()``."""

    at: float
    call: Callable[[], None]


class Alarm:
    """Makes calls at given moments, in one thread, which starts with the first call.

    A call must not block, since the others wait for it. ``failed`` is called with an exception
    that a call raises.
    """

    def __init__(self, failed: Callable[[BaseException], None] = lambda _: None) -> None:
        self._failed = failed
        self._changed = threading.Condition()
        self._entries: set[Entry] = set()  # some for each fetch under way: few enough to search
        self._wakes_at = 0.0
        self._running = False

    def call_in(self, seconds: float, call: Callable[[], None]) -> Entry:
        """Make a call in ``seconds``. Raises RuntimeError if no thread can start."""
        entry = Entry(time.monotonic() + seconds, call)
        with self._changed:
            if not self._running:
                threading.Thread(target=self._run, name="deadlines", daemon=True).start()
                self._running = True
            self._entries.add(entry)
            if entry.at < self._wakes_at:
                self._changed.notify()
        return entry

    def cancel(self, entry: Entry) -> None:
        """Do not make this call, unless it has begun."""
        with self._changed:
            self._entries.discard(entry)

    def _run(self) -> None:
        while True:
            try:
                self._next()()
            except BaseException as exc:  # noqa: BLE001, the boundary: this thread serves all requests
                self._failed(exc)

    def _next(self) -> Callable[[], None]:
        with self._changed:
            while True:
                entry = min(self._entries, key=attrgetter("at"), default=None)
                wait = None if entry is None else entry.at - time.monotonic()
                if entry is not None and wait is not None and wait <= 0:
                    self._entries.remove(entry)
                    return entry.call
                self._wakes_at = math.inf if entry is None else entry.at
                self._changed.wait(wait)


class Deadline:
    """The deadline of one request, ``seconds`` after the start of the with statement.

    ``expired`` is whether it passed during the request.
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

    def __exit__(self, *_: object) -> None:
        with self._lock:  # an expiry that comes now must not end the next request
            self._over = True
        self._alarm.cancel(self._entry)

    def remaining(self) -> float:
        """Seconds left, for a socket's timeout: never 0, which would mean not to wait."""
        return max(self._ends - time.monotonic(), 0.001)

    def check(self) -> None:
        """Raise TimeoutError if the deadline has passed, perhaps before there was a connection."""
        if self.expired:
            raise TimeoutError

    def track(self, connection: HTTPConnection) -> None:
        """Set the connection that the request uses from now on.

        Its socket too: a connection drops it as soon as an answer announces the end.
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
