"""Deadlines: one thread ends whatever is late, wherever it hangs.

The timeouts of a socket start anew with each byte, so a server that sends a byte now and then
passes them all. Here the connection under a request is shut down instead. What cannot be ended,
such as name resolution, is left to its thread, and no scrape waits for it (see ``portal``).
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
    """A call that is to come, at a moment of ``time.monotonic()``."""

    at: float
    call: Callable[[], None]


class Alarm:
    """Makes calls at their moments, in one thread that starts with the first of them.

    A call must not block: the others wait for it. ``failed`` gets what one raises.
    """

    def __init__(self, failed: Callable[[BaseException], None] = lambda _: None) -> None:
        self._failed = failed
        self._changed = threading.Condition()
        self._entries: set[Entry] = set()  # some for each fetch under way: few enough to search
        self._wakes_at = 0.0
        self._running = False

    def call_in(self, seconds: float, call: Callable[[], None]) -> Entry:
        """Make a call in so many seconds. Raises RuntimeError where no thread can start."""
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
        """Forget a call; one that is being made just now goes on."""
        with self._changed:
            self._entries.discard(entry)

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
                entry = min(self._entries, key=attrgetter("at"), default=None)
                wait = None if entry is None else entry.at - time.monotonic()
                if entry is not None and wait is not None and wait <= 0:
                    self._entries.remove(entry)
                    return entry.call
                self._wakes_at = math.inf if entry is None else entry.at
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

    def __exit__(self, *_: object) -> None:
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
