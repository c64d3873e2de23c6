"""A deadline that ends a request wherever it hangs.

The timeouts of a socket count anew with each byte, so a server that drips bytes passes them all.
Here a timer closes the connection under the request instead: name resolution is the one step it
cannot end, and whoever waits for a fetch must not wait longer for it (see ``portal``).
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class Watch:
    """Knows the connection of the request under way. One request at a time.

    ``expired`` tells, during and after a request, whether its deadline passed; ``connected``
    counts connections made, so that a reused one can be told from a fresh one.
    """

    def __init__(self) -> None:
        self.expired = False
        self.connected = 0
        self._lock = threading.Lock()
        self._connection: HTTPConnection | None = None

    @contextlib.contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Give the body of the with statement so many seconds."""
        self.expired = False
        timer = threading.Timer(seconds, self._expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def enter(self, connection: HTTPConnection) -> None:
        """Note the connection that is in use from now on."""
        with self._lock:
            self._connection = connection

    def check(self) -> None:
        """Raise TimeoutError where the deadline passed before there was anything to close."""
        if self.expired:
            raise TimeoutError

    def pools(self) -> dict[str, type[HTTPConnectionPool]]:
        """Connection pools, by scheme, whose connections report to this watch."""
        watch = self

        class Plain(_Watched, HTTPConnection):
            _watch = watch

        class Encrypted(_Watched, HTTPSConnection):
            _watch = watch

        return {
            "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": Plain}),
            "https": type("EncryptedPool", (HTTPSConnectionPool,), {"ConnectionCls": Encrypted}),
        }

    def _expire(self) -> None:
        with self._lock:
            self.expired = True
            sock = self._connection.sock if self._connection else None
        if sock is not None:
            # The base class' shutdown: SSLSocket's own would drop the TLS state in use elsewhere.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Watched:
    """What a watched connection adds to urllib3's: it says when it connects and when it sends."""

    _watch: Watch

    def connect(self: Any) -> None:
        self._watch.connected += 1
        self._watch.enter(self)
        super().connect()  # type: ignore[misc]  # of the connection this is mixed into
        self._watch.check()

    def request(self: Any, *args: Any, **kwargs: Any) -> None:
        self._watch.enter(self)
        super().request(*args, **kwargs)  # type: ignore[misc]  # as above
