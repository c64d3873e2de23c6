"""A portal on a port."""

import logging
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server

from exporter.demo.api import PortalApp
from exporter.demo.model import Portal

THREADS = 10
START_SECONDS = 10.0


class DemoServer:
    """Serves one portal over HTTP/1.1 while its `with` block lasts, or from start() to stop().

    `url` is known from the first start on and stays the same: a stopped server starts again on
    the port it had. `certificate` (files of a certificate and its key) makes it HTTPS, and
    `client_ca` then turns away every client without a certificate that this CA signed.
    `threads` bounds how many requests are worked on at once.
    """

    def __init__(
        self,
        portal: Portal,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        certificate: tuple[Path | str, Path | str] | None = None,
        client_ca: Path | str | None = None,
        threads: int = THREADS,
    ) -> None:
        if client_ca is not None and certificate is None:
            raise ValueError("client_ca: expected a certificate to go with it")
        self.portal = portal
        self._host = host
        self._port = port
        self._adapter = _tls(certificate, client_ca) if certificate else None
        self._threads = threads
        self._running: _Running | None = None

    def __repr__(self) -> str:
        return f"<DemoServer {self._host}:{self._port}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port it listens on; 0 before the first start if none was asked for."""
        return self._port

    @property
    def url(self) -> str:
        """The portal's address, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._adapter else 'http'}://{host}:{self._port}"

    def start(self) -> None:
        """Listen; connections are accepted once this returns. Nothing happens if it does already.

        Raises OSError when the port cannot be had.
        """
        if self._running is None:
            address = (self._host, self._port)
            self._running = _Running(self.portal, address, self._adapter, self._threads)
            self._port = self._running.port

    def stop(self) -> None:
        """Close every connection and stop listening, within about a second."""
        if self._running is not None:
            self._running.stop()
            self._running = None


class _Running:
    """One run of the web server, from a bound port to the last thread's end."""

    def __init__(
        self,
        portal: Portal,
        address: tuple[str, int],
        adapter: BuiltinSSLAdapter | None,
        threads: int,
    ) -> None:
        self._closing = threading.Event()
        self._server = _Server(
            address,
            PortalApp(portal, self._closing),
            numthreads=threads,
            max=threads,
            request_queue_size=128,
            shutdown_timeout=1,
        )
        self._server.ssl_adapter = adapter
        self._failure: OSError | None = None
        self._bound = threading.Event()
        # Started from a daemon thread so that the worker threads, which inherit it, are daemons.
        self._thread = threading.Thread(target=self._serve, name="demo-portal", daemon=True)
        self._thread.start()
        if not self._bound.wait(START_SECONDS):
            raise TimeoutError(f"{address[0]}:{address[1]}: not listening in {START_SECONDS:g} s")
        if self._failure is not None:
            raise self._failure

    @property
    def port(self) -> int:
        port: int = self._server.bind_addr[1]
        return port

    def stop(self) -> None:
        self._closing.set()
        self._server.stop()
        self._thread.join()

    def _serve(self) -> None:
        try:
            self._server.prepare()
        except OSError as exc:
            self._failure = exc
            return
        finally:
            self._bound.set()
        self._server.serve()


class _Server(Server):
    """Cheroot with a quick stop, a port that can be had again, and its messages in a log."""

    expiration_interval = 0.05  # the longest its accepting loop takes to notice a stop
    keep_alive_conn_limit = 100

    @staticmethod
    def bind_socket(socket_: Any, bind_addr: Any) -> Any:
        """Bind, then allow the port to be bound again at once after this run's connections.

        Cheroot leaves that out for port 0; set after binding, it takes no one else's port.
        """
        try:
            socket_.bind(bind_addr)
        except OSError:
            socket_.close()
            raise
        socket_.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return socket_

    def error_log(
        self,
        msg: str = "",
        level: int = logging.INFO,
        traceback: bool = False,  # noqa: FBT001, FBT002 - Cheroot's signature
    ) -> None:
        """Log what Cheroot has to say, rather than write it to stderr."""
        logging.getLogger(__name__).log(level, "%s", msg, exc_info=traceback)


def _tls(
    certificate: tuple[Path | str, Path | str], client_ca: Path | str | None
) -> BuiltinSSLAdapter:
    adapter = BuiltinSSLAdapter(str(certificate[0]), str(certificate[1]))
    if client_ca is not None:
        adapter.context.load_verify_locations(str(client_ca))
        adapter.context.verify_mode = ssl.CERT_REQUIRED
    return adapter
