"""Requests and replies, as handlers see them."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate

from exporter.httpserver.accept import accepts_gzip

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """What a handler may look at.

    ``path`` has its escapes decoded, ``query`` holds every value of each parameter in order,
    ``headers`` have names in lower case, ``client`` is the address that the connection came from.
    """

    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    client: str = ""
    scheme: str = "http"
    body: bytes = b""

    def header(self, name: str) -> str:
        """A header's value, or nothing."""
        return self.headers.get(name.lower(), "")


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


def encode(reply: Reply, request: Request) -> tuple[dict[str, str], bytes]:
    """The headers and the body to send; the body may be compressed, and is empty for HEAD."""
    body, encoding = reply.body, reply.encoding
    if encoding is None and body and accepts_gzip(request.header("Accept-Encoding")):
        body, encoding = gzip.compress(body, compresslevel=5, mtime=0), "gzip"
    headers = {"Date": formatdate(usegmt=True), "X-Content-Type-Options": "nosniff"}
    if reply.content_type:
        headers["Content-Type"] = reply.content_type
    if encoding not in {None, "identity"}:
        headers["Content-Encoding"] = str(encoding)
    headers |= {**reply.headers, "Content-Length": str(len(body))}
    return headers, b"" if request.method == "HEAD" else body
