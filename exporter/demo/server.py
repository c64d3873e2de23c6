"""Serves a portal on a port."""

import ssl
import sys
import threading
from pathlib import Path
from typing import Self

import structlog
from structlog.typing import FilteringBoundLogger

from exporter.demo.api import PortalApp
from exporter.demo.model import Portal
from exporter.httpserver.listen import ListenAddress
from exporter.httpserver.server import Server
from exporter.httpserver.tls import build
from exporter.httpserver.webconfig import TLSServerSettings

_HOST = "127.0.0.1"
#: Requests that are handled at the same time.
_THREADS = 200


class DemoServer:
    """Serves one portal over HTTP/1.1 during its `with` block, or from start() to stop().

    `url` is known after the first start and stays the same: a stopped server starts again on the
    same port. `certificate` (files of a certificate and its key) makes it HTTPS. `client_ca` then
    refuses every client without a certificate that this CA signed.
    """

    def __init__(
        self,
        portal: Portal,
        port: int = 0,
        *,
        certificate: tuple[Path | str, Path | str] | None = None,
        client_ca: Path | str | None = None,
    ) -> None:
        if client_ca is not None and certificate is None:
            raise ValueError("client_ca: expected a certificate to go with it")
        self.portal = portal
        self._port = port
        self._context = _context(certificate, client_ca) if certificate else None
        self._closing = threading.Event()
        self._server: Server | None = None

    def __repr__(self) -> str:
        return f"<DemoServer {self.url}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port; before the first start that of the constructor, which may be 0."""
        return self._port

    @property
    def url(self) -> str:
        """The portal's address, without a slash at the end."""
        return f"{'https' if self._context else 'http'}://{_HOST}:{self._port}"

    def start(self) -> None:
        """Accept connections, unless it does so already. Raises OSError if it cannot listen."""
        if self._server is not None:
            return
        listening = ListenAddress(_HOST, self._port).bind()
        self._port = ListenAddress.of(listening).port
        self._closing = threading.Event()
        context = self._context
        self._server = Server(
            [listening],
            PortalApp(self.portal, self._closing),
            _log(),
            threads=_THREADS,
            tls=None if context is None else lambda: context,
        )
        self._server.start()

    def stop(self) -> None:
        """Close every connection and stop listening, within about a second."""
        if self._server is not None:
            self._closing.set()
            self._server.stop()
            self._server = None


def _context(
    certificate: tuple[Path | str, Path | str], client_ca: Path | str | None
) -> ssl.SSLContext:
    cert, key = map(Path, certificate)
    if client_ca is None:
        return build(TLSServerSettings(cert, key))
    return build(TLSServerSettings(cert, key, Path(client_ca), verify=ssl.CERT_REQUIRED))


def _log() -> FilteringBoundLogger:
    """Writes the demo's internal errors to standard error."""
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[structlog.processors.LogfmtRenderer(key_order=["event"])],
        wrapper_class=structlog.make_filtering_bound_logger("error"),
    )
    return log
