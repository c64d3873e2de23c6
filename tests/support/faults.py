"""Servers with faults that no real server can be made to have, down to single bytes.

A script is a function that handles one connection. ``FaultServer`` runs it in a thread for each
connection, and ends all of them at the end of its ``with`` block.
"""

import contextlib
import itertools
import re
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self

MIB = 1024 * 1024
#: Seconds between two bytes that `Peer.drip` sends.
DRIP_SECONDS = 0.02


class Peer:
    """The client of one connection, seen from the server."""

    def __init__(self, sock: socket.socket, closing: threading.Event, heads: list[bytes]) -> None:
        self.sock = sock
        self._closing = closing
        self._heads = heads

    def request(self) -> bytes:
        """The head of a request with its blank line; empty if the client has closed it."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.sock.recv(1)
            if not byte:
                return b""
            head += byte
        self._heads.append(head)
        return head

    def send(self, content: bytes) -> None:
        """Send all bytes at once."""
        self.sock.sendall(content)

    def drip(self, content: Iterable[int]) -> None:
        """Send one byte every `DRIP_SECONDS`, until the content or the test ends."""
        for byte in content:
            self.sock.sendall(bytes([byte]))
            if self._closing.wait(DRIP_SECONDS):
                return

    def wait(self) -> None:
        """Send nothing until the test ends."""
        self._closing.wait()

    def reset(self) -> None:
        """Close the connection with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Script = Callable[[Peer], None]


class FaultServer:
    """Runs a script for each connection, over TLS if there is a context.

    ``accepted`` is the number of connections, ``heads`` the heads of all requests.
    """

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._peers: list[socket.socket] = []
        self.accepted = 0
        self.heads: list[bytes] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5.0)

    @property
    def url(self) -> str:
        """Its URL."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._start(self._play, sock)

    def _play(self, sock: socket.socket) -> None:
        # Most of these scripts make the client close the connection.
        with contextlib.suppress(OSError), self._wrapped(sock) as wrapped:
            self._peers.append(wrapped)
            self._script(Peer(wrapped, self._closing, self.heads))

    def _wrapped(self, sock: socket.socket) -> socket.socket:
        try:
            return self._tls.wrap_socket(sock, server_side=True) if self._tls else sock
        except OSError:
            sock.close()
            raise


def answer(body: bytes = b"", status: str = "200 OK", *headers: str) -> bytes:
    """A complete answer with Content-Length."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def chunked(parts: Iterable[bytes], *headers: str, status: str = "200 OK") -> Iterator[bytes]:
    """The parts of an answer in chunks."""
    yield "\r\n".join(
        [f"HTTP/1.1 {status}", "Transfer-Encoding: chunked", *headers, "", ""]
    ).encode()
    for part in parts:
        yield b"%x\r\n%b\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


def gzip_bomb(decoded: int) -> bytes:
    """A gzip stream of so many bytes once decoded (in MiB), made without decoding it."""
    coder = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(MIB)
    first = coder.compress(zeros) + coder.flush(zlib.Z_FULL_FLUSH)
    again = coder.compress(zeros) + coder.flush(zlib.Z_FULL_FLUSH)
    return first + again * (decoded // MIB - 1)


def says(content: bytes) -> Script:
    """Answers every request with these bytes, and keeps the connection."""

    def script(peer: Peer) -> None:
        while peer.request():
            peer.send(content)

    return script


def pours(parts: Callable[[], Iterable[bytes]]) -> Script:
    """Answers a request piece by piece, then closes."""

    def script(peer: Peer) -> None:
        peer.request()
        for part in parts():
            peer.send(part)

    return script


def drips(start: bytes, rest: bytes = b"x") -> Script:
    """Sends the start at once and then one byte of the rest at a time, over and over."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(start)
        peer.drip(itertools.cycle(rest))

    return script


def drips_tls(*before: bytes) -> Script:
    """Answers each request with one of these, then drips the start of a TLS handshake."""

    def script(peer: Peer) -> None:
        for content in before:
            peer.request()
            peer.send(content)
        peer.sock.recv(1)
        peer.drip(itertools.chain(b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb", itertools.repeat(0)))

    return script


def never_answers(peer: Peer) -> None:
    """Reads and says nothing."""
    peer.request()
    peer.wait()


def never_reads(peer: Peer) -> None:
    """Accepts, and that is all."""
    peer.wait()


def closes_at_once(peer: Peer) -> None:
    """Closes the connection before the request is read."""
    peer.sock.close()


def closes_on_request(peer: Peer) -> None:
    """Reads the request and closes the connection."""
    peer.request()


def resets_mid_body(peer: Peer) -> None:
    """Breaks off within the body."""
    peer.request()
    peer.send(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"response": [')
    peer.reset()


def answers_once(content: bytes) -> Script:
    """Answers one request a connection, then closes it without having said so."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(content)

    return script


def closes_when_asked_again(content: bytes) -> Script:
    """Answers one request a connection; reads the next one and closes instead of answering.

    What a server does whose idle timeout ends while the request is on its way.
    """

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(content)
        peer.request()

    return script


def tunnel(peer: Peer) -> None:
    """Does what an HTTP proxy does with a CONNECT: joins the client with the host it names."""
    head = peer.request()
    target = re.match(rb"CONNECT ([^ :]+):(\d+) ", head)
    if target is None:
        peer.send(answer(b"", "405 Method Not Allowed"))
        return
    with socket.create_connection((target[1].decode(), int(target[2])), timeout=10) as far:
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=_copy, args=(far, peer.sock), daemon=True)
        back.start()
        _copy(peer.sock, far)
        back.join(5.0)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(65536):
            target.sendall(content)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
