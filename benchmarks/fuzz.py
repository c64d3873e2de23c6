"""Inputs without sense: request heads, portals' answers, configuration files. Bounded by time.

    python benchmarks/fuzz.py [SECONDS]

Each input is a valid one with some bytes changed, cut or doubled. Whatever it is, a request is
answered or refused, and never with 500; an answer is keys or a PortalError; a file is settings
or a ConfigError. The first that is none of it is printed, and ends the run with 1.
"""

import contextlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from support.attackers import Target
from support.hostile import SHAPES
from support.standing import Log

from exporter.config import ConfigError, load
from exporter.docspace import wire
from exporter.docspace.errors import PortalError
from exporter.httpserver import webconfig
from exporter.httpserver.listen import ListenAddress
from exporter.httpserver.message import Reply
from exporter.httpserver.server import Server

_SECONDS = 60.0
_PIECES = (b"\0", b"\r", b"\n", b"\r\n", b":", b" ", b"\t", b"-1", b"\xff", b"9" * 40, b"{", b"[")
_HEAD = (
    b"POST /metrics?a=b HTTP/1.1\r\nHost: x\r\nAccept: text/plain;q=0.5\r\n"
    b"Accept-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"
)
_KEY = {
    "id": "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "name": "backup",
    "key": "sk-****",
    "keyPostfix": "77fe",
    "permissions": ["*:read"],
    "createOn": "2026-10-01T00:00:00.0000000Z",
    "createBy": {"id": "1", "displayName": "Ann"},
    "expiresAt": "2027-10-01T00:00:00.0000000+02:00",
    "isActive": True,
}
_CONFIG = b"""scrape: {timeout: 10s, concurrency: 32}
expiring_within: [7d, 30d]
portals:
  - name: acme
    url: https://acme.onlyoffice.com
    api_key: sk-1
    tls: {insecure_skip_verify: false}
"""
_WEB = b"""tls_server_config: {cert_file: a, key_file: b, client_auth_type: NoClientCert}
basic_auth_users: {alice: $2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG}
http_server_config: {http2: false}
"""


def mutated(seed: bytes, rng: random.Random) -> bytes:
    """A few changes of a valid input."""
    content = bytearray(seed)
    for _ in range(rng.randint(1, 6)):
        start = rng.randrange(len(content) + 1)
        end = min(len(content), start + rng.choice((0, 1, 1, 2, 8, 64)))
        piece = rng.choice(
            (b"", rng.choice(_PIECES), bytes(content[start:end]) * 2, rng.randbytes(3))
        )
        content[start:end] = piece
    return bytes(content)


class Requests:
    """A real server, asked on a connection of its own each time."""

    def __init__(self) -> None:
        self._faults = 0
        listening = ListenAddress("127.0.0.1", 0).bind()
        self._target = Target(ListenAddress.of(listening).port)
        server = Server(
            [listening],
            lambda request: Reply.text(repr(request.query), 404),
            Log().log,
            threads=8,
            on_fault=self._fault,
        )
        server.start()

    def _fault(self) -> None:
        self._faults += 1

    def __call__(self, rng: random.Random) -> bytes:
        """Send a request. Raises AssertionError for a fault."""
        content = mutated(rng.choice([_HEAD, *SHAPES.values()]), rng)
        received = self._target.exchange(content, 0.05)
        assert not self._faults, content
        assert b"HTTP/1.1 5" not in received, content
        return content


def answers(rng: random.Random) -> bytes:
    """Read a portal's answer. Raises whatever it should not."""
    envelope = {"response": [_KEY] * 3, "count": 3, "status": 0, "statusCode": 200}
    content = mutated(json.dumps(envelope).encode(), rng)
    for parse in (wire.KeyListReader().read, wire.parse_own_key, wire.parse_profile):
        with contextlib.suppress(PortalError):
            parse(content)
    return content


def files(seed: bytes, read: Callable[[Path], object]) -> Callable[[random.Random], bytes]:
    """Read a configuration file. Raises whatever it should not."""
    file = Path(tempfile.mkdtemp()) / "file.yml"

    def read_one(rng: random.Random) -> bytes:
        content = mutated(seed, rng)
        file.write_bytes(content)
        with contextlib.suppress(ConfigError):
            read(file)
        return content

    return read_one


def main(seconds: float) -> int:
    """Try each kind for its part of the time; 1 where one found something."""
    kinds: dict[str, Callable[[random.Random], bytes]] = {
        "request heads": Requests(),
        "portals' answers": answers,
        "config.yaml": files(_CONFIG, lambda path: load(path, {})),
        "web configuration": files(_WEB, webconfig.load),
    }
    for name, try_one in kinds.items():
        count, end = 0, time.monotonic() + seconds / len(kinds)
        while time.monotonic() < end:
            # Each input by a seed of its own, so that one that finds something can be had again.
            rng = random.Random(f"{name} {count}")  # noqa: S311, chance is all it is for
            try:
                try_one(rng)
            except Exception as exc:  # noqa: BLE001, finding any of them is what this is for
                print(f"{name}: input {count}: {type(exc).__name__}: {exc}")
                return 1
            count += 1
        print(f"{name}: {count} inputs, nothing found", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if sys.argv[1:] else _SECONDS))
