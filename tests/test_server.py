"""The HTTP server alone: refused requests, deadlines, and which connections it closes first."""

import asyncio
import gzip
import http.client
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import pytest
from support.attackers import ADDRESS, Target, careless, connected
from support.certificates import issue
from support.hostile import SHAPES
from support.prometheus import eventually
from support.standing import Log

from exporter.httpserver import clients, http1, server
from exporter.httpserver.clients import Client, Clients, host_of
from exporter.httpserver.http1 import PlainStream
from exporter.httpserver.listen import ListenAddress
from exporter.httpserver.message import Handler, Reply, Request
from exporter.httpserver.places import RESERVE, Places
from exporter.httpserver.server import Server
from exporter.httpserver.tls import build
from exporter.httpserver.webconfig import TLSServerSettings

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = os.urandom(1_000_000)


@dataclass(frozen=True)
class Answered:
    """An answer, read to its end."""

    status: int
    headers: Message
    body: bytes


class Running:
    """A server on 127.0.0.1, with its log and its number of internal errors."""

    def __init__(self, handler: Handler, tls: TLSServerSettings | None, threads: int) -> None:
        self.log = Log()
        self.faults: list[None] = []
        context = None if tls is None else build(tls)
        listening = ListenAddress("127.0.0.1", 0).bind()
        self.port = ListenAddress.of(listening).port
        self.server = Server(
            [listening],
            handler,
            self.log.log,
            threads=threads,
            tls=None if context is None else lambda: context,
            on_fault=lambda: self.faults.append(None),
        )
        self.server.start()

    def connect(self, address: str = "127.0.0.1", receive_buffer: int = 0) -> socket.socket:
        """A connection from an address."""
        return connected(self.port, address, receive_buffer)

    def status(self, address: str = "127.0.0.1") -> int:
        """The answer to a plain GET from an address."""
        with self.connect(address) as sock:
            sock.sendall(GET)
            return int(sock.recv(65536)[9:12])

    def ask(self, method: str = "GET", path: str = "/", **headers: str) -> Answered:
        """The answer to one request; an underscore in a header's name stands for a hyphen."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, headers=named)
            answer = connection.getresponse()
            return Answered(answer.status, answer.headers, answer.read())
        finally:
            connection.close()


Start = Callable[..., Running]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a server that ends with the test."""
    started: list[Running] = []

    def begin(
        handler: Handler = lambda _: Reply.text("here"),
        tls: TLSServerSettings | None = None,
        threads: int = 8,
    ) -> Running:
        started.append(Running(handler, tls, threads))
        return started[-1]

    yield begin
    for each in started:
        each.server.stop()


@pytest.fixture
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients have a fraction of a second instead of ten."""
    monkeypatch.setattr(clients, "CLIENT_SECONDS", 0.4)


def is_closed(sock: socket.socket) -> bool:
    """Whether the server has closed a connection that has no bytes to read."""
    sock.settimeout(0)
    try:
        return sock.recv(1) == b""
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:
        return True


def drip(sock: socket.socket, drop: bytes = b"x") -> bool:
    """Send a byte; whether the server has closed the connection."""
    try:
        sock.send(drop)
    except OSError:
        return True
    return is_closed(sock)


# What is refused


@pytest.fixture(scope="module")
def strict() -> Iterator[Running]:
    running = Running(lambda _: Reply.text("served"), None, 8)
    yield running
    running.server.stop()


@pytest.mark.parametrize("shape", SHAPES)
def test_request_that_could_be_read_in_two_ways_is_refused(strict: Running, shape: str) -> None:
    """With what follows it on the connection."""
    received = b""
    with strict.connect() as sock:
        sock.sendall(SHAPES[shape])
        while more := sock.recv(65536):
            received += more
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1") == 1
    assert strict.faults == []


@pytest.mark.parametrize(
    "target", ["//[", "//", "/%", "/%zz", "/?%", "/?a=%FF", "/#x", "/\xff", "/;"]
)
def test_odd_path_is_a_path_like_any_other(start: Start, target: str) -> None:
    running = start(lambda request: Reply.text(repr(request.path), 404))
    with running.connect() as sock:
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode("latin-1"))
        assert sock.recv(65536).startswith(b"HTTP/1.1 404 ")


def test_body_is_read_and_the_next_request_is_the_next(start: Start) -> None:
    running = start(lambda request: Reply(request.body or request.method.encode()))
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    received = b""
    with running.connect() as sock:
        sock.sendall(head % 5 + b"GET /" + GET)
        while not received.endswith(b"GET"):
            received += sock.recv(65536)
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert b"\r\n\r\nGET /HTTP" in received


def test_first_byte_that_begins_no_request_is_answered_at_once(strict: Running) -> None:
    """Otherwise a TLS client on a port for HTTP would wait."""
    with strict.connect() as sock:
        sock.sendall(b"\x16\x03\x01")
        assert sock.recv(100).startswith(b"HTTP/1.1 400 ")


# What a handler gets and gives


def test_handler_gets_the_request(start: Start) -> None:
    seen: list[Request] = []
    running = start(lambda request: (seen.append(request), Reply.text("ok"))[1])
    running.ask("POST", "/a%20b?x=1&x=&y", Accept="one")
    (request,) = seen
    assert (request.method, request.path, request.scheme) == ("POST", "/a b", "http")
    assert request.query == {"x": ["1", ""], "y": [""]}
    assert (request.header("ACCEPT"), request.header("Nothing")) == ("one", "")
    assert request.client == "127.0.0.1"


@pytest.mark.parametrize(
    ("encoding", "accepted", "sent"),
    [
        (None, "gzip", "gzip"),
        (None, "identity", None),
        ("identity", "gzip", None),
        ("gzip", "gzip", "gzip"),
    ],
)
def test_body_is_compressed_by_the_server_or_by_its_handler(
    start: Start, encoding: str | None, accepted: str, sent: str | None
) -> None:
    text = b"some text" * 100
    body = gzip.compress(text) if encoding == "gzip" else text
    running = start(lambda _: Reply(body, encoding=encoding))
    answer = running.ask(Accept_Encoding=accepted)
    assert answer.headers["Content-Encoding"] == sent
    assert (gzip.decompress(answer.body) if sent else answer.body) == text


@pytest.mark.parametrize("fault", [ZeroDivisionError, MemoryError, SystemExit, KeyboardInterrupt])
def test_fault_of_a_handler_is_counted_and_the_server_lives(
    start: Start, fault: type[BaseException]
) -> None:
    def broken(request: Request) -> Reply:
        if request.path == "/broken":
            raise fault("sk-secret")
        return Reply.text("fine")

    running = start(broken)
    assert running.ask(path="/broken").status == 500
    assert running.ask().status == 200
    assert len(running.faults) == 1
    assert running.log.count(f"error={fault.__name__}") == 1
    assert running.log.count("sk-secret") == 0


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"", status=799),
        Reply.text("x", X="a\r\nSet-Cookie: b"),
        Reply.text("x", X="ключ"),
        Reply.text("x", **{"X Y": "z"}),
    ],
    ids=["status", "line end", "letters", "name"],
)
def test_reply_that_cannot_be_sent_is_a_fault(start: Start, reply: Reply) -> None:
    running = start(lambda _: reply)
    assert running.ask().status == 500
    assert len(running.faults) == 1


# Threads


def test_requests_beyond_the_threads_are_refused_but_not_of_another_address(start: Start) -> None:
    gate = threading.Event()
    running = start(lambda _: (gate.wait(30), Reply.text("done"))[1], threads=3)
    try:
        busy = [running.connect(ADDRESS) for _ in range(3)]
        for sock in busy:
            sock.sendall(GET)
        eventually(lambda: running.server._threads._held.total(), lambda held: held == 3, 60)
        assert running.status(ADDRESS) == 503
        with running.connect() as other:
            other.sendall(GET)
            eventually(lambda: running.server._threads._held.total(), lambda held: held == 4, 60)
            gate.set()
            assert other.recv(65536).startswith(b"HTTP/1.1 200 ")
    finally:
        gate.set()
    assert b" 200 " in busy[0].recv(65536)
    for sock in busy:
        sock.close()


def test_thread_that_cannot_start_is_a_503_and_the_server_lives(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    running = start()
    with monkeypatch.context() as patch:
        patch.setattr(http1._thread, "start_new_thread", refuse)
        assert [running.ask().status for _ in range(5)] == [503] * 5
    assert running.ask().status == 200
    assert running.log.count("no thread is left for a request") == 1


def test_places_are_never_all_of_one_address() -> None:
    places = Places(40)
    assert [places.take("a") for _ in range(41)] == [True] * 40 + [False]
    assert all(places.take(f"newcomer {number}") for number in range(RESERVE))
    assert not places.take("one too many")
    places.give_back("a")
    assert not places.take("a")
    for _ in range(RESERVE):
        places.give_back("a")
    assert places.take("a")


def test_places_of_one_address_may_be_fewer() -> None:
    places = Places(8, each=3)
    assert [places.take("a") for _ in range(4)] == [True, True, True, False]
    assert places.take("b")


# Deadlines: each is absolute, whatever the client sends meanwhile


@pytest.mark.usefixtures("short_deadlines")
@pytest.mark.parametrize(
    "first", [b"", b"G", GET[:-2] + b"X: ", GET], ids=["nothing", "byte", "head", "idle"]
)
def test_client_that_never_ends_its_request_is_closed(start: Start, first: bytes) -> None:
    running = start()
    with running.connect() as sock:
        sock.sendall(first)
        if first == GET:
            sock.recv(65536)
        drop = b"" if first in {b"", GET} else b"x"
        eventually(lambda: drip(sock, drop), bool, 60)


@pytest.mark.usefixtures("short_deadlines")
def test_client_that_drips_a_body_is_closed(start: Start) -> None:
    running = start()
    with running.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000\r\n\r\n")
        eventually(lambda: drip(sock), bool, 60)


@pytest.mark.usefixtures("short_deadlines")
@pytest.mark.parametrize("first", [b"", b"\x16", b"\x16\x03\x01\x02\x00"])
def test_client_that_never_ends_its_handshake_is_closed(
    start: Start, tmp_path: Path, first: bytes
) -> None:
    own = issue(tmp_path, "server")
    running = start(tls=TLSServerSettings(own.cert_file, own.key_file))
    with running.connect() as sock:
        sock.sendall(first)
        eventually(lambda: is_closed(sock), bool, 60)


@pytest.mark.usefixtures("short_deadlines")
@pytest.mark.parametrize("tls", [False, True])
def test_client_that_does_not_take_its_answer_is_closed(
    start: Start, tmp_path: Path, *, tls: bool
) -> None:
    """It holds no thread until then."""
    own = issue(tmp_path, "server")
    settings = TLSServerSettings(own.cert_file, own.key_file) if tls else None
    running = start(lambda _: Reply(LARGE), settings)
    sock = running.connect(receive_buffer=4096)
    if tls:
        sock = careless().wrap_socket(sock)
    with sock:
        sock.sendall(GET)
        eventually(lambda: len(running.server._clients), lambda count: count == 0, 60)
        assert running.server._threads._held.total() == 0


@pytest.mark.usefixtures("short_deadlines")
def test_clock_that_jumps_back_a_day_keeps_no_idle_client(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start()
    with running.connect() as sock:
        sock.sendall(GET)
        sock.recv(65536)
        day_before = time.time() - 86400
        monkeypatch.setattr(time, "time", lambda: day_before)
        eventually(lambda: is_closed(sock), bool, 60)


# How many


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process with few descriptors: they are enough for 20 connections."""
    monkeypatch.setattr(server, "descriptor_limit", lambda: 52)


@pytest.mark.usefixtures("few")
def test_crowd_pushes_out_its_own_oldest(start: Start) -> None:
    """The connection of another host stays, although it is the oldest."""
    running = start(threads=16)
    with running.connect() as mine:
        mine.sendall(GET)
        mine.recv(65536)
        crowd = [running.connect(ADDRESS) for _ in range(60)]
        eventually(lambda: sum(map(is_closed, crowd)), lambda closed: closed == 41, 60)
        assert all(map(is_closed, crowd[:41]))
        assert not any(map(is_closed, crowd[41:]))
        mine.settimeout(10)
        mine.sendall(GET)
        assert mine.recv(65536).startswith(b"HTTP/1.1 200 ")
        for sock in crowd:
            sock.close()
    assert running.log.count("connections are at their limit") == 1


def in_loop(test: Callable[[], None]) -> None:
    """Run a test in an event loop."""

    async def run() -> None:
        test()

    asyncio.run(run())


def test_connection_that_a_handler_works_for_is_never_closed_for_another() -> None:
    def test() -> None:
        closed: list[str] = []
        every = Clients(2)
        working, waiting = (Client(name, lambda name=name: closed.append(name)) for name in "ab")
        for client in (working, waiting):
            every.add(client)
        every.begin(working, "working")
        every.add(Client("c", lambda: None))
        assert closed == ["b"]
        every.begin(waiting, "answering")  # it is gone, and stays so
        assert len(every) == 2

    in_loop(test)


@pytest.mark.parametrize(
    ("bodies", "closed"),
    [
        ([LARGE[:100], LARGE[1:101], LARGE[2:102], LARGE[3:103]], ["a", "b"]),
        ([LARGE[:200]] * 4, []),
        ([LARGE], []),
    ],
    ids=["each its own", "the same for all", "one alone"],
)
def test_answers_that_nobody_takes_are_bounded(
    monkeypatch: pytest.MonkeyPatch, bodies: list[bytes], closed: list[str]
) -> None:
    """The slowest are closed first; an object that is sent to several clients counts once."""
    monkeypatch.setattr(clients, "MAX_UNSENT", 250)

    def test() -> None:
        gone: list[str] = []
        every = Clients(10)
        for name, body in zip("abcd", bodies, strict=False):
            client = Client(name, lambda name=name: gone.append(name))
            every.add(client)
            every.begin(client, "answering", body)
        every.bound_unsent()
        assert gone == closed

    in_loop(test)


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("nonsense", "nonsense"),
    ],
)
def test_client_is_an_address_or_what_one_host_has_of_them(address: str, host: str) -> None:
    assert host_of(address) == host


# Small things


def test_answers_are_not_delayed_by_the_kernel() -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            other = socket.create_connection(listening.getsockname())
            accepted, _ = listening.accept()
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = PlainStream(accepted)
        stream.set_nodelay(False)
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        stream.close()
        other.close()

    asyncio.run(run())


def test_sockets_of_the_server_are_closed_at_its_end(start: Start) -> None:
    running = start()
    with running.connect() as idle:
        running.server.stop()
        assert is_closed(idle)
        with pytest.raises(ConnectionRefusedError):
            running.connect()


def test_target_of_attacks_is_reached_from_another_address(start: Start) -> None:
    seen: list[str] = []
    running = start(lambda request: (seen.append(request.client), Reply.text("ok"))[1])
    with Target(running.port).connect() as sock:
        sock.sendall(GET)
        sock.recv(65536)
    assert seen == [ADDRESS]
