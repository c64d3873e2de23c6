"""Requests and replies of handlers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """A request.

    ``path`` has its escapes decoded. ``query`` holds all values of each parameter in order. The
    names of ``headers`` are in lower case. ``client`` is the address that the connection came from.
    """

    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    client: str = ""
    scheme: str = "http"
    body: bytes = b""

    def header(self, name: str) -> str:
        """A header's value; "" if it is absent."""
        return self.headers.get(name.lower(), "")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Without ``encoding`` the server compresses ``body`` for clients that accept gzip. A handler that
    decides this itself sets it: ``gzip`` for a compressed body, ``identity`` for one to send as it
    is.
    """

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    encoding: str | None = None

    @classmethod
    def text(cls, line: str, status: int = 200, **headers: str) -> "Reply":
        """A line of plain text."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(f"{line}\n".encode(), status=status, headers=names)


Handler = Callable[[Request], Reply]
