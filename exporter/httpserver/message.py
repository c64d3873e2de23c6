"""Requests and replies, as handlers see them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


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
