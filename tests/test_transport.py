"""One GET to servers with any kind of fault."""

import base64
import contextlib
import gc
import itertools
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import faults
from support.faults import MIB, FaultServer, Script, answer, drips, pours, says

from exporter.clock import Clock
from exporter.config import PortalSettings, Secret
from exporter.docspace.deadline import Alarm
from exporter.docspace.errors import (
    ConnectionFailed,
    InvalidResponse,
    PortalError,
    Timeout,
    TLSFailed,
    TooLarge,
)
from exporter.docspace.tls import TLSContexts
from exporter.docspace.transport import Response, Transport
from exporter.threads import in_thread

KEYS = "/api/2.0/keys"
KEY = Secret("Bearer sk-" + "deadbeef" * 8)
EMPTY = answer(b'{"response": []}')
OK = "HTTP/1.1 200 OK\r\n"
#: Seconds for a fetch from a server that would take forever.
SHORT = 0.3

Make = Callable[..., Transport]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes a transport to an address; all are closed at the end."""
    made: list[Transport] = []

    def transport(url: str, **settings: object) -> Transport:
        portal = PortalSettings("portal", url, **{"max_response_size": MIB, **settings})
        made.append(Transport(portal, TLSContexts(), Clock(), Alarm()))
        return made[-1]

    yield transport
    for each in made:
        each.close()


def fetch(transport: Transport, seconds: float = 30.0) -> Response:
    """One fetch, which must end by itself: the servers go on for as long as the test."""
    return in_thread(lambda: transport.get(KEYS, KEY, seconds), "fetch").result(60)


def forever(start: str, part: bytes = b"x" * 65536) -> Script:
    """Sends the start, then the part again and again, as fast as it is read."""
    return pours(lambda: itertools.chain([start.encode()], itertools.repeat(part)))


def numbered_headers() -> Iterator[bytes]:
    yield OK.encode()
    yield from (b"X-%d: y\r\n" % number for number in itertools.count())


# One deadline, wherever the server hangs

HANGING = {
    "accepts and reads nothing": faults.never_reads,
    "reads and answers nothing": faults.never_answers,
    "drips the status line": drips(b"", b"H"),
    "drips a header": drips(f"{OK}X-Slow: ".encode()),
    "drips a body of a declared length": drips(f"{OK}Content-Length: 100000\r\n\r\n".encode()),
    "drips a body that ends with the connection": drips(f"{OK}\r\n".encode()),
    "drips chunks": drips(f"{OK}Transfer-Encoding: chunked\r\n\r\n".encode(), b"1\r\nx\r\n"),
    "drips a trailer": drips(f"{OK}Transfer-Encoding: chunked\r\n\r\n0\r\nX: ".encode()),
    "continues forever": forever("", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "promises a body and sends none": says(f"{OK}Content-Length: {10**22}\r\n\r\nabc".encode()),
}


@pytest.mark.parametrize("script", HANGING.values(), ids=list(HANGING))
def test_deadline_holds_against_a_server_that(make: Make, script: Script) -> None:
    late = pytest.raises(Timeout, match=r"no complete answer within 0\.3 s")
    with FaultServer(script) as server, late:
        fetch(make(server.url), SHORT)


def test_an_error_answer_whose_body_drips_is_reported_by_its_status_in_time(make: Make) -> None:
    """A 429 must start the back-off, also if its body never ends."""
    with FaultServer(drips(b"HTTP/1.1 429 No\r\n\r\n")) as server:
        response = fetch(make(server.url), SHORT)
        assert response.status == 429


@pytest.mark.parametrize(
    "script",
    [faults.drips_tls(), faults.never_reads],
    ids=["drips", "says nothing"],
)
def test_deadline_holds_within_a_tls_handshake(make: Make, script: Script) -> None:
    with FaultServer(script) as server, pytest.raises(Timeout):
        fetch(make(f"https://127.0.0.1:{server.port}"), SHORT)


@pytest.mark.parametrize(
    "script",
    [
        drips(b"HTTP/1.1 200 Connection established\r\nX-Slow: "),
        faults.drips_tls(b"HTTP/1.1 200 Connection established\r\n\r\n"),
        faults.never_answers,
    ],
    ids=["drips its answer to CONNECT", "drips the handshake behind it", "never answers"],
)
def test_deadline_holds_against_a_proxy_that(make: Make, script: Script) -> None:
    with FaultServer(script) as proxy, pytest.raises(Timeout):
        fetch(make("https://portal.invalid", proxy_url=Secret(proxy.url)), SHORT)


def test_a_fetch_after_one_that_timed_out_is_fine(make: Make) -> None:
    def first_drips(peer: faults.Peer) -> None:
        peer.request()
        if server.accepted == 1:
            peer.drip(itertools.repeat(ord("H")))
        peer.send(EMPTY)

    with FaultServer(first_drips) as server:
        transport = make(server.url)
        with pytest.raises(Timeout):
            fetch(transport, SHORT)
        assert fetch(transport).status == 200


# A server that breaks off, or speaks something else

BROKEN = {
    "closes at once": (faults.closes_at_once, ConnectionFailed),
    "closes on the request": (faults.closes_on_request, ConnectionFailed),
    "resets within the body": (faults.resets_mid_body, ConnectionFailed),
    "ends within the body": (
        faults.answers_once(f"{OK}Content-Length: 99\r\n\r\nabc".encode()),
        ConnectionFailed,
    ),
    "sends headers forever": (pours(numbered_headers), ConnectionFailed),
    "sends one header forever": (forever(f"{OK}X: "), ConnectionFailed),
    "sends one chunk size forever": (
        forever(f"{OK}Transfer-Encoding: chunked\r\n\r\n", b"0" * 65536),
        ConnectionFailed,
    ),
    "sends a chunk that is none": (
        says(f"{OK}Transfer-Encoding: chunked\r\n\r\nzz\r\n".encode()),
        ConnectionFailed,
    ),
    "declares two lengths": (
        says(f"{OK}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc".encode()),
        ConnectionFailed,
    ),
    "speaks HTTP/0.9": (faults.answers_once(b"<p>hello</p>\n"), ConnectionFailed),
    "speaks HTTP/7": (faults.answers_once(b"HTTP/7.1 200 OK\r\n\r\n"), ConnectionFailed),
    "speaks no HTTP at all": (faults.answers_once(bytes(range(256))), ConnectionFailed),
    "has a status that is no number": (
        faults.answers_once(b"HTTP/1.1 abc OK\r\n\r\n"),
        ConnectionFailed,
    ),
    "has a status beyond all": (
        faults.answers_once(b"HTTP/1.1 99999 OK\r\n\r\n"),
        ConnectionFailed,
    ),
    "says gzip and sends none": (
        says(answer(b"not gzip", "200 OK", "Content-Encoding: gzip")),
        InvalidResponse,
    ),
    "says deflate and sends none": (
        says(answer(b"\xff\xff not deflate", "200 OK", "Content-Encoding: deflate")),
        InvalidResponse,
    ),
    "says gzip fifty times": (
        says(answer(b"x", "200 OK", "Content-Encoding: " + ", ".join(["gzip"] * 50))),
        InvalidResponse,
    ),
    "sends a body forever": (forever(f"{OK}\r\n"), TooLarge),
    "sends chunks forever": (
        forever(f"{OK}Transfer-Encoding: chunked\r\n\r\n", b"400\r\n" + b"x" * 1024 + b"\r\n"),
        TooLarge,
    ),
}


@pytest.mark.parametrize(("script", "error"), BROKEN.values(), ids=list(BROKEN))
def test_error_of_a_server_that(make: Make, script: Script, error: type[PortalError]) -> None:
    """Each is an error of the tree, in time and without the key."""
    with FaultServer(script) as server, pytest.raises(PortalError) as caught:
        fetch(make(server.url))
    assert type(caught.value) is error
    assert "deadbeef" not in str(caught.value)


def test_refused_connection_has_the_systems_message(make: Make) -> None:
    with FaultServer(faults.never_reads) as server:
        url = server.url
    with pytest.raises(ConnectionFailed, match=r"^Connection refused$"):
        fetch(make(url))


@pytest.mark.parametrize("host", ["portal.invalid", "a..b", "x" * 300 + ".invalid", "xn--a"])
def test_name_that_does_not_resolve_is_a_failed_connection(make: Make, host: str) -> None:
    with pytest.raises(ConnectionFailed):
        fetch(make(f"http://{host}"))


ODD = {
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "length and chunks": (
        f"{OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
    ).encode(),
    "a cookie from elsewhere": answer(b"{}", "200 OK", "Set-Cookie: a=\xff; domain=.example"),
    "a trailer": f"{OK}Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n".encode(),
}


@pytest.mark.parametrize("content", ODD.values(), ids=list(ODD))
def test_odd_answer_is_an_answer(make: Make, content: bytes) -> None:
    with FaultServer(faults.answers_once(content)) as server:
        assert fetch(make(server.url)).status in {200, 204, 304}


# The cap on the size


def chunked_bomb(bomb: bytes) -> Script:
    return pours(lambda: faults.chunked([bomb], "Content-Encoding: gzip"))


BOMB = faults.gzip_bomb(1024 * MIB)
BOMBS = {
    "of a declared length": says(answer(BOMB, "200 OK", "Content-Encoding: gzip")),
    "in chunks": chunked_bomb(BOMB),
    "within a bomb": says(
        answer(zlib.compress(BOMB, 9, 31), "200 OK", "Content-Encoding: gzip, gzip")
    ),
}
HIDDEN_BOMBS = {
    "with a redirect": says(
        answer(BOMB, "302 Found", "Content-Encoding: gzip", "Location: http://portal.invalid/")
    ),
    "with an error status": says(answer(BOMB, "500 No", "Content-Encoding: gzip")),
    "with an error status in chunks": pours(
        lambda: faults.chunked([BOMB], "Content-Encoding: gzip", status="401 No")
    ),
}


def peak_mib(work: Callable[[], object]) -> float:
    """The most memory that Python allocated."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("script", BOMBS.values(), ids=list(BOMBS))
def test_gzip_bomb_of_a_gibibyte_is_refused_in_little_memory(make: Make, script: Script) -> None:
    def refused() -> None:
        with pytest.raises(TooLarge, match="larger than 1048576 bytes"):
            fetch(make(server.url))

    with FaultServer(script) as server:
        assert peak_mib(refused) < 16


@pytest.mark.parametrize("script", HIDDEN_BOMBS.values(), ids=list(HIDDEN_BOMBS))
def test_gzip_bomb_does_not_come_in(make: Make, script: Script) -> None:
    """The body of an error is cut at 64 KiB."""
    with FaultServer(script) as server:
        transport = make(server.url)
        assert peak_mib(lambda: fetch(transport)) < 16
        assert len(fetch(transport).body) == 64 * 1024


@pytest.mark.parametrize("status", ["200 OK", "500 No"])
def test_chunk_of_less_than_nothing_is_not_read_to_the_end(make: Make, status: str) -> None:
    """http.client would read to the end of the connection."""
    script = forever(f"HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n")

    def answered() -> None:
        with contextlib.suppress(ConnectionFailed):
            fetch(make(server.url))

    with FaultServer(script) as server:
        assert peak_mib(answered) < 16


def test_answer_of_the_size_of_the_cap_is_taken(make: Make) -> None:
    with FaultServer(says(answer(b"x" * MIB))) as server:
        assert len(fetch(make(server.url)).body) == MIB


def test_answer_one_byte_larger_is_not(make: Make) -> None:
    with FaultServer(says(answer(b"x" * (MIB + 1)))) as server, pytest.raises(TooLarge):
        fetch(make(server.url))


# Connections


@pytest.mark.parametrize(
    "content",
    [
        EMPTY,
        answer(zlib.compress(b"{}", 9, 31), "200 OK", "Content-Encoding: gzip"),
        b"".join(faults.chunked([b"{}"])),
        b"".join(faults.chunked([zlib.compress(b"{}", 9, 31)], "Content-Encoding: gzip")),
        answer(b"", "401 Unauthorized"),
        answer(b'{"error": {"message": "no"}}', "403 Forbidden"),
        answer(b"<html>", "302 Found", "Location: /login"),
    ],
    ids=["plain", "gzip", "chunks", "gzip in chunks", "empty 401", "403", "redirect"],
)
def test_connection_serves_every_scrape(make: Make, content: bytes) -> None:
    with FaultServer(says(content)) as server:
        transport = make(server.url)
        for _ in range(5):
            fetch(transport)
        assert server.accepted == 1


@pytest.mark.parametrize(
    "script",
    [faults.answers_once(EMPTY), faults.closes_when_asked_again(EMPTY)],
    ids=["between scrapes", "as the next one asks"],
)
def test_kept_connection_that_the_portal_closed_fails_no_scrape(make: Make, script: Script) -> None:
    with FaultServer(script) as server:
        transport = make(server.url)
        assert [fetch(transport).status for _ in range(3)] == [200, 200, 200]
        assert server.accepted == 3


def test_fresh_connection_that_breaks_is_not_tried_again(make: Make) -> None:
    with FaultServer(faults.closes_on_request) as server:
        with pytest.raises(ConnectionFailed):
            fetch(make(server.url))
        assert server.accepted == 1


def test_close_leaves_nothing_open(make: Make) -> None:
    with FaultServer(says(EMPTY)) as server:
        transport = make(server.url)
        fetch(transport)
        transport.close()
        fetch(transport)
        assert server.accepted == 2


# What travels, and where


def headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def test_request_has_these_headers_and_no_others(make: Make) -> None:
    with FaultServer(says(EMPTY)) as server:
        fetch(make(server.url))
        sent = headers(server.heads[0])
    assert sent.pop("user-agent").startswith("docspace-exporter/")
    assert sent == {
        "host": server.url.removeprefix("http://"),
        "accept": "application/json",
        "accept-encoding": "gzip",
        "connection": "keep-alive",
        "authorization": KEY.reveal(),
    }


def test_no_origin_is_ever_sent_since_a_server_would_choose_the_portal_by_it(make: Make) -> None:
    with FaultServer(says(EMPTY)) as server:
        fetch(make(server.url))
        sent = headers(server.heads[0])
    assert not {"origin", "referer"} & set(sent)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_never_followed(make: Make, status: int) -> None:
    with FaultServer(says(EMPTY)) as other:
        moved = says(answer(b"", f"{status} Moved", f"Location: {other.url}{KEYS}"))
        with FaultServer(moved) as server:
            response = fetch(make(server.url))
        assert (response.status, other.accepted) == (status, 0)
    assert response.headers["location"] == f"{other.url}{KEYS}"


@pytest.mark.parametrize(
    "location",
    ["http://[::1", "http://a:99999/", "http://\xff\xfe/", "//", "http://a\u2100b/", "\x7f", ""],
)
def test_location_that_is_no_address_is_no_fault(make: Make, location: str) -> None:
    """The HTTP library would parse it also without following it."""
    header = f"Location: {location.encode().decode('latin-1')}"
    with FaultServer(says(answer(b"", "302 Found", header))) as server:
        assert fetch(make(server.url)).status == 302


def test_netrc_is_not_used(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    with FaultServer(says(EMPTY)) as server:
        fetch(make(server.url))
        assert headers(server.heads[0])["authorization"] == KEY.reveal()


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_interim_answers_are_skipped(make: Make, interim: bytes) -> None:
    head = b"HTTP/1.1 %b\r\nLink: </x>; rel=preload\r\n\r\n" % interim
    with FaultServer(lambda peer: peer.request() and peer.send(3 * head + answer(b"[]"))) as server:
        found = fetch(make(server.url))
    assert (found.status, found.body) == (200, b"[]")


def test_interim_answers_without_end_are_an_error(make: Make) -> None:
    flood = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000
    with (
        FaultServer(lambda peer: peer.request() and peer.send(flood)) as server,
        pytest.raises(ConnectionFailed),
    ):
        fetch(make(server.url))


def test_cookies_are_not_taken_apart(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*_: object) -> None:
        raise AssertionError("a cookie was parsed")

    monkeypatch.setattr("http.cookiejar.CookieJar._cookies_from_attrs_set", parse)
    content = answer(b"[]", "200 OK", "Set-Cookie: a=b", "Set-Cookie: c=d; Domain=example.com")
    with FaultServer(says(content)) as server:
        assert fetch(make(server.url)).status == 200


def test_cookies_are_not_sent_back(make: Make) -> None:
    with FaultServer(says(answer(b"{}", "200 OK", "Set-Cookie: a=b; path=/"))) as server:
        transport = make(server.url)
        fetch(transport)
        fetch(transport)
        assert "cookie" not in headers(server.heads[1])


# Proxies


def test_proxy_of_the_configuration_gets_the_request(make: Make) -> None:
    with FaultServer(says(EMPTY)) as proxy:
        fetch(make("http://portal.invalid", proxy_url=Secret(proxy.url)))
        assert proxy.heads[0].startswith(b"GET http://portal.invalid/api/2.0/keys HTTP/1.1\r\n")


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_proxy_of_the_environment_gets_the_request(
    make: Make, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with FaultServer(says(EMPTY)) as proxy:
        monkeypatch.setenv(variable, proxy.url)
        fetch(make("http://portal.invalid"))
        assert proxy.accepted == 1


def test_no_proxy_is_heeded(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with FaultServer(says(EMPTY)) as server:
        assert fetch(make(server.url)).status == 200


def test_proxy_of_the_configuration_comes_before_the_environments(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    monkeypatch.setenv("no_proxy", "*")
    with FaultServer(says(EMPTY)) as proxy:
        fetch(make("http://portal.invalid", proxy_url=Secret(proxy.url)))
        assert proxy.accepted == 1


def test_password_of_the_proxy_goes_to_the_proxy(make: Make) -> None:
    with FaultServer(says(EMPTY)) as proxy:
        url = proxy.url.replace("//", "//someone:s%40crt@")
        fetch(make("http://portal.invalid", proxy_url=Secret(url)))
        sent = headers(proxy.heads[0])["proxy-authorization"]
    assert base64.b64decode(sent.removeprefix("Basic ")) == b"someone:s@crt"


def test_proxy_that_refuses_the_tunnel_does_not_get_the_key(make: Make) -> None:
    with FaultServer(says(answer(b"", "407 Who are you"))) as proxy:
        portal = make("https://portal.invalid", proxy_url=Secret(proxy.url))
        with pytest.raises(ConnectionFailed):
            fetch(portal)
        assert "authorization" not in headers(proxy.heads[0])


@pytest.mark.parametrize(
    "proxy",
    ["http://[::1", "http://a:b:c", "socks5://127.0.0.1:1", "http://:80", "://", "http://a\u2100b"],
)
def test_unusable_proxy_of_the_environment_is_a_failed_connection(
    make: Make, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(ConnectionFailed):
        fetch(make("http://portal.invalid"))


def test_proxy_that_speaks_no_tls_is_reported_as_tls(make: Make) -> None:
    def script(peer: faults.Peer) -> None:
        peer.sock.recv(1)
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with FaultServer(script) as proxy:
        portal = make("https://portal.invalid", proxy_url=Secret(f"https://127.0.0.1:{proxy.port}"))
        with pytest.raises(TLSFailed):
            fetch(portal)
