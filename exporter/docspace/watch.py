"""A deadline that ends a request wherever it hangs.

The timeouts of a socket count anew with each byte, so a server that drips bytes passes them all.
Here a timer closes the connection under the request instead: name resolution is the one step it
cannot end, and whoever waits for a fetch must not wait longer for it (see ``portal``).
"""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssltransport import SSLTransport


class Watch:
    """Knows the connection of the request under way. One request at a time.

    ``expired`` tells, during and after a request, whether its deadline passed; ``connected``
    counts connections made, so that a reused one can be told from a fresh one.
    """

    def __init__(self) -> None:
        self.expired = False
        self.connected = 0
        self._lock = threading.Lock()
        self._ends = 0.0
        self._connection: HTTPConnection | None = None
        self._sock: Any = None

    @contextlib.contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Give the body of the with statement so many seconds."""
        self.expired = False
        self._ends = time.monotonic() + seconds
        timer = threading.Timer(seconds, self._expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()  # one that is just firing must not end the next request

    def enter(self, connection: HTTPConnection) -> None:
        """Note the connection that is in use from now on.

        Its socket too: a connection forgets that as soon as an answer says it will be the last.
        """
        with self._lock:
            self._connection, self._sock = connection, connection.sock

    def check(self) -> None:
        """Raise TimeoutError where the deadline passed before there was anything to close."""
        if self.expired:
            raise TimeoutError

    def left(self) -> float:
        """Seconds to the deadline, fit for a socket's timeout: never 0, which means another."""
        return max(self._ends - time.monotonic(), 0.001)

    def pools(self) -> dict[str, type[HTTPConnectionPool]]:
        """Connection pools, by scheme, whose connections report to this watch."""
        watch = self

        class Plain(_Watched, HTTPConnection):
            _watch = watch

        class Encrypted(_Watched, HTTPSConnection):
            _watch = watch

        return {
            "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": Plain}),
            "https": type("EncryptedPool", (_QuietPool,), {"ConnectionCls": Encrypted}),
        }

    def _expire(self) -> None:
        with self._lock:
            self.expired = True
            sock = (self._connection.sock if self._connection else None) or self._sock
        while isinstance(sock, SSLTransport):  # TLS to the portal within TLS to a proxy
            sock = sock.socket
        if sock is not None:
            # The base class' shutdown: SSLSocket's own would drop the TLS state in use elsewhere.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Answer(http.client.HTTPResponse):
    """http.client's answer, but a chunk of less than nothing is no chunk.

    There it means "read to the end of the connection", which may never come.
    """

    def _safe_read(self, amt: int) -> bytes:
        if amt < 0:
            raise http.client.IncompleteRead(b"")
        content: bytes = super()._safe_read(amt)  # type: ignore[misc]  # urllib3 calls it as well
        return content


class _Watched:
    """What a watched connection adds to urllib3's: it says when it connects and when it sends."""

    _watch: Watch
    response_class: Any = _Answer

    def connect(self: Any) -> None:
        self._watch.connected += 1
        self._watch.enter(self)
        super().connect()  # type: ignore[misc]  # of the connection this is mixed into
        self._watch.enter(self)
        self._watch.check()

    def _new_conn(self: Any) -> Any:
        sock = super()._new_conn()  # type: ignore[misc]  # as above
        # A TLS handshake takes its socket away from whoever would close it, but keeps to the
        # socket's timeout as a whole.
        sock.settimeout(self._watch.left())
        return sock

    def request(self: Any, *args: Any, **kwargs: Any) -> None:
        self._watch.enter(self)
        self._watch.check()
        super().request(*args, **kwargs)  # type: ignore[misc]  # as above


class _QuietPool(HTTPSConnectionPool):
    """urllib3's pool without its warning on stderr that a certificate is not verified.

    Whoever wrote ``insecure_skip_verify`` knows, and stderr is for our log lines.
    """

    def _validate_conn(self, conn: Any) -> None:
        if conn.is_closed:
            conn.connect()
