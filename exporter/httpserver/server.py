"""cheroot around the application: bounded threads, timeouts, an end within two seconds."""

import logging
import socket
import threading
from concurrent.futures import Future
from functools import partial
from typing import Any
from wsgiref.types import WSGIApplication

from cheroot import wsgi
from cheroot.server import HTTPConnection
from structlog.typing import FilteringBoundLogger

from exporter.httpserver.handshake import TLSConnection
from exporter.httpserver.listen import ListenAddress
from exporter.httpserver.tls import ServerTLS

#: Threads beside those that scrapes may take, so that /-/healthy answers under full load.
_SPARE_THREADS = 4
#: Seconds for a client to send its request, and to take the answer.
_CLIENT_TIMEOUT = 10
#: Seconds that a scrape in flight may still take once the end is asked for.
_GRACE = 1
_MAX_HEADER = 64 * 1024
_MAX_BODY = 64 * 1024


Listener = ListenAddress | socket.socket


class _Cheroot(wsgi.Server):
    """cheroot's server with its words in our log; they are mostly about clients that went away.

    With ``passed``, a socket that listens already, it binds none of its own. ``refused`` is why
    an address could not be bound: cheroot itself raises a text around it.
    """

    def __init__(
        self,
        log: FilteringBoundLogger,
        passed: socket.socket | None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._log = log
        self._passed = passed
        self.refused: OSError | None = None

    def bind(self, family: int, type: int, proto: int = 0) -> socket.socket:  # noqa: A002, cheroot's signature
        if self._passed is not None:
            self.socket = self._passed
            return self._passed
        try:
            bound: socket.socket = super().bind(family, type, proto)
        except OSError as exc:
            self.refused = exc
            raise
        return bound

    def process_conn(self, conn: HTTPConnection) -> None:
        """Give a connection to a worker thread; a new one not before its client says something.

        cheroot would have a thread wait for the first byte, and so many silent clients as there are
        threads, those of a load balancer say, would keep everybody out.
        """
        if conn.last_used is None:
            self.put_conn(conn)
        else:
            super().process_conn(conn)

    def error_log(self, msg: str = "", level: int = logging.INFO, *_: object, **__: object) -> None:
        said = " ".join(str(msg).split())[:200]
        tell = self._log.warning if level >= logging.ERROR else self._log.debug
        tell("web server", said=said)


class Server:
    """One listening address, or a socket that listens already.

    ``start()`` returns once it accepts connections. With ``tls`` it speaks HTTPS only.
    """

    def __init__(
        self,
        listener: Listener,
        app: WSGIApplication,
        log: FilteringBoundLogger,
        max_requests: int,
        tls: ServerTLS | None = None,
    ) -> None:
        self._scheme = "http" if tls is None else "https"
        if isinstance(listener, ListenAddress):
            address, passed = listener, None
        else:
            address, passed = ListenAddress.of(listener), listener
        self._server = _Cheroot(
            log,
            passed,
            (address.host, address.port),
            app,
            numthreads=max_requests + _SPARE_THREADS,
            server_name="docspace-exporter",
            timeout=_CLIENT_TIMEOUT,
            shutdown_timeout=_GRACE,
            accepted_queue_size=max_requests * 4,
            accepted_queue_timeout=_CLIENT_TIMEOUT,
            request_queue_size=128,
        )
        self._server.max_request_header_size = _MAX_HEADER
        self._server.max_request_body_size = _MAX_BODY
        if tls is not None:
            self._server.ConnectionClass = partial(TLSConnection, tls, log)

    @property
    def address(self) -> ListenAddress:
        """Where it listens; with the port that the system chose, once started."""
        host, port = self._server.bind_addr[:2]
        return ListenAddress(host, port)

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        return self.address.url.replace("http", self._scheme, 1)

    def start(self) -> None:
        """Bind and serve, in threads that do not outlive the process. Raises OSError."""
        bound: Future[None] = Future()
        threading.Thread(target=self._serve, args=(bound,), name="serve", daemon=True).start()
        bound.result()

    def stop(self) -> None:
        """Stop listening, let scrapes in flight end for a second, then leave them."""
        ending = threading.Thread(target=self._server.stop, name="stop", daemon=True)
        ending.start()
        ending.join(_GRACE + 0.5)

    def _serve(self, bound: "Future[None]") -> None:
        try:
            self._server.prepare()
        except OSError as exc:
            bound.set_exception(self._server.refused or exc)
            return
        bound.set_result(None)
        self._server.serve()
