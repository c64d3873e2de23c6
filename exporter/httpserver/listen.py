"""Addresses to listen on, as Prometheus' exporters write them."""

import contextlib
import errno
import os
import re
import socket
from dataclasses import dataclass
from typing import Any

_ADDRESS = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<host>[^:\[\]]*)):(?P<port>\d{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """A host and a port; port 0 lets the system choose."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "ListenAddress":
        """Read ``:10180``, ``127.0.0.1:0`` or ``[::1]:10180``. Raises ValueError.

        Without a host it stands for every address of the machine, IPv4 and IPv6.
        """
        match = _ADDRESS.fullmatch(text)
        if match is None or int(match["port"]) > 65535:
            raise ValueError("expected an address such as :10180, 127.0.0.1:10180 or [::1]:10180")
        every = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104, asked for
        return cls(match["six"] or match["host"] or every, int(match["port"]))

    def bind(self) -> socket.socket:
        """A socket that listens on the address. Raises OSError; its ``strerror`` is the reason."""
        try:
            found = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
        except UnicodeError as exc:  # an empty label, or one over 63 characters
            raise OSError(errno.EINVAL, "not a name of a host") from exc
        for family, _, _, _, address in found[:-1]:
            with contextlib.suppress(OSError):
                return _listening(family, address)
        return _listening(found[-1][0], found[-1][4])

    @classmethod
    def of(cls, listening: socket.socket) -> "ListenAddress":
        """The address on which a socket listens."""
        host, port = listening.getsockname()[:2]
        return cls(host, port)

    @property
    def is_every(self) -> bool:
        """Whether it stands for every address of the machine."""
        return self.host in {"::", "0.0.0.0"}  # noqa: S104, a comparison

    def url(self, scheme: str = "http") -> str:
        """The URL for a browser on this machine."""
        place = f"localhost:{self.port}" if self.is_every else self
        return f"{scheme}://{place}"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _listening(family: int, address: Any) -> socket.socket:
    both = family == socket.AF_INET6 and address[0] == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server(address, family=family, backlog=128, dualstack_ipv6=both)
    except OSError as exc:  # create_server() adds the address to the reason
        raise OSError(exc.errno, os.strerror(exc.errno or 0), f"{address[0]}:{address[1]}") from exc
