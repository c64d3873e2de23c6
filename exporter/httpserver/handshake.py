"""A cheroot connection that makes its TLS handshake in a worker thread.

cheroot's own adapters shake hands in the loop that accepts connections: there one client that
says nothing would keep all others waiting.
"""

import contextlib
import socket
import ssl
from typing import Any

from cheroot.makefile import MakeFile
from cheroot.server import HTTPConnection
from structlog.typing import FilteringBoundLogger

from exporter.httpserver.tls import ServerTLS
from exporter.yamlfile import ConfigError

#: The first byte of a TLS handshake's record.
_HANDSHAKE = b"\x16"
_PLAIN_HTTP = (
    b"HTTP/1.0 400 Bad Request\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Connection: close\r\n\r\n"
    b"plain HTTP was sent to a port that speaks HTTPS\n"
)


class TLSConnection(HTTPConnection):
    """One connection, plain until `communicate` is first called."""

    # A whole TLS record: what stayed behind in OpenSSL would not wake the loop that waits for more.
    rbufsize = 16 * 1024 + 1

    def __init__(
        self,
        tls: ServerTLS,
        log: FilteringBoundLogger,
        server: Any,
        sock: socket.socket,
        makefile: Any,
    ) -> None:
        super().__init__(server, sock, makefile)
        self._tls = tls
        self._log = log

    def communicate(self) -> bool:
        """Answer a request, after the handshake if it is the first; whether to stay connected."""
        try:
            if not isinstance(self.socket, ssl.SSLSocket) and not self._shake_hands():
                return False
            return bool(super().communicate())  # type: ignore[no-untyped-call]  # cheroot's
        except (OSError, ValueError, ConfigError) as exc:  # ValueError for a name that is no text
            # Whatever ends a connection here lies with the client or its network, and is no news;
            # what is wrong with our own files is logged where they are read.
            reason = getattr(exc, "reason", None) or type(exc).__name__
            self._log.debug("TLS connection ended", client=self.remote_addr, reason=reason)
            return False

    def close(self) -> None:
        """Close the socket; one that is gone already must not end the worker thread."""
        with contextlib.suppress(OSError):
            super().close()

    def _shake_hands(self) -> bool:
        first = self.socket.recv(1, socket.MSG_PEEK)
        if first != _HANDSHAKE:
            self._answer_plainly(first)
            return False
        terms = self._tls.terms()
        self.socket = terms.context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )
        self.socket.do_handshake()
        if not terms.admit(self.socket.getpeercert()):
            self._log.debug("TLS client is not in client_allowed_sans", client=self.remote_addr)
            return False
        self.rfile = MakeFile(self.socket, "rb", self.rbufsize)
        self.wfile = MakeFile(self.socket, "wb", self.wbufsize)
        self.ssl_env = {"wsgi.url_scheme": "https", "HTTPS": "on"}
        return True

    def _answer_plainly(self, first: bytes) -> None:
        if first:
            # What a client sent and nobody read would make the kernel drop our answer to it.
            self.socket.recv(64 * 1024)
            self.socket.sendall(_PLAIN_HTTP)
