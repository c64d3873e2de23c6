"""Clients that attack a server from 127.0.0.2, slow, silent or many; and one that scrapes it."""

import base64
import contextlib
import functools
import http.client
import itertools
import resource
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

ADDRESS = "127.0.0.2"
PASSWORD = "correct horse"
_HEAD = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"


@functools.cache
def careless() -> ssl.SSLContext:
    """A TLS context for a client that accepts any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def connected(
    port: int, address: str = "127.0.0.1", receive_buffer: int = 0, seconds: float = 20.0
) -> socket.socket:
    """A connection from an address, with a timeout in seconds. Raises OSError."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(seconds)
    try:
        sock.bind((address, 0))
        sock.connect(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    return sock


@dataclass(frozen=True)
class Target:
    """The port to attack, over HTTPS with ``tls``."""

    port: int
    tls: bool = False

    def connect(self, receive_buffer: int = 0, *, handshake: bool = True) -> socket.socket:
        """A connection from the attackers' address. Raises OSError."""
        plain = connected(self.port, ADDRESS, receive_buffer, seconds=5.0)
        return careless().wrap_socket(plain) if self.tls and handshake else plain

    def exchange(self, content: bytes, seconds: float) -> bytes:
        """Send bytes, and return the answer.

        It ends when the server closes the connection or sends nothing for ``seconds``.
        """
        received = b""
        with contextlib.suppress(OSError), self.connect() as sock:
            sock.settimeout(seconds)
            sock.sendall(content)
            while more := sock.recv(65536):
                received += more
        return received

    def scrape(self, seconds: float, path: str = "/metrics") -> int:
        """The status of a scrape as Prometheus makes it, from 127.0.0.1.

        0 if the server closes the connection or sends nothing for ``seconds``.
        """
        connection = (
            http.client.HTTPSConnection("127.0.0.1", self.port, timeout=seconds, context=careless())
            if self.tls
            else http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        )
        headers = {
            "Accept": "application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1",
            "Accept-Encoding": "gzip",
            "Authorization": f"Basic {_credentials(PASSWORD)}",
            "X-Prometheus-Scrape-Timeout-Seconds": f"{seconds:g}",
        }
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()
        return answer.status


@dataclass(frozen=True)
class Dripping:
    """``count`` connections that send ``first``, then ``drop`` every ``pause`` seconds.

    A connection that the server closes is opened again. They read nothing.
    """

    count: int
    first: bytes
    drop: bytes = b""
    pause: float = 2.0
    receive_buffer: int = 0
    handshake: bool = True

    def __call__(self, target: Target, begun: threading.Event, ending: threading.Event) -> None:
        """Attack until ``ending`` is set. Set ``begun`` once each connection was tried."""
        _allow_descriptors(self.count + 200)
        held: list[socket.socket | None] = [None] * self.count
        while not ending.is_set():
            for index, sock in enumerate(held):
                if ending.is_set():
                    break
                with contextlib.suppress(OSError):
                    held[index] = self._kept(sock) or self._opened(target)
            begun.set()
            ending.wait(self.pause)
        for sock in held:
            if sock is not None:
                sock.close()

    def _opened(self, target: Target) -> socket.socket:
        sock = target.connect(self.receive_buffer, handshake=self.handshake)
        try:
            sock.sendall(self.first)
        except OSError:
            sock.close()
            raise
        sock.settimeout(0)
        return sock

    def _kept(self, sock: socket.socket | None) -> socket.socket | None:
        """Send a drop, and return the connection; None if it is closed."""
        if sock is None:
            return None
        try:
            sock.send(self.drop)
            if not self.receive_buffer and not sock.recv(4096):
                raise ConnectionResetError
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            sock.close()
            return None
        return sock


@dataclass(frozen=True)
class Flood:
    """``count`` clients that send requests in a loop.

    ``headers`` gets the number of the request and returns its headers.
    """

    count: int
    headers: Callable[[int], str]
    path: str = "/metrics"

    def __call__(self, target: Target, begun: threading.Event, ending: threading.Event) -> None:
        """Attack until ``ending`` is set. Set ``begun`` after the first answer."""
        numbers = itertools.count()
        clients = [
            threading.Thread(target=self._loop, args=(target, begun, ending, numbers), daemon=True)
            for _ in range(self.count)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()

    def _loop(
        self,
        target: Target,
        begun: threading.Event,
        ending: threading.Event,
        numbers: "itertools.count[int]",
    ) -> None:
        while not ending.is_set():
            with contextlib.suppress(OSError), target.connect() as sock:
                head = f"GET {self.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                sock.sendall(f"{head}{self.headers(next(numbers))}\r\n".encode())
                while not ending.is_set() and sock.recv(65536):
                    begun.set()


def _wrong_password(number: int) -> str:
    return f"Authorization: Basic {_credentials(f'wrong {number}')}\r\n"


def _credentials(password: str) -> str:
    return base64.b64encode(f"alice:{password}".encode()).decode()


Attack = Dripping | Flood

ATTACKS: dict[str, Attack] = {
    "60 heads, a byte every 9 s": Dripping(60, _HEAD + b"X: ", b"x", pause=9.0),
    "200 first bytes, then silence": Dripping(200, b"G"),
    "60 bodies, a byte every 2 s": Dripping(
        60, b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n", b"x"
    ),
    "1,024 silent connections": Dripping(1024, b"", handshake=False),
    "46 slow readers": Dripping(46, _HEAD + b"\r\n", receive_buffer=4096),
    "46 slow readers of /probe": Dripping(
        46, b"GET /probe?target=acme HTTP/1.1\r\nHost: x\r\n\r\n", receive_buffer=4096
    ),
    "9 clients with wrong passwords": Flood(9, _wrong_password),
    "60 clients that scrape in a loop": Flood(60, lambda _: ""),
}


class Attackers:
    """An attack that runs while the with block lasts."""

    def __init__(self, attack: Attack, target: Target) -> None:
        self._begun, self._ending = threading.Event(), threading.Event()
        events = (self._begun, self._ending)
        self._thread = threading.Thread(target=attack, args=(target, *events), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._begun.wait(60), "the attack did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(20)


def _allow_descriptors(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard), hard))
