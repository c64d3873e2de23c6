"""The server: one thread accepts, reads and writes; each request is handled in one of its own.

Clients that are slow, silent or many hold a descriptor each, for ten seconds, and no thread.
"""

import asyncio
import contextlib
import errno
import logging
import resource
import socket
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any

from structlog.typing import FilteringBoundLogger
from tornado.http1connection import (
    HTTP1Connection,
    HTTP1ConnectionParameters,
    HTTP1ServerConnection,
)
from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
)
from tornado.iostream import IOStream

from exporter.httpserver.clients import Client, Clients
from exporter.httpserver.handshake import Handshakes
from exporter.httpserver.http1 import Answer, PlainStream, answer_of, request_of
from exporter.httpserver.loopthreads import LogThread, in_thread
from exporter.httpserver.message import Handler, Reply, Request
from exporter.httpserver.places import Places
from exporter.httpserver.tls import ServerContext

MAX_HEAD = 64 * 1024
#: No request to an exporter needs a body.
MAX_BODY = 8 * 1024
#: Seconds that requests may still take once the end is asked for.
_GRACE = 1.0
#: accept() fails with these where descriptors or memory run out, which others may give back.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

_BUSY = Reply.text("too many requests at once, try again later", 503, Retry_After="1")
_FAULT = Reply.text("internal error, see the exporter's log", 500)


def descriptor_limit() -> int:
    """How many files and sockets this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**20 if soft == resource.RLIM_INFINITY else soft


class Server:
    """Serves a handler on sockets that listen.

    With ``tls`` it speaks HTTPS only: that gives the context in force, before each handshake.
    ``threads`` requests are handled at once, and a few more of addresses that have none; others
    are answered with 503. ``reserved`` descriptors are left to the rest of the process.
    ``on_fault`` is called when the handler or the server raises what it should not, ``on_end`` when
    it serves no more.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        handler: Handler,
        log: FilteringBoundLogger,
        *,
        threads: int,
        tls: Callable[[], ServerContext] | None = None,
        max_body: int = MAX_BODY,
        reserved: int = 32,
        on_fault: Callable[[], None] = lambda: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._sockets = sockets
        self._handler = handler
        self._log = log
        self._lines = LogThread(log)
        self._handshakes = None if tls is None else Handshakes(tls, self._lines)
        self._limits = HTTP1ConnectionParameters(max_header_size=MAX_HEAD, max_body_size=max_body)
        self._on_fault = on_fault
        self._on_end = on_end
        self._threads = Places(threads)
        descriptors = descriptor_limit()
        wanted = max(2 * threads, min(1000, descriptors // 2))
        self._clients = Clients(max(min(wanted, descriptors - reserved), 8))
        self._thread = threading.Thread(target=self._run, name="serve", daemon=True)
        self._started: Future[None] = Future()
        self._ending = asyncio.Event()

    def start(self) -> None:
        """Accept connections, in a thread. Raises OSError or RuntimeError where it cannot."""
        self._lines.start()
        self._thread.start()
        self._started.result()

    @property
    def running(self) -> bool:
        """Whether it serves; it does until `stop`, unless it failed."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Accept no more, let requests end for a second, then leave them."""
        with contextlib.suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(_GRACE + 0.5)
        self._lines.stop()

    def _run(self) -> None:
        with _faults_of_tornado(self._fault):
            try:
                asyncio.run(self._serve())
            except BaseException as exc:  # noqa: BLE001, of no use to this thread; raised in start()
                if self._started.done():
                    self._fault(exc)
                else:
                    self._started.set_exception(exc)
        self._on_end()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda _, context: self._fault(context.get("exception")))
        for listening in self._sockets:
            listening.setblocking(False)  # noqa: FBT003, its only parameter
        accepting = [self._loop.create_task(self._accept(each)) for each in self._sockets]
        self._started.set_result(None)
        await self._ending.wait()
        for task in accepting:
            task.cancel()
        await asyncio.gather(*accepting, return_exceptions=True)
        for listening in self._sockets:
            listening.close()
        end = self._loop.time() + _GRACE
        while any(client.state != "waiting" for client in self._clients):
            if self._loop.time() > end:
                break
            await asyncio.sleep(0.01)
        for client in self._clients:
            client.close()

    async def _accept(self, listening: socket.socket) -> None:
        """Accept connections for ever, whatever goes wrong with one of them."""
        while True:
            try:
                sock, address = await self._loop.sock_accept(listening)
            except OSError as exc:
                if exc.errno in _EXHAUSTED:
                    self._clients.shrink()
                    self._warn("no descriptor is left for a connection")
                await asyncio.sleep(0.05 if exc.errno in _EXHAUSTED else 0.001)
                continue
            try:
                self._welcome(sock, str(address[0]))
            except OSError:  # it is gone already
                sock.close()
            # A backlog without end must not keep those that are connected waiting.
            await asyncio.sleep(0)

    def _welcome(self, sock: socket.socket, address: str) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(address, sock.close)
        if self._clients.add(client):
            self._warn("connections are at their limit, the oldest was closed")
        if self._handshakes is None:
            self._converse(client, PlainStream(sock, max_buffer_size=2 * MAX_HEAD), "http")
        else:
            opening = self._loop.create_task(self._open(self._handshakes, client, sock))
            client.close = opening.cancel

    async def _open(self, handshakes: Handshakes, client: Client, sock: socket.socket) -> None:
        stream = None
        try:
            stream = await handshakes.make(client, sock)
        except (RuntimeError, MemoryError):
            self._warn("no thread is left for a handshake")
        finally:
            if stream is None:
                sock.close()
                self._clients.remove(client)
        if stream is not None:
            self._converse(client, stream, "https")

    def _converse(self, client: Client, stream: IOStream, scheme: str) -> None:
        client.close = stream.close
        conversation = _Conversation(self, client, scheme)
        HTTP1ServerConnection(stream, self._limits).start_serving(conversation)

    def wait_for(self, client: Client) -> None:
        """Begin to wait for a client: for a request, or for the body of one."""
        if self._ending.is_set():
            client.close()
        self._clients.begin(client, "waiting")

    def forget(self, client: Client) -> None:
        """Forget a connection that has ended."""
        self._clients.remove(client)

    def begin(self, exchange: "_Exchange", request: Request) -> None:
        """Handle a request in a thread of its own, or refuse it."""
        if not self._threads.take(request.client):
            self._send(exchange, answer_of(_BUSY, request))
            return
        try:
            handled = in_thread(partial(self._answer, request))
        except (RuntimeError, MemoryError):
            self._threads.give_back(request.client)
            self._warn("no thread is left for a request")
            self._send(exchange, answer_of(_BUSY, request))
            return
        self._clients.begin(exchange.client, "working")
        handled.add_done_callback(partial(self._handled, exchange, request))

    def _answer(self, request: Request) -> Answer:
        try:
            return answer_of(self._handler(request), request)
        except BaseException as exc:  # noqa: BLE001, the boundary: a fault is a 500 and counted
            self._fault(exc, path=request.path)
            return answer_of(_FAULT, request)

    def _handled(
        self, exchange: "_Exchange", request: Request, handled: "asyncio.Future[Answer]"
    ) -> None:
        self._threads.give_back(request.client)
        self._send(exchange, handled.result())

    def _send(self, exchange: "_Exchange", answer: Answer) -> None:
        line, headers, body = answer
        connection, stream = exchange.connection, exchange.connection.stream
        if stream.closed():
            return
        self._clients.begin(exchange.client, "answering", body)
        # Not in one: joined, head and body would be copied.
        connection.write_headers(line, headers)
        if body:
            connection.write(body)
        connection.finish()
        if not stream.closed() and stream.writing() and self._clients.bound_unsent():
            self._warn("clients take their answers too slowly, the slowest was closed")

    def _warn(self, event: str) -> None:
        self._lines.warn_at_times(event, self._loop.time(), limit=self._clients.limit)

    def _fault(self, exc: BaseException | None, **fields: object) -> None:
        """Count a fault, and log its kind and place; its arguments may hold a secret."""
        if exc is None:
            return
        self._on_fault()
        last = traceback.extract_tb(exc.__traceback__)[-1:]
        place = "".join(f"{frame.filename}:{frame.lineno}" for frame in last)
        kind = type(exc).__name__
        self._log.error("request failed", **fields, error=kind, place=place)


class _Conversation(HTTPServerConnectionDelegate):
    """The requests of one connection, one after the other."""

    def __init__(self, server: Server, client: Client, scheme: str) -> None:
        self._server = server
        self._client = client
        self._scheme = scheme

    def start_request(self, _: object, request_conn: Any) -> "_Exchange":
        self._server.wait_for(self._client)
        return _Exchange(self._server, self._client, self._scheme, request_conn)

    def on_close(self, _: object) -> None:
        self._server.forget(self._client)


class _Exchange(HTTPMessageDelegate):
    """A request and its answer."""

    def __init__(
        self, server: Server, client: Client, scheme: str, connection: HTTP1Connection
    ) -> None:
        self.client = client
        self.connection = connection
        self._server = server
        self._scheme = scheme
        self._body = bytearray()

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> None:
        line: RequestStartLine = start_line
        self._request = request_of(line, headers, self.client.host, self._scheme)
        self._server.wait_for(self.client)

    def data_received(self, chunk: bytes) -> None:
        self._body += chunk

    def finish(self) -> None:
        self._server.begin(self, replace(self._request, body=bytes(self._body)))


class _Faults(logging.Handler):
    """Takes what tornado logs in this thread: an exception that it caught is a fault.

    The rest is about clients, and quotes what they sent.
    """

    def __init__(self, report: Callable[[BaseException | None], None]) -> None:
        super().__init__(logging.ERROR)
        self._report = report
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        exc = record.exc_info[1] if record.exc_info else None
        if record.thread == self._thread and not isinstance(exc, OSError):
            self._report(exc)


@contextlib.contextmanager
def _faults_of_tornado(report: Callable[[BaseException | None], None]) -> Iterator[None]:
    logger, handler = logging.getLogger("tornado"), _Faults(report)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
