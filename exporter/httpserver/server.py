"""The server: one thread accepts, reads and writes; each request is handled in its own thread.

Slow or silent clients hold a descriptor each, for ten seconds, and no thread.
"""

import asyncio
import contextlib
import errno
import logging
import resource
import socket
import ssl
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any

from structlog.typing import FilteringBoundLogger
from tornado import http1connection, httputil
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream

from exporter.httpserver.clients import Client, Clients
from exporter.httpserver.handshake import Handshakes
from exporter.httpserver.http1 import Answer, PlainStream, answer_of, in_thread, request_of
from exporter.httpserver.message import Handler, Reply, Request
from exporter.httpserver.places import Places

_MAX_HEAD = 64 * 1024
#: No request to an exporter needs a body.
_MAX_BODY = 8 * 1024
#: Bytes of a body that is sent in one piece with its head.
_SMALL = 16 * 1024
#: Seconds that requests may still take after a call of `Server.stop`.
_GRACE = 0.8
#: accept() fails with these if descriptors or memory run out; then `_EVICTED` connections close.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_EVICTED = 8

_BUSY = Reply.text("too many requests at once, try again later", 503, Retry_After="1")
_FAULT = Reply.text("internal error, see the exporter's log", 500)


def descriptor_limit() -> int:
    """How many files and sockets this process may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**20 if soft == resource.RLIM_INFINITY else soft


class Server:
    """Serves a handler on listening sockets.

    With ``tls`` it serves HTTPS only; ``tls`` is called before each handshake and returns the
    context. ``threads`` requests are handled at once, and a few more of addresses that have none;
    further ones get 503. ``reserved`` descriptors are left to the rest of the process. ``on_fault``
    is called for each internal error of the handler or the server, ``on_end`` when the server ends.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        handler: Handler,
        log: FilteringBoundLogger,
        *,
        threads: int,
        tls: Callable[[], ssl.SSLContext] | None = None,
        reserved: int = 32,
        on_fault: Callable[[], None] = lambda: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._sockets = sockets
        self._handler = handler
        self._log = log
        self._handshakes = None if tls is None else Handshakes(tls, log)
        self._limits = http1connection.HTTP1ConnectionParameters(
            max_header_size=_MAX_HEAD, max_body_size=_MAX_BODY
        )
        self._on_fault = on_fault
        self._on_end = on_end
        self._threads = Places(threads)
        wanted = max(2 * threads, min(1000, descriptor_limit() // 2))
        self._clients = Clients(max(min(wanted, descriptor_limit() - reserved), 8))
        self._events: Counter[str] = Counter()
        self._quiet_until: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="serve", daemon=True)
        self._started: Future[None] = Future()
        self.ending = asyncio.Event()

    def start(self) -> None:
        """Accept connections, in a thread. Raises OSError or RuntimeError if that cannot start."""
        # tornado logs what clients sent. Internal errors come to `fault`.
        logging.getLogger("tornado").addHandler(logging.NullHandler())
        self._thread.start()
        self._started.result()

    def stop(self) -> None:
        """Accept no more connections, and close the others after about a second at most."""
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self.ending.set)
        self._thread.join(_GRACE + 0.5)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as exc:  # noqa: BLE001, raised in start(), else counted and logged
            if self._started.done():
                self.fault(exc)
            else:
                self._started.set_exception(exc)
        self._on_end()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        IOLoop.current()  # imports modules of tornado: later a descriptor may be missing for that
        self._loop.set_exception_handler(lambda _, context: self.fault(context.get("exception")))
        for listening in self._sockets:
            listening.setblocking(False)  # noqa: FBT003, its only parameter
            self._listen(listening)
        self._started.set_result(None)
        await self.ending.wait()
        for listening in self._sockets:
            self._loop.remove_reader(listening)
            listening.close()
        end = self._loop.time() + _GRACE
        while self._loop.time() < end and any(it.state != "waiting" for it in self._clients):
            await asyncio.sleep(0.01)
        for client in self._clients:
            client.close()

    def _listen(self, listening: socket.socket) -> None:
        if not self.ending.is_set():
            self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Accept one connection only: the loop must also serve those that are open."""
        try:
            sock, address = listening.accept()
        except BlockingIOError:
            return
        except OSError as exc:
            exhausted = exc.errno in _EXHAUSTED
            if exhausted:
                self._clients.evict(_EVICTED)
                self.warn("no descriptor is left for a connection")
            self._loop.remove_reader(listening)
            self._loop.call_later(0.05 if exhausted else 0.001, self._listen, listening)
            return
        try:
            self._welcome(sock, str(address[0]))
        except Exception as exc:  # noqa: BLE001, the boundary: other clients must be accepted
            sock.close()
            if not isinstance(exc, OSError):  # OSError: the client has closed the connection
                self.fault(exc)

    def _welcome(self, sock: socket.socket, address: str) -> None:
        sock.setblocking(False)  # noqa: FBT003, its only parameter
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(address, sock.close)
        if self._clients.add(client):
            self.warn("connections are at their limit, the oldest was closed")
        if self._handshakes is None:
            self._converse(client, PlainStream(sock, max_buffer_size=2 * _MAX_HEAD), "http")
        else:
            client.close = self._loop.create_task(self._open(self._handshakes, client, sock)).cancel

    async def _open(self, handshakes: Handshakes, client: Client, sock: socket.socket) -> None:
        stream = None
        try:
            stream = await handshakes.make(client, sock)
        except (RuntimeError, MemoryError):
            self.warn("no thread is left for a handshake")
        finally:
            if stream is None:
                client.close()
                sock.close()
                self._clients.remove(client)
        if stream is not None:
            self._converse(client, stream, "https")

    def _converse(self, client: Client, stream: IOStream, scheme: str) -> None:
        client.close = stream.close
        conversation = _Conversation(self, self._clients, client, scheme)
        http1connection.HTTP1ServerConnection(stream, self._limits).start_serving(conversation)

    def handle(self, request: Request) -> "asyncio.Future[Answer] | None":
        """Handle a request in its own thread; None if there is no thread for its client."""
        if not self._threads.take(request.client):
            return None
        try:
            handled = in_thread(partial(self._answer, request))
        except (RuntimeError, MemoryError):
            self._threads.give_back(request.client)
            self.warn("no thread is left for a request")
            return None
        handled.add_done_callback(lambda _: self._threads.give_back(request.client))
        return handled

    def _answer(self, request: Request) -> Answer:
        try:
            return answer_of(self._handler(request), request)
        except BaseException as exc:  # noqa: BLE001, the boundary: a fault is a 500 and counted
            self.fault(exc, path=request.path)
            return answer_of(_FAULT, request)

    def fault(self, exc: BaseException | None, **fields: object) -> None:
        """Count an internal error and log its type and place; its arguments may hold a secret."""
        if exc is None:
            return
        self._on_fault()
        last = traceback.extract_tb(exc.__traceback__)[-1:]
        place = "".join(f"{frame.filename}:{frame.lineno}" for frame in last)
        self._log.error("request failed", **fields, error=type(exc).__name__, place=place)

    def warn(self, event: str) -> None:
        """Log a warning at most once a minute, with how many times it happened."""
        self._events[event] += 1
        now = self._loop.time()
        if now >= self._quiet_until.get(event, now):
            self._quiet_until[event] = now + 60
            self._log.warning(event, times=self._events.pop(event), limit=self._clients.limit)


class _Conversation(httputil.HTTPServerConnectionDelegate, httputil.HTTPMessageDelegate):
    """The requests of one connection, one after the other; tornado calls the public methods."""

    def __init__(self, server: Server, clients: Clients, client: Client, scheme: str) -> None:
        self._client = client
        self._server = server
        self._clients = clients
        self._scheme = scheme

    def start_request(self, _: object, request_conn: Any) -> "_Conversation":
        self._connection: http1connection.HTTP1Connection = request_conn
        self._body = bytearray()
        self._wait()
        return self

    def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> None:
        self._request = request_of(start_line, headers, self._client.host, self._scheme)
        self._wait()

    def data_received(self, chunk: bytes) -> None:
        self._body += chunk

    def finish(self) -> None:
        request = replace(self._request, body=bytes(self._body))
        try:
            handled = self._server.handle(request)
            if handled is None:
                self._send(answer_of(_BUSY, request))
            else:
                self._clients.begin(self._client, "working")
                handled.add_done_callback(lambda done: self._send(done.result()))
        except Exception as exc:  # noqa: BLE001, the boundary: tornado would only log it
            self._server.fault(exc, path=request.path)
            self._client.close()

    def on_close(self, _: object) -> None:
        self._clients.remove(self._client)

    def _send(self, answer: Answer) -> None:
        line, headers, body = answer
        connection = self._connection
        if connection.stream.closed():  # by the client
            return
        self._clients.begin(self._client, "answering", body)
        small = len(body) <= _SMALL
        connection.write_headers(line, headers, body if small else None)
        if not small:  # in one piece with the head it would be copied
            connection.write(body)
        connection.finish()
        if self._clients.bound_unsent():
            self._server.warn("clients take their answers too slowly, the slowest was closed")

    def _wait(self) -> None:
        if self._server.ending.is_set():
            self._client.close()
        self._clients.begin(self._client, "waiting")
