"""TLS handshakes with clients, in the event loop."""

import asyncio
import socket
import ssl
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger
from tornado.iostream import StreamClosedError

from exporter.httpserver.clients import Client
from exporter.httpserver.http1 import TLSStream, in_thread
from exporter.yamlfile import ConfigError

#: The first byte of a TLS handshake.
_HANDSHAKE = b"\x16"
_PLAIN_HTTP = (
    b"HTTP/1.0 400 Bad Request\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Connection: close\r\n\r\n"
    b"plain HTTP was sent to a port that speaks HTTPS\n"
)


class Handshakes:
    """Makes the handshakes of a server. ``current`` reads files, so it is called in a thread."""

    def __init__(self, current: Callable[[], ssl.SSLContext], log: FilteringBoundLogger) -> None:
        self._current = current
        self._log = log
        self._looking: asyncio.Future[ssl.SSLContext] | None = None

    async def make(self, client: Client, sock: socket.socket) -> TLSStream | None:
        """The stream after a handshake; None if it failed.

        A failure is the client's or its network's, so it is logged at debug. Problems of the
        server's files are logged by ``current``. Raises RuntimeError or MemoryError if no thread
        can start.
        """
        try:
            if not await _speaks_tls(sock):
                return None
            if self._looking is None or self._looking.done():
                self._looking = in_thread(self._current)
            # Handshakes that begin in the meantime share the result.
            context = await asyncio.shield(self._looking)
            wrapped = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            stream = TLSStream(wrapped, ssl_options=context)
            client.close = stream.close
            await stream.wait_for_handshake()
        except (OSError, ValueError, ConfigError, StreamClosedError) as exc:  # ValueError: bad SNI
            reason = getattr(exc, "reason", None) or type(exc).__name__
            self._log.debug("TLS connection ended", client=client.address, reason=reason)
            return None
        return stream


async def _speaks_tls(sock: socket.socket) -> bool:
    """Whether a client begins a handshake; plain HTTP gets an answer 400."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(sock, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(sock)
    first = sock.recv(1, socket.MSG_PEEK)
    if first not in {_HANDSHAKE, b""}:
        # With unread bytes the kernel would reset the connection before the client reads the 400.
        sock.recv(64 * 1024)
        sock.send(_PLAIN_HTTP)
    return first == _HANDSHAKE
