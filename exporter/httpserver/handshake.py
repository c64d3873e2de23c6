"""A client's TLS handshake, in the event loop."""

import asyncio
import socket
from collections.abc import Callable

from tornado.iostream import StreamClosedError

from exporter.httpserver.clients import Client
from exporter.httpserver.http1 import TLSStream
from exporter.httpserver.loopthreads import LogThread, in_thread
from exporter.httpserver.tls import ServerContext
from exporter.yamlfile import ConfigError

#: The first byte of a TLS handshake's record.
_HANDSHAKE = b"\x16"
_PLAIN_HTTP = (
    b"HTTP/1.0 400 Bad Request\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Connection: close\r\n\r\n"
    b"plain HTTP was sent to a port that speaks HTTPS\n"
)


class Handshakes:
    """Makes the handshakes of a server. Files are looked at before each, beside the event loop."""

    def __init__(self, tls: Callable[[], ServerContext], log: LogThread) -> None:
        self._tls = tls
        self._log = log
        self._looking: asyncio.Future[ServerContext] | None = None

    async def make(self, client: Client, sock: socket.socket) -> TLSStream | None:
        """The stream after a handshake; None where the client is not let in, and is gone.

        Nothing but a lack of threads ends in an exception. Why a handshake failed lies with the
        client or its network; what is wrong with our own files is logged where they are read.
        """
        try:
            return await self._make(client, sock)
        except (OSError, ValueError, ConfigError, StreamClosedError) as exc:  # ValueError: a name
            reason = getattr(exc, "reason", None) or type(exc).__name__
            self._log.debug("TLS connection ended", client=client.address, reason=reason)
        client.close()
        return None

    async def _make(self, client: Client, sock: socket.socket) -> TLSStream | None:
        first = await _first_byte(sock)
        if first != _HANDSHAKE:
            _answer_plainly(sock, first)
            client.close()
            return None
        server = await self._context()
        wrapped = server.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        stream = TLSStream(wrapped, ssl_options=server.context)
        client.close = stream.close
        await stream.wait_for_handshake()
        if not server.accepts(wrapped.getpeercert()):
            self._log.debug("TLS client is not in client_allowed_sans", client=client.address)
            client.close()
            return None
        return stream

    async def _context(self) -> ServerContext:
        """The context in force; handshakes that begin while it is looked for share the answer."""
        if self._looking is None or self._looking.done():
            self._looking = in_thread(self._tls)
        return await asyncio.shield(self._looking)


async def _first_byte(sock: socket.socket) -> bytes:
    """The first byte that a client sends, which stays unread."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(sock, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(sock)
    return sock.recv(1, socket.MSG_PEEK)


def _answer_plainly(sock: socket.socket, first: bytes) -> None:
    if first:
        # What a client sent and nobody read would make the kernel drop our answer to it.
        sock.recv(64 * 1024)
        sock.send(_PLAIN_HTTP)
