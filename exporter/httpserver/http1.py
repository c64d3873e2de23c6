"""Additions to tornado: stricter requests, streams without delays, calls in threads."""

import _thread
import asyncio
import contextlib
import gzip
import re
import sys
import threading
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import parse_qs, unquote

from tornado.httputil import HTTPHeaders, HTTPInputError, RequestStartLine, ResponseStartLine
from tornado.iostream import IOStream, SSLIOStream

from exporter.httpserver.accept import accepts_gzip
from exporter.httpserver.message import Reply, Request

T = TypeVar("T")

#: An answer, ready to be sent.
Answer = tuple[ResponseStartLine, HTTPHeaders, bytes]

_LENGTH = re.compile(r"\d{1,15}", re.ASCII)


class PlainStream(IOStream):
    """tornado's stream without two delays."""

    def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> Awaitable[bytes]:
        r"""Read a head; bytes that cannot begin one, such as TLS, end the wait at once."""
        return super().read_until_regex(regex + rb"|\A[^!-~\r\n]", max_bytes)

    def set_nodelay(self, value: bool) -> None:  # noqa: FBT001, tornado's signature
        """Keep TCP_NODELAY; tornado would switch it off between two answers."""


class TLSStream(PlainStream, SSLIOStream):
    """The same for HTTPS."""


def request_of(line: RequestStartLine, headers: HTTPHeaders, client: str, scheme: str) -> Request:
    """A request without its body.

    Raises HTTPInputError for requests that tornado accepts although a proxy in front of the server
    may understand them in another way.
    """
    hosts, lengths = headers.get_list("Host"), headers.get_list("Content-Length")
    if line.version not in {"HTTP/1.1", "HTTP/1.0"} or not line.path.startswith("/"):
        raise HTTPInputError("expected a path and HTTP/1.1")
    if len(hosts) > 1 or (not hosts and line.version == "HTTP/1.1"):
        raise HTTPInputError("expected one Host")
    if len(lengths) > 1 or not all(_LENGTH.fullmatch(length) for length in lengths):
        raise HTTPInputError("expected at most one Content-Length, of digits")
    if "Transfer-Encoding" in headers and (lengths or line.version == "HTTP/1.0"):
        raise HTTPInputError("expected no Transfer-Encoding with a Content-Length or HTTP/1.0")
    path, _, query = line.path.partition("?")
    return Request(
        method=line.method,
        path=unquote(path),
        query=parse_qs(query, keep_blank_values=True),
        headers={name.lower(): headers[name] for name in headers},
        client=client,
        scheme=scheme,
    )


def answer_of(reply: Reply, request: Request) -> Answer:
    """The answer to send. Its body may be compressed, and is empty for HEAD.

    Raises ValueError or HTTPInputError for a status or a header that cannot be sent.
    """
    body, encoding = reply.body, reply.encoding
    if encoding is None and body and accepts_gzip(request.header("Accept-Encoding")):
        body, encoding = gzip.compress(body, compresslevel=5, mtime=0), "gzip"
    fields = {"Date": formatdate(usegmt=True), "X-Content-Type-Options": "nosniff"}
    if reply.content_type:
        fields["Content-Type"] = reply.content_type
    if encoding not in {None, "identity"}:
        fields["Content-Encoding"] = str(encoding)
    headers = HTTPHeaders()
    for name, value in {**fields, **reply.headers, "Content-Length": str(len(body))}.items():
        headers.add(name, value)
    line = ResponseStartLine("HTTP/1.1", reply.status, HTTPStatus(reply.status).phrase)
    return line, headers, b"" if request.method == "HEAD" else body


def in_thread(call: Callable[[], T]) -> "asyncio.Future[T]":
    """Run a call outside the event loop, in a thread that does not keep the process alive.

    Raises RuntimeError or MemoryError if no thread can start.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        sys.settrace(threading.gettrace())  # as Thread.start() does: for debuggers and coverage
        try:
            settle = partial(result.set_result, call())
        except BaseException as exc:  # noqa: BLE001, raised again where the result is awaited
            settle = partial(result.set_exception, exc)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle)

    # Thread.start() would block the event loop until the new thread runs.
    _thread.start_new_thread(work, ())
    return result
