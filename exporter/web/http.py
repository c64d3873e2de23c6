"""Requests and replies, as the handlers see them."""

import gzip
import http
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment

from exporter.web.negotiation import accepts_gzip

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """What a handler may look at. ``query`` holds every value of each parameter, in order."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    environ: WSGIEnvironment

    @classmethod
    def of(cls, environ: WSGIEnvironment) -> "Request":
        """Read a WSGI environment."""
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        return cls(environ["REQUEST_METHOD"], environ.get("PATH_INFO", "/"), query, environ)

    def header(self, name: str) -> str:
        """A header's value, or nothing."""
        value: str = self.environ.get("HTTP_" + name.upper().replace("-", "_"), "")
        return value


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Without ``encoding`` the server compresses ``body`` for clients that accept it. A handler that
    has chosen by itself says how the body is encoded: ``gzip``, or ``identity`` to leave it alone.
    """

    body: bytes
    content_type: str = TEXT
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    encoding: str | None = None

    @classmethod
    def text(cls, line: str, status: int = 200, **headers: str) -> "Reply":
        """A line of plain text."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(f"{line}\n".encode(), status=status, headers=names)


Handler = Callable[[Request], Reply]


def send(reply: Reply, request: Request, start_response: StartResponse) -> list[bytes]:
    """Send a reply: gzip where the request accepts it, no body for HEAD."""
    body, encoding = reply.body, reply.encoding
    if encoding is None and body and accepts_gzip(request.header("Accept-Encoding")):
        body, encoding = gzip.compress(body, compresslevel=5, mtime=0), "gzip"
    headers: dict[str, Any] = {
        "Content-Type": reply.content_type,
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept, Accept-Encoding",
        **reply.headers,
    }
    if encoding not in {None, "identity"}:
        headers["Content-Encoding"] = encoding
    headers["Content-Length"] = str(len(body))
    phrase = http.HTTPStatus(reply.status).phrase
    start_response(f"{reply.status} {phrase}", list(headers.items()))
    return [] if request.method == "HEAD" else [body]
