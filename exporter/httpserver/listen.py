"""Addresses to listen on, as Prometheus' exporters write them."""

import re
import socket
from dataclasses import dataclass

_ADDRESS = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<host>[^:\[\]]*)):(?P<port>\d{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """A host and a port; port 0 lets the system choose."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "ListenAddress":
        """Read ``:10180``, ``127.0.0.1:0`` or ``[::1]:10180``. Raises ValueError.

        Without a host it is every address of the machine, IPv4 and IPv6.
        """
        match = _ADDRESS.fullmatch(text)
        if match is None or int(match["port"]) > 65535:
            raise ValueError("expected an address such as :10180, 127.0.0.1:10180 or [::1]:10180")
        every = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104, asked for
        return cls(match["six"] or match["host"] or every, int(match["port"]))

    @classmethod
    def of(cls, listening: socket.socket) -> "ListenAddress":
        """Where a socket listens."""
        host, port = listening.getsockname()[:2]
        return cls(host, port)

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        if self.host in {"::", "0.0.0.0"}:  # noqa: S104, a comparison
            return f"http://localhost:{self.port}"
        return f"http://{self}"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
