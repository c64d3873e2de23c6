"""urllib3's connections, with the deadline of the request that uses them."""

import http.client
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from exporter.docspace.deadline import Deadline

#: Most interim answers (1xx) before the final one.
_MAX_INTERIM = 10


class Tracker:
    """Holds the deadline of the request under way, one request at a time.

    ``connected`` counts connections made; it shows whether a request reused one.
    """

    def __init__(self) -> None:
        self.connected = 0
        self.deadline: Deadline

    def pools(self) -> dict[str, type[HTTPConnectionPool]]:
        """Classes of connection pools by scheme; their connections use this tracker."""
        tracker = self

        class Plain(_Tracked, HTTPConnection):
            _tracker = tracker

        class Encrypted(_Tracked, HTTPSConnection):
            _tracker = tracker

        return {
            "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": Plain}),
            "https": type("EncryptedPool", (_QuietPool,), {"ConnectionCls": Encrypted}),
        }


class _Response(http.client.HTTPResponse):
    """http.client's response with three corrections.

    A chunk of negative length would be read to the end of the connection, which may never come.
    http.client skips only 100 of the interim answers, so a 103 would be the answer. Cookies are
    dropped before requests parses them, since none is ever sent back.
    """

    def begin(self) -> None:
        super().begin()
        del self.headers["Set-Cookie"]

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MAX_INTERIM):
            line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]  # not in stubs
            if not 101 < line[1] < 200:
                return line
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException("too many interim answers")

    def _safe_read(self, amt: int) -> bytes:
        if amt < 0:
            raise http.client.IncompleteRead(b"")
        content: bytes = super()._safe_read(amt)  # type: ignore[misc]  # urllib3 calls it as well
        return content


class _Tracked:
    """Mixed into urllib3's connections: reports to the tracker when it connects and sends."""

    _tracker: Tracker
    response_class: Any = _Response

    def connect(self: Any) -> None:
        self._tracker.connected += 1
        self._tracker.deadline.track(self)
        super().connect()  # type: ignore[misc]  # of the connection this is mixed into
        self._tracker.deadline.track(self)
        self._tracker.deadline.check()

    def _new_conn(self: Any) -> Any:
        sock = super()._new_conn()  # type: ignore[misc]  # as above
        # During a TLS handshake the deadline has no socket, but Python applies the socket's
        # timeout to the whole handshake.
        sock.settimeout(self._tracker.deadline.remaining())
        return sock

    def request(self: Any, *args: Any, **kwargs: Any) -> None:
        self._tracker.deadline.track(self)
        self._tracker.deadline.check()
        super().request(*args, **kwargs)  # type: ignore[misc]  # as above


class _QuietPool(HTTPSConnectionPool):
    """urllib3's pool without its warning that a certificate is not verified.

    The operator has set ``insecure_skip_verify``, and stderr is for log lines only.
    """

    def _validate_conn(self, conn: Any) -> None:
        if conn.is_closed:
            conn.connect()
