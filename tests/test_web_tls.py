"""HTTPS: which clients are accepted, also after changes of files and mistakes of clients."""

import http.client
import os
import shutil
import socket
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from support.certificates import Issued, issue
from support.standing import Log
from support.web import Web, curl

from exporter.config import ConfigError
from exporter.httpserver import clients
from exporter.httpserver.message import Reply
from exporter.httpserver.webfile import WebConfigFile

PLAIN_GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def client(certificates: Path, authority: Issued) -> Issued:
    return issue(certificates, "client", authority)


@pytest.fixture(scope="module")
def stranger(certificates: Path) -> Issued:
    """A certificate of another issuer."""
    return issue(certificates, "stranger", issue(certificates, "other-ca"))


def tls(served: Issued, *lines: str) -> str:
    pair = [f"cert_file: {served.cert_file}", f"key_file: {served.key_file}"]
    return "tls_server_config:\n" + "".join(f"  {line}\n" for line in (*pair, *lines))


def shows(certificate: Issued) -> list[str | Path]:
    """Curl's options for a client certificate."""
    return ["--cert", certificate.cert_file, "--key", certificate.key_file]


@pytest.fixture
def https(tmp_path: Path, served: Issued) -> Iterator[Web]:
    with Web(tmp_path, tls(served)) as web:
        yield web


def trusting(authority: Issued) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority.cert_file)


def handshake(web: Web, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", web.port), timeout=60)
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def serial(web: Web) -> int:
    """The serial number of the certificate that the server sends now."""
    pem = ssl.get_server_certificate(("127.0.0.1", web.port), timeout=60)
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def test_application_knows_that_it_is_https(https: Web, authority: Issued) -> None:
    answer = https.curl("--cacert", authority.cert_file, path="/metrics")
    assert (answer.status, answer.body) == (200, "https /metrics\n")


def test_http_1_1_is_what_is_negotiated(https: Web, authority: Issued) -> None:
    context = trusting(authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with handshake(https, context) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"


def test_connection_serves_several_requests(https: Web, authority: Issued) -> None:
    connection = http.client.HTTPSConnection(
        "127.0.0.1", https.port, context=trusting(authority), timeout=10
    )
    for path in ("/first", "/second"):
        connection.request("GET", path)
        assert connection.getresponse().read() == f"https {path}\n".encode()
    connection.close()


def test_requests_in_one_record_are_all_answered(https: Web, authority: Issued) -> None:
    """Bytes that OpenSSL has read from the socket already must not be lost."""
    line = b"GET /%d HTTP/1.1\r\nHost: localhost\r\nX-Padding: "
    half = line + b"x" * (8192 - len(line % 0) - 4) + b"\r\n\r\n"
    with handshake(https, trusting(authority)) as connection:
        connection.sendall(half % 0 + half % 1)
        seen = b""
        while b"https /1\n" not in seen:
            more = connection.recv(65536)
            assert more
            seen += more


def test_long_answer_arrives_whole(tmp_path: Path, served: Issued, authority: Issued) -> None:
    body = os.urandom(3_000_000)

    with Web(tmp_path, tls(served), lambda _: Reply(body)) as web:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", web.port, context=trusting(authority), timeout=10
        )
        connection.request("GET", "/")
        assert connection.getresponse().read() == body
        connection.close()


# Client certificates


@pytest.mark.parametrize(
    ("client_auth_type", "statuses"),
    [
        # Of a client with a certificate of the CA, with one of another, with none.
        ("NoClientCert", (200, 200, 200)),
        ("VerifyClientCertIfGiven", (200, 0, 200)),
        ("RequireAndVerifyClientCert", (200, 0, 0)),
    ],
)
def test_client_auth_type_decides_who_comes_in(
    tmp_path: Path,
    served: Issued,
    authority: Issued,
    client: Issued,
    stranger: Issued,
    client_auth_type: str,
    statuses: tuple[int, int, int],
) -> None:
    lines = [f"client_auth_type: {client_auth_type}"]
    if "Verify" in client_auth_type:
        lines.append(f"client_ca_file: {authority.cert_file}")
    with Web(tmp_path, tls(served, *lines)) as web:
        trust = ["--cacert", authority.cert_file]
        options = (shows(client), shows(stranger), [])
        assert tuple(web.curl(*trust, *each).status for each in options) == statuses
    assert web.log.count("level=warn") == web.log.count("level=error") == 0


def test_certificate_in_the_client_ca_counts_without_its_issuer(
    tmp_path: Path, served: Issued, authority: Issued, client: Issued
) -> None:
    """As in Go, every certificate of the file is a root."""
    lines = ("client_auth_type: RequireAndVerifyClientCert", f"client_ca_file: {client.cert_file}")
    with Web(tmp_path, tls(served, *lines)) as web:
        assert web.curl("--cacert", authority.cert_file, *shows(client)).status == 200


def test_expired_client_certificate_is_refused(
    tmp_path: Path, certificates: Path, served: Issued, authority: Issued
) -> None:
    expired = issue(certificates, "expired", authority, valid_hours=-1)
    lines = ("client_auth_type: VerifyClientCertIfGiven", f"client_ca_file: {authority.cert_file}")
    with Web(tmp_path, tls(served, *lines)) as web:
        assert web.curl("--cacert", authority.cert_file, *shows(expired)).status == 0


# Versions


@pytest.mark.parametrize(
    ("line", "offered", "agreed"),
    [
        ("min_version: TLS12", ("TLSv1_2", "TLSv1_3"), "TLSv1.3"),
        ("min_version: TLS12", ("TLSv1_2", "TLSv1_2"), "TLSv1.2"),
        ("min_version: TLS13", ("TLSv1_2", "TLSv1_2"), None),
        ("min_version: TLS12", ("TLSv1_1", "TLSv1_1"), None),
    ],
)
def test_lowest_version_is_that_of_the_file(
    tmp_path: Path,
    served: Issued,
    authority: Issued,
    line: str,
    offered: tuple[str, str],
    agreed: str | None,
) -> None:
    context = trusting(authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = (
            ssl.TLSVersion[version] for version in offered
        )
    with Web(tmp_path, tls(served, line)) as web:
        if agreed is None:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                handshake(web, context)
        else:
            with handshake(web, context) as connection:
                assert connection.version() == agreed


# Where certificates lie


def test_notes_in_a_ca_file_may_be_in_any_language(
    tmp_path: Path, served: Issued, authority: Issued, client: Issued
) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text(f"# Unternehmensschlüssel\n{authority.cert_file.read_text()}", encoding="utf-8")
    lines = ("client_auth_type: RequireAndVerifyClientCert", f"client_ca_file: {ca}")
    with Web(tmp_path, tls(served, *lines)) as web:
        assert web.curl("--cacert", authority.cert_file, *shows(client)).status == 200


def refused_at_the_start(tmp_path: Path, text: str) -> str:
    file = tmp_path / "web.yml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        WebConfigFile(file, Log().log)
    return str(caught.value)


def test_key_of_another_certificate_ends_the_start(
    tmp_path: Path, served: Issued, client: Issued
) -> None:
    text = f"tls_server_config: {{cert_file: {served.cert_file}, key_file: {client.key_file}}}"
    assert refused_at_the_start(tmp_path, text) == (
        f"{served.cert_file}: expected a certificate in PEM form with the key in "
        f"{client.key_file} that belongs to it, not encrypted (KEY_VALUES_MISMATCH)"
    )


def test_encrypted_key_ends_the_start(tmp_path: Path, authority: Issued) -> None:
    """It is an error, and OpenSSL does not ask for a password on the terminal."""
    locked = issue(tmp_path, "locked", authority, password=b"hunter2")
    assert "not encrypted" in refused_at_the_start(tmp_path, tls(locked))


@pytest.mark.parametrize("missing", ["cert_file", "key_file", "client_ca_file"])
def test_missing_file_ends_the_start(tmp_path: Path, served: Issued, missing: str) -> None:
    fields = {
        "cert_file": served.cert_file,
        "key_file": served.key_file,
        "client_auth_type": "VerifyClientCertIfGiven",
        "client_ca_file": served.cert_file,
        missing: "gone.pem",
    }
    text = "tls_server_config:\n" + "".join(f"  {name}: {fields[name]}\n" for name in fields)
    expected = f"{tmp_path}/gone.pem: cannot be read: No such file or directory"
    assert refused_at_the_start(tmp_path, text) == expected


def test_client_ca_without_a_certificate_ends_the_start(tmp_path: Path, served: Issued) -> None:
    lines = ("client_auth_type: VerifyClientCertIfGiven", f"client_ca_file: {served.key_file}")
    expected = f"{served.key_file}: expected certificates in PEM form"
    assert refused_at_the_start(tmp_path, tls(served, *lines)) == expected


# Files that change


@pytest.fixture
def own(tmp_path: Path, certificates: Path, authority: Issued) -> Issued:
    """A certificate that the test may overwrite."""
    return issue(tmp_path, "own", authority)


def renew(own: Issued, by: Issued) -> None:
    shutil.copy(by.cert_file, own.cert_file)
    shutil.copy(by.key_file, own.key_file)


def test_renewed_certificate_is_shown_from_the_next_handshake_on(
    tmp_path: Path, own: Issued, served: Issued
) -> None:
    with Web(tmp_path, tls(own)) as web:
        assert serial(web) == own.certificate.serial_number
        renew(own, served)
        assert serial(web) == served.certificate.serial_number


def test_half_written_renewal_leaves_the_old_certificate_and_is_logged_once(
    tmp_path: Path, own: Issued, served: Issued
) -> None:
    with Web(tmp_path, tls(own)) as web:
        shutil.copy(served.cert_file, own.cert_file)
        assert [serial(web) for _ in range(3)] == [own.certificate.serial_number] * 3
        assert web.log.count("new certificate cannot be used, the old one stays") == 1
        shutil.copy(served.key_file, own.key_file)
        assert serial(web) == served.certificate.serial_number
        assert web.log.count("web configuration read again") == 1


def test_users_change_while_a_renewal_is_half_written(
    tmp_path: Path, own: Issued, served: Issued, authority: Issued
) -> None:
    with Web(tmp_path, tls(own)) as web:
        shutil.copy(served.cert_file, own.cert_file)
        assert web.curl("--cacert", authority.cert_file).status == 200
        web.config.write_text(f"{tls(own)}basic_auth_users: {{a: $2b$04${'.' * 53}}}\n")
        assert web.curl("--cacert", authority.cert_file).status == 401
        assert serial(web) == own.certificate.serial_number


def test_half_written_renewal_with_another_client_ca_lets_nobody_in(
    tmp_path: Path, own: Issued, served: Issued, authority: Issued, client: Issued
) -> None:
    """Otherwise the old CA would stay in force with the old certificate."""
    ca = tmp_path / "clients.pem"
    shutil.copy(authority.cert_file, ca)
    lines = ("client_auth_type: RequireAndVerifyClientCert", f"client_ca_file: {ca}")
    with Web(tmp_path, tls(own, *lines)) as web:
        shutil.copy(served.cert_file, own.cert_file)
        assert web.curl("--cacert", authority.cert_file, *shows(client)).status == 200
        shutil.copy(issue(tmp_path, "new-ca").cert_file, ca)
        assert web.curl("--cacert", authority.cert_file, *shows(client)).status == 0


def test_other_client_ca_counts_from_the_next_handshake_on(
    tmp_path: Path, served: Issued, authority: Issued, client: Issued, certificates: Path
) -> None:
    ca = tmp_path / "clients.pem"
    shutil.copy(authority.cert_file, ca)
    lines = ("client_auth_type: RequireAndVerifyClientCert", f"client_ca_file: {ca}")
    with Web(tmp_path, tls(served, *lines)) as web:
        assert web.curl("--cacert", authority.cert_file, *shows(client)).status == 200
        shutil.copy(issue(tmp_path, "new-ca").cert_file, ca)
        assert web.curl("--cacert", authority.cert_file, *shows(client)).status == 0


def test_broken_client_ca_lets_nobody_in(
    tmp_path: Path, served: Issued, authority: Issued, client: Issued
) -> None:
    ca = tmp_path / "clients.pem"
    shutil.copy(authority.cert_file, ca)
    lines = ("client_auth_type: VerifyClientCertIfGiven", f"client_ca_file: {ca}")
    with Web(tmp_path, tls(served, *lines)) as web:
        ca.write_text("")
        assert web.curl("--cacert", authority.cert_file, *shows(client)).status == 0
        assert web.curl("--cacert", authority.cert_file).status == 0
        assert web.log.count("web configuration cannot be used") == 1


def test_broken_web_configuration_lets_nobody_in_until_it_is_right(
    tmp_path: Path, served: Issued, authority: Issued
) -> None:
    with Web(tmp_path, tls(served)) as web:
        web.config.write_text(tls(served, "client_auth_typ: RequireAndVerifyClientCert"))
        assert web.curl("--cacert", authority.cert_file).status == 0
        web.config.write_text(tls(served))
        assert web.curl("--cacert", authority.cert_file).status == 200


def test_tls_cannot_be_switched_off_without_a_restart(
    tmp_path: Path, served: Issued, authority: Issued
) -> None:
    with Web(tmp_path, tls(served)) as web:
        web.config.write_text("")
        assert web.curl("--cacert", authority.cert_file).status == 0
        assert curl(web.url.replace("https", "http")).status == 400


# Clients that err


def test_clients_that_say_nothing_do_not_delay_a_scrape(
    https: Web, authority: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients have an hour here, and curl does not wait so long."""
    monkeypatch.setattr(clients, "CLIENT_SECONDS", 3600.0)
    silent = [socket.create_connection(("127.0.0.1", https.port)) for _ in range(3)]
    for each in silent[1:]:
        each.sendall(b"\x16\x03\x01")  # the start of a handshake
    assert https.curl("--cacert", authority.cert_file).status == 200
    for each in silent:
        each.close()


def test_plain_http_is_answered_with_400(https: Web) -> None:
    answer = curl(https.url.replace("https", "http"))
    assert (answer.status, answer.body) == (
        400,
        "plain HTTP was sent to a port that speaks HTTPS\n",
    )


@pytest.mark.parametrize("said", [b"", b"\0", PLAIN_GET, b"\x16", b"\x16\x03\x01\x00\x05hello"])
def test_client_that_goes_away_is_no_news(https: Web, authority: Issued, said: bytes) -> None:
    for _ in range(10):  # more than there are threads
        with socket.create_connection(("127.0.0.1", https.port)) as client:
            client.sendall(said)
    assert https.curl("--cacert", authority.cert_file).status == 200
    assert https.log.count("level=warn") == https.log.count("level=error") == 0


def test_client_that_does_not_trust_the_certificate_is_no_news(https: Web) -> None:
    assert "certificate" in https.curl().error
    assert https.log.count("level=warn") == https.log.count("level=error") == 0


def test_client_that_breaks_tls_in_the_middle_is_no_news(https: Web, authority: Issued) -> None:
    with handshake(https, trusting(authority)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        socket.socket.sendall(connection, b"\x17\x03\x03\x00\x20" + b"x" * 32)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connection.recv(100)
    assert https.curl("--cacert", authority.cert_file).status == 200
    assert https.log.count("level=warn") == https.log.count("level=error") == 0
