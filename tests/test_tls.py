"""TLS to a portal and to a proxy: trusted and client certificates, and files that change."""

import gc
import os
import ssl
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import faults
from support.certificates import Issued, issue
from support.faults import FaultServer, answer, says

from exporter.clock import Clock
from exporter.config import PortalSettings, Secret, TLSSettings
from exporter.docspace.deadline import Alarm
from exporter.docspace.errors import ConnectionFailed, PortalError, Timeout, TLSFailed
from exporter.docspace.tls import TLSContexts
from exporter.docspace.transport import Transport
from exporter.threads import in_thread

KEY = Secret("Bearer sk-" + "deadbeef" * 8)
SPEAKS = says(answer(b"{}"))

Make = Callable[..., Transport]


@pytest.fixture(scope="module")
def client(certificates: Path, authority: Issued) -> Issued:
    return issue(certificates, "client", authority)


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes a transport to an address with these TLS settings; all are closed at the end."""
    made: list[Transport] = []

    def transport(url: str, proxy: str | None = None, **tls: object) -> Transport:
        secret = Secret(proxy) if proxy else None
        portal = PortalSettings("portal", url, tls=TLSSettings(**tls), proxy_url=secret)
        made.append(Transport(portal, TLSContexts(), Clock(), Alarm()))
        return made[-1]

    yield transport
    for each in made:
        each.close()


def status(transport: Transport, seconds: float = 5.0) -> int:
    return transport.get("/api/2.0/keys", KEY, seconds).status


def status_error(transport: Transport) -> str:
    with pytest.raises(TLSFailed) as caught:
        status(transport)
    return str(caught.value)


# Trusted certificates


def test_private_ca_is_trusted(make: Make, authority: Issued, served: Issued) -> None:
    with FaultServer(SPEAKS, served.context()) as server:
        transport = make(server.url, ca_file=authority.cert_file)
        assert (status(transport), status(transport), server.accepted) == (200, 200, 1)


def test_private_ca_that_does_not_say_what_its_key_is_for_is_trusted(
    make: Make, tmp_path: Path
) -> None:
    """Python 3.13 would refuse it by default; curl, Go and older Pythons accept it."""
    authority = issue(tmp_path, "plain-ca", key_usage=False)
    served = issue(tmp_path, "plain-server", authority)
    with FaultServer(SPEAKS, served.context()) as server:
        assert status(make(server.url, ca_file=authority.cert_file)) == 200


def test_private_ca_is_refused_without_its_file(make: Make, served: Issued) -> None:
    with FaultServer(SPEAKS, served.context()) as server:
        assert "certificate verify failed: unable to get local issuer" in status_error(
            make(server.url)
        )


def test_key_is_not_sent_to_whom_is_not_trusted(make: Make, served: Issued) -> None:
    with FaultServer(SPEAKS, served.context()) as server:
        status_error(make(server.url))
        assert server.heads == []


def test_certificate_of_another_host_is_refused(
    make: Make, tmp_path: Path, authority: Issued
) -> None:
    elsewhere = issue(tmp_path, "elsewhere", authority, host="127.0.0.2")
    with FaultServer(SPEAKS, elsewhere.context()) as server:
        message = status_error(make(server.url, ca_file=authority.cert_file))
    assert message.startswith("certificate verify failed: IP address mismatch")


def test_expired_certificate_is_refused(make: Make, tmp_path: Path, authority: Issued) -> None:
    expired = issue(tmp_path, "expired", authority, valid_hours=-1)
    with FaultServer(SPEAKS, expired.context()) as server:
        message = status_error(make(server.url, ca_file=authority.cert_file))
    assert message == "certificate verify failed: certificate has expired"


def test_skipping_the_check_trusts_anyone_without_a_word_on_stderr(
    make: Make, tmp_path: Path, authority: Issued
) -> None:
    anyone = issue(tmp_path, "anyone", authority, host="127.0.0.2", valid_hours=-1)
    with FaultServer(SPEAKS, anyone.context()) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert status(make(server.url, insecure_skip_verify=True)) == 200


def test_authorities_of_the_environment_are_trusted(
    make: Make, authority: Issued, served: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.cert_file))
    with FaultServer(SPEAKS, served.context()) as server:
        assert status(make(server.url)) == 200


@pytest.mark.parametrize("speaks_first", [True, False])
def test_server_without_tls_is_a_tls_failure(make: Make, *, speaks_first: bool) -> None:
    def script(peer: faults.Peer) -> None:
        if not speaks_first:
            peer.sock.recv(1)
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        peer.sock.recv(4096)

    with FaultServer(script) as server:
        message = status_error(make(f"https://127.0.0.1:{server.port}"))
    assert message == "the port does not speak TLS"


def test_server_with_tls_only_is_a_failed_connection_without_it(make: Make, served: Issued) -> None:
    with FaultServer(SPEAKS, served.context()) as server, pytest.raises(ConnectionFailed):
        status(make(f"http://127.0.0.1:{server.port}"))


def test_server_that_ends_the_handshake_is_in_the_tree(make: Make) -> None:
    with FaultServer(faults.closes_at_once) as server, pytest.raises(PortalError):
        status(make(f"https://127.0.0.1:{server.port}"))


# What it shows


def test_client_certificate_is_shown(
    make: Make, authority: Issued, served: Issued, client: Issued
) -> None:
    with FaultServer(SPEAKS, served.context(authority.cert_file)) as server:
        transport = make(
            server.url,
            ca_file=authority.cert_file,
            cert_file=client.cert_file,
            key_file=client.key_file,
        )
        assert status(transport) == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_missing_client_certificate_is_in_the_tree(
    make: Make, authority: Issued, served: Issued, version: ssl.TLSVersion
) -> None:
    """With TLS 1.3 the server refuses only after the handshake, or closes the connection."""
    context = served.context(authority.cert_file)
    context.maximum_version = version
    with FaultServer(SPEAKS, context) as server, pytest.raises((TLSFailed, ConnectionFailed)):
        status(make(server.url, ca_file=authority.cert_file))


# Files


def test_missing_file_is_named(make: Make, tmp_path: Path) -> None:
    message = status_error(make("https://127.0.0.1:1", ca_file=tmp_path / "gone.pem"))
    assert message == f"{tmp_path / 'gone.pem'}: cannot be read: No such file or directory"


@pytest.mark.parametrize("content", ["", "not PEM", "\0\0", "-----BEGIN CERTIFICATE-----\n"])
def test_ca_file_without_certificates_is_named(make: Make, tmp_path: Path, content: str) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(content)
    message = status_error(make("https://127.0.0.1:1", ca_file=file))
    assert message == f"{file}: expected certificates in PEM form"


def test_folder_in_place_of_a_ca_file_is_named(make: Make, tmp_path: Path) -> None:
    assert str(tmp_path) in status_error(make("https://127.0.0.1:1", ca_file=tmp_path))


def test_key_of_another_certificate_is_named(make: Make, client: Issued, served: Issued) -> None:
    transport = make("https://127.0.0.1:1", cert_file=client.cert_file, key_file=served.key_file)
    assert str(client.cert_file) in status_error(transport)


def test_encrypted_key_is_refused_and_asks_nobody(
    make: Make, tmp_path: Path, authority: Issued
) -> None:
    """By default OpenSSL asks for the password on the terminal, and waits."""
    locked = issue(tmp_path, "locked", authority, password=b"secret")
    transport = make("https://127.0.0.1:1", cert_file=locked.cert_file, key_file=locked.key_file)
    assert "not encrypted" in status_error(transport)


def test_ca_file_that_changes_is_used_for_the_next_fetch(
    make: Make, tmp_path: Path, authority: Issued, served: Issued
) -> None:
    file = tmp_path / "trusted.pem"
    file.write_bytes(issue(tmp_path, "other").cert_file.read_bytes())
    with FaultServer(SPEAKS, served.context()) as server:
        transport = make(server.url, ca_file=file)
        status_error(transport)
        file.write_bytes(authority.cert_file.read_bytes())
        assert status(transport) == 200
        file.write_text("gone wrong")
        status_error(transport)
        file.write_bytes(authority.cert_file.read_bytes())
        assert status(transport) == 200


def test_certificates_of_the_system_that_change_need_no_restart(
    make: Make,
    tmp_path: Path,
    authority: Issued,
    served: Issued,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system = tmp_path / "ca.pem"
    system.write_bytes(issue(tmp_path, "other").cert_file.read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(system))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "nothing"))
    with FaultServer(SPEAKS, served.context()) as server:
        transport = make(f"https://127.0.0.1:{server.port}")
        with pytest.raises(TLSFailed):
            status(transport)
        system.write_bytes(authority.cert_file.read_bytes())
        assert status(transport) == 200


def test_client_certificate_that_changes_is_used_for_the_next_fetch(
    make: Make, tmp_path: Path, authority: Issued, served: Issued, client: Issued
) -> None:
    """The connection with the old one is closed."""
    foreign = issue(tmp_path, "foreign", issue(tmp_path, "another-ca"))
    cert_file, key_file = tmp_path / "used.pem", tmp_path / "used.key"

    def use(issued: Issued) -> None:
        cert_file.write_bytes(issued.cert_file.read_bytes())
        key_file.write_bytes(issued.key_file.read_bytes())

    use(client)
    with FaultServer(SPEAKS, served.context(authority.cert_file)) as server:
        transport = make(
            server.url, ca_file=authority.cert_file, cert_file=cert_file, key_file=key_file
        )
        assert status(transport) == 200
        use(foreign)
        with pytest.raises(PortalError):
            status(transport)


def test_portals_with_the_same_settings_share_a_context(authority: Issued) -> None:
    """It has about a hundred trusted certificates, too many for each of a hundred portals."""
    contexts = TLSContexts()
    settings = TLSSettings(ca_file=authority.cert_file)
    same = TLSSettings(ca_file=authority.cert_file)
    assert contexts.get(settings) is contexts.get(same)
    assert contexts.get(settings) is not contexts.get(TLSSettings())


# Proxies


def test_a_file_that_hangs_holds_up_the_portals_with_these_settings_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Issued
) -> None:
    """Such as a CA file on a mount that hangs."""
    hanging, going_on, reached = tmp_path / "ca.pem", threading.Event(), threading.Event()
    ask = Path.stat

    def stat(path: Path, **options: bool) -> os.stat_result:
        if path == hanging:
            reached.set()
            assert going_on.wait(10)
        return ask(path, **options)

    contexts = TLSContexts()
    with monkeypatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(Path, "stat", stat)
        stuck = pool.submit(contexts.get, TLSSettings(ca_file=hanging))
        assert reached.wait(10)
        other = pool.submit(contexts.get, TLSSettings(ca_file=authority.cert_file))
        try:
            assert other.result(5) is contexts.get(TLSSettings(ca_file=authority.cert_file))
        finally:
            going_on.set()
        with pytest.raises(TLSFailed):
            stuck.result(10)


def test_contexts_of_settings_that_a_reload_removed_are_forgotten(authority: Issued) -> None:
    contexts, wanted = TLSContexts(), TLSSettings(ca_file=authority.cert_file)
    kept = contexts.get(wanted)
    gone = weakref.ref(contexts.get(TLSSettings()))
    contexts.keep(frozenset({wanted}))
    gc.collect()
    assert gone() is None
    assert contexts.get(wanted) is kept


def test_portal_is_reached_through_a_tunnel(make: Make, authority: Issued, served: Issued) -> None:
    """The proxy sees neither key nor path, the portal not the proxy's password."""
    with FaultServer(SPEAKS, served.context()) as server, FaultServer(faults.tunnel) as proxy:
        url = proxy.url.replace("//", "//someone:proxysecret@")
        assert status(make(server.url, proxy=url, ca_file=authority.cert_file)) == 200
        (asked,), (got,) = proxy.heads, server.heads
    assert asked.startswith(b"CONNECT 127.0.0.1:")
    assert b"Proxy-Authorization: Basic" in asked
    assert (b"sk-" in asked, b"keys" in asked) == (False, False)
    assert b"Proxy-" not in got


def test_certificate_behind_a_tunnel_is_checked(make: Make, served: Issued) -> None:
    with FaultServer(SPEAKS, served.context()) as server, FaultServer(faults.tunnel) as proxy:
        assert "certificate verify failed" in status_error(make(server.url, proxy=proxy.url))


@pytest.fixture
def proxy_ca(authority: Issued, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine trusts the authority: its certificates verify that of a proxy."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.cert_file))


def test_proxy_may_speak_tls(make: Make, authority: Issued, served: Issued, proxy_ca: None) -> None:
    context = served.context()
    with (
        FaultServer(SPEAKS, served.context()) as server,
        FaultServer(faults.tunnel, context) as proxy,
    ):
        transport = make(server.url, proxy=proxy.url, ca_file=authority.cert_file)
        assert status(transport) == 200


def test_certificate_of_a_proxy_is_checked(make: Make, authority: Issued, served: Issued) -> None:
    with FaultServer(faults.tunnel, served.context()) as proxy:
        portal = make("https://portal.invalid", proxy=proxy.url, ca_file=authority.cert_file)
        status_error(portal)
        assert proxy.heads == []


@pytest.mark.parametrize("inner_tls", [True, False], ids=["body", "handshake"])
def test_deadline_holds_within_tls_within_tls(
    make: Make, authority: Issued, served: Issued, proxy_ca: None, *, inner_tls: bool
) -> None:
    slow = faults.drips(b"HTTP/1.1 200 OK\r\n\r\n") if inner_tls else faults.drips_tls()
    context = served.context() if inner_tls else None
    with (
        FaultServer(slow, context) as server,
        FaultServer(faults.tunnel, served.context()) as proxy,
    ):
        transport = make(
            f"https://127.0.0.1:{server.port}", proxy=proxy.url, ca_file=authority.cert_file
        )
        with pytest.raises(Timeout):
            in_thread(lambda: status(transport, 0.4), "fetch").result(60)
