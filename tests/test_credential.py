"""The credential of a portal: where it is read from, and its form in the header."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import PortalSettings, Secret
from exporter.docspace import credential
from exporter.docspace.credential import Credential
from exporter.docspace.errors import CredentialUnusable

KEY = "sk-" + "0123456789abcdef" * 4
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln-_"


def read_file(folder: Path, content: bytes) -> Credential:
    file = folder / "acme.key"
    file.write_bytes(content)
    return credential.read(PortalSettings("acme", "https://acme.example", api_key_file=file))


@pytest.mark.parametrize(
    ("token", "header", "postfix"),
    [
        (KEY, f"Bearer {KEY}", "cdef"),
        (f"Bearer {KEY}", f"Bearer {KEY}", "cdef"),
        (JWT, f"Bearer {JWT}", None),
        (f"bearer  {KEY}", f"Bearer {KEY}", "cdef"),
        (f"BEARER {KEY}", f"Bearer {KEY}", "cdef"),
        (f"Bearer {JWT}", f"Bearer {JWT}", None),
        (f"bearer {JWT}", f"Bearer {JWT}", None),
        ("Basic dXNlcjpwYXNz", "Basic dXNlcjpwYXNz", None),
        ("0a1b2c3d4e5f", "0a1b2c3d4e5f", None),
        ("Abc/De+f==", "Abc/De+f==", None),
        ("not.a.jwt.really", "not.a.jwt.really", None),
    ],
)
def test_header_is_spelled_as_the_server_wants_it(
    token: str, header: str, postfix: str | None
) -> None:
    """``Bearer `` in exactly this spelling; all other values are session tokens to the server."""
    assert Credential.of(token) == Credential(Secret(header), postfix)


def test_key_of_the_configuration() -> None:
    portal = PortalSettings("acme", "https://acme.example", api_key=Secret(f" {KEY}\n"))
    assert credential.read(portal) == Credential.of(KEY)


@pytest.mark.parametrize(
    "content", [KEY, f"{KEY}\n", f"\r\n {KEY} \r\n", f"\ufeff{KEY}\n", f"Bearer {KEY}\n"]
)
def test_key_of_a_file(tmp_path: Path, content: str) -> None:
    found = read_file(tmp_path, content.encode())
    assert found.header.reveal() == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("fifo", "expected a regular file"),
        ("/dev/zero", "expected a regular file"),
        ("", "cannot be read: Is a directory"),
    ],
)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, name: str, problem: str) -> None:
    """Reading a FIFO would wait for a writer."""
    os.mkfifo(tmp_path / "fifo")
    path = tmp_path / name
    with pytest.raises(CredentialUnusable) as caught:
        credential.read(PortalSettings("acme", "https://acme.example", api_key_file=path))
    assert str(caught.value) == f"{path}: {problem}"


def test_link_to_a_file_is_a_file(tmp_path: Path) -> None:
    """Kubernetes mounts each secret as a link to a link."""
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "link").symlink_to(tmp_path / "key")
    portal = PortalSettings("acme", "https://acme.example", api_key_file=tmp_path / "link")
    assert credential.read(portal) == Credential.of(KEY)


def test_file_is_read_again_each_time(tmp_path: Path) -> None:
    read_file(tmp_path, b"sk-old1")
    assert read_file(tmp_path, b"sk-new2").key_postfix == "new2"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an API key, found nothing"),
        (b" \n", "expected an API key, found nothing"),
        (b"\xef\xbb\xbf", "expected an API key, found nothing"),
        (b"sk-one\nsk-two", "expected an API key of plain letters on one line"),
        (b"sk-\x00", "expected an API key of plain letters on one line"),
        ("sk-schlüssel".encode(), "expected an API key of plain letters on one line"),
        (b"\xff\xfes\x00k\x00", "expected an API key of plain letters on one line"),
        (b"x" * 70_000, "expected an API key, found a large file"),
    ],
    ids=range(8),
)
def test_unfit_file_is_named_and_not_shown(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(CredentialUnusable) as caught:
        read_file(tmp_path, content)
    assert str(caught.value) == f"{tmp_path / 'acme.key'}: {message}"


def test_missing_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "none"
    with pytest.raises(CredentialUnusable, match=r"/none: cannot be read: No such file"):
        credential.read(PortalSettings("acme", "https://acme.example", api_key_file=file))


def test_unfit_key_of_the_configuration_is_named_and_not_shown() -> None:
    portal = PortalSettings("acme", "https://acme.example", api_key=Secret("sk-schlüssel"))
    with pytest.raises(CredentialUnusable) as caught:
        credential.read(portal)
    assert str(caught.value) == "`api_key`: expected an API key of plain letters on one line"


# What the portal would write into its own log


MISPLACED = {
    "behind Basic": f"Basic {KEY}",
    "behind a scheme of another product": f"ApiKey {KEY}",
    "behind a field name": f"api_key={KEY}",
    "behind the name of the header": f"Authorization: Bearer {KEY}",
    "in quotes": f'"{KEY}"',
    "glued to its scheme": f"Bearer{KEY}",
    "twice": f"{KEY} {KEY}",
    "twice behind Bearer": f"Bearer {KEY} {KEY}",
    "with a comment": f"{KEY} # read only",
    "in upper case": KEY.upper(),
    "less its beginning": KEY[3:],
    "short": "Token sk-x",
}


@pytest.mark.parametrize("content", MISPLACED.values(), ids=list(MISPLACED))
def test_api_key_that_the_portal_would_log_is_not_sent(content: str) -> None:
    """The portal refuses it as a session token and writes it in full into its log."""
    portal = PortalSettings("acme", "https://acme.example", api_key=Secret(content))
    with pytest.raises(CredentialUnusable) as caught:
        credential.read(portal)
    assert str(caught.value) == "`api_key`: expected an API key alone, as DocSpace showed it"
    assert "in full into its own log" in caught.value.hint


@pytest.mark.parametrize(
    "content",
    [
        "Basic dXNlcjpwYXNz",
        JWT,
        f"Bearer {JWT}",
        "Abc/De+f==",
        "0a1b2c3d4e5f",
        "x.risk-0a.y",
        "disk-1",
    ],
)
def test_header_of_another_kind_is_sent_as_it_is(content: str) -> None:
    portal = PortalSettings("acme", "https://acme.example", api_key=Secret(content))
    assert credential.read(portal).header.reveal().removeprefix("Bearer ") in content


@given(content=st.binary())
def test_any_file_is_a_header_value_or_unusable(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        found = read_file(tmp_path_factory.getbasetemp(), content)
    except CredentialUnusable:
        return
    header = found.header.reveal()
    assert header == header.strip()
    assert header.isascii()
    assert header.isprintable()
    assert header


def test_credential_is_masked_with_and_without_its_scheme() -> None:
    masked = Credential.of(KEY).redact(f"got 'Bearer {KEY}', that is {KEY}")
    assert masked == "got 'Bearer ***', that is ***"


def test_each_value_of_a_header_is_masked() -> None:
    credential = Credential.of("Digest username=reader, response=0a1b2c3d")
    assert credential.redact("no such user: username=reader") == "no such user: ***"


def test_repr_does_not_show_it() -> None:
    assert KEY not in repr(Credential.of(KEY))
