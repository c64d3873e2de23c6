"""Errors below HTTP have a message and a hint.

Most of it is seen through a transport, on real sockets; what no test can bring about is raised.
"""

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from support import faults
from support.certificates import issue
from support.faults import FaultServer, Peer, Script, answer, says

from exporter.clock import Clock
from exporter.config import PortalSettings, Secret
from exporter.docspace.deadline import Alarm
from exporter.docspace.errors import (
    ConnectionFailed,
    InvalidResponse,
    PortalError,
    Timeout,
    TLSFailed,
)
from exporter.docspace.exceptions import mapped
from exporter.docspace.tls import TLSContexts
from exporter.docspace.transport import Transport

Failure = Callable[..., PortalError]


@pytest.fixture
def failure() -> Iterator[Failure]:
    """The error of a fetch from an address."""
    made: list[Transport] = []

    def fetch(url: str, **settings: object) -> PortalError:
        portal = PortalSettings("portal", url, **settings)
        made.append(Transport(portal, TLSContexts(), Clock(), Alarm()))
        with pytest.raises(PortalError) as caught:
            made[-1].get("/api/2.0/keys", Secret("Bearer sk-x"), 5.0)
        return caught.value

    yield fetch
    for each in made:
        each.close()


def raised(exc: Exception, *, expired: bool = False) -> PortalError:
    """The error for an exception."""
    with pytest.raises(PortalError) as caught, mapped(5.0, lambda: expired):
        raise exc
    assert caught.value.__cause__ is exc
    return caught.value


def said(error: PortalError) -> tuple[type[PortalError], str]:
    return type(error), str(error)


def after_first_byte(content: bytes) -> Script:
    """Sends this after the first byte from the client."""

    def script(peer: Peer) -> None:
        peer.sock.recv(1)
        peer.send(content)

    return script


BAD_REQUEST = answer(b"", "400 Bad Request")
#: unexpected_message, fatal: what OpenSSL's servers send to plain HTTP before they close.
ALERT = b"\x15\x03\x01\x00\x02\x02\x0a"


# https to a port that speaks plain HTTP


def test_https_to_a_plain_http_port_says_so(failure: Failure) -> None:
    with FaultServer(after_first_byte(BAD_REQUEST)) as server:
        error = failure(f"https://127.0.0.1:{server.port}")
    assert said(error) == (TLSFailed, "the port does not speak TLS")
    assert "or http:// if the portal has no certificate" in error.hint


def test_https_to_a_plain_http_port_behind_a_proxy_says_so(failure: Failure) -> None:
    with FaultServer(faults.tunnel) as proxy, FaultServer(after_first_byte(BAD_REQUEST)) as server:
        url = f"https://127.0.0.1:{server.port}"
        assert str(failure(url, proxy_url=Secret(proxy.url))) == "the port does not speak TLS"


def test_https_to_a_plain_http_proxy_blames_the_proxy(failure: Failure) -> None:
    with FaultServer(after_first_byte(BAD_REQUEST)) as proxy:
        proxy_url = Secret(f"https://127.0.0.1:{proxy.port}")
        error = failure("https://portal.invalid", proxy_url=proxy_url)
    assert said(error) == (TLSFailed, "the proxy does not speak TLS")
    assert "the address of the proxy begins with https" in error.hint


@pytest.mark.parametrize("reason", ["RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"])
def test_other_versions_of_openssl_give_it_other_names(reason: str) -> None:
    exc = ssl.SSLError(1, f"[SSL: {reason}]")
    exc.reason = reason
    assert str(raised(exc)) == "the port does not speak TLS"


def test_port_that_closes_in_the_handshake(failure: Failure) -> None:
    def script(peer: Peer) -> None:
        peer.sock.recv(65536)

    with FaultServer(script) as server:
        error = failure(f"https://127.0.0.1:{server.port}")
    assert said(error) == (TLSFailed, "the connection was closed in the TLS handshake")
    assert "the port may not speak TLS" in error.hint


# http to a port that speaks TLS


@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_http_to_a_tls_port_that_answers_with_an_alert_says_so(
    failure: Failure, end: bytes
) -> None:
    with FaultServer(faults.answers_once(ALERT + end)) as server:
        error = failure(server.url)
    assert said(error) == (ConnectionFailed, "the port speaks TLS, not plain HTTP")
    assert "`url` must begin with https://" in error.hint


def test_http_to_a_real_tls_port(failure: Failure, tmp_path: Path) -> None:
    """Python's server closes or sends an alert; the hint names https in both cases."""
    leaf = issue(tmp_path, "leaf")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.cert_file, leaf.key_file)
    with FaultServer(says(answer()), tls=context) as server:
        error = failure(f"http://127.0.0.1:{server.port}")
    assert type(error) is ConnectionFailed
    assert "`url` must begin with https://" in error.hint


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (faults.closes_on_request, "the connection was closed before an answer came"),
        (faults.closes_at_once, "the connection was closed before an answer came"),
    ],
)
def test_closed_connection_says_so_and_names_https(
    failure: Failure, script: Script, message: str
) -> None:
    with FaultServer(script) as server:
        error = failure(server.url)
    assert type(error) is ConnectionFailed
    assert "if the port speaks TLS, `url` must begin with https://" in error.hint
    assert str(error) in {message, "Connection reset by peer"}


# Names that do not resolve


def test_name_without_an_address() -> None:
    error = raised(socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    assert said(error) == (ConnectionFailed, "the host name is not known")
    assert "DNS has no address for it" in error.hint


def test_name_while_dns_does_not_answer() -> None:
    error = raised(socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"))
    assert said(error) == (ConnectionFailed, "the host name cannot be resolved at the moment")
    assert "no DNS server gave an answer" in error.hint


def test_name_that_fails_in_another_way() -> None:
    error = raised(socket.gaierror(socket.EAI_MEMORY, "Memory allocation failure"))
    assert said(error) == (ConnectionFailed, "the host name cannot be resolved")


def test_name_in_a_url_that_does_not_resolve(failure: Failure) -> None:
    """The machine may have no DNS: the message names the host name in both cases."""
    error = failure("http://portal.invalid")
    assert type(error) is ConnectionFailed
    assert str(error).startswith(("the host name is not known", "the host name cannot be resolved"))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_name_of_a_proxy_that_does_not_resolve_is_the_proxys(failure: Failure, scheme: str) -> None:
    error = failure(f"{scheme}://127.0.0.2", proxy_url=Secret("http://proxy.invalid:3128"))
    assert type(error) is ConnectionFailed
    assert str(error).startswith("the host name of the proxy")


@pytest.mark.parametrize("host", ["a..b", "x" * 300 + ".invalid"])
def test_name_that_no_host_can_have(failure: Failure, host: str) -> None:
    error = failure(f"http://{host}")
    assert said(error) == (ConnectionFailed, "the host name in `url` is not valid")


# The rest


def test_refused_connection_of_a_proxy_is_the_proxys(failure: Failure) -> None:
    with FaultServer(faults.never_reads) as server:
        url = server.url
    error = failure("http://127.0.0.2", proxy_url=Secret(url))
    assert said(error) == (ConnectionFailed, "proxy: Connection refused")
    assert "`proxy_url`" in error.hint


def test_proxy_that_refuses_the_tunnel_is_named_with_its_status(failure: Failure) -> None:
    with FaultServer(says(answer(b"", "407 Who are you"))) as proxy:
        error = failure("https://portal.invalid", proxy_url=Secret(proxy.url))
    assert said(error) == (ConnectionFailed, "the proxy answered with HTTP 407")
    assert "user and password" in error.hint


def test_server_that_asks_for_a_client_certificate_says_so() -> None:
    """Raised by the test: a real server closes after its alert, which may not arrive."""
    exc = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED]")
    exc.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    error = raised(exc)
    assert said(error) == (TLSFailed, "the server asks for a client certificate")
    assert "`tls.cert_file`" in error.hint


def test_certificate_that_is_not_trusted_is_explained_by_openssl(
    failure: Failure, tmp_path: Path
) -> None:
    leaf = issue(tmp_path, "leaf")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.cert_file, leaf.key_file)
    with FaultServer(says(answer()), tls=context) as server:
        error = failure(server.url)
    assert type(error) is TLSFailed
    assert str(error).startswith("certificate verify failed: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n", "the answer is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc", "the answer broke off"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", "the answer is not valid HTTP"),
    ],
    ids=["another protocol", "too short", "a header too long"],
)
def test_answer_that_is_none(failure: Failure, content: bytes, message: str) -> None:
    with FaultServer(faults.answers_once(content)) as server:
        assert said(failure(server.url)) == (ConnectionFailed, message)


def test_body_that_is_not_its_encoding(failure: Failure) -> None:
    content = answer(b"not gzip", "200 OK", "Content-Encoding: gzip")
    with FaultServer(says(content)) as server:
        error = failure(server.url)
    assert said(error) == (InvalidResponse, "the body is not what its Content-Encoding says")


def test_whatever_comes_after_the_deadline_is_a_timeout() -> None:
    for exc in (
        ConnectionResetError(104, "reset"),
        http.client.IncompleteRead(b""),
        ssl.SSLError(),
    ):
        error = raised(exc, expired=True)
        assert said(error) == (Timeout, "no complete answer within 5 s")


def test_arguments_of_an_exception_are_not_in_the_message() -> None:
    """They may hold headers, and so the key."""
    for exc in (
        requests.exceptions.InvalidHeader("Bearer sk-x"),
        http.client.HTTPException("sk-x"),
        OSError("sk-x"),
        UnicodeError("sk-x"),
    ):
        error = raised(exc)
        assert "sk-x" not in f"{error} {error.hint}"


def test_portal_error_passes_as_it_is() -> None:
    error = InvalidResponse("as it is")
    with pytest.raises(InvalidResponse) as caught, mapped(5.0, lambda: True):
        raise error
    assert caught.value is error


def test_fault_of_the_code_passes_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), mapped(5.0, lambda: True):
        raise ZeroDivisionError
