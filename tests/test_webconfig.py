"""The web configuration file gives frozen settings, or a line for each problem."""

import dataclasses
import ssl
from pathlib import Path

import pytest
from support.standing import Log

from exporter.config import ConfigError, Secret
from exporter.httpserver.webconfig import TLSServerSettings, WebConfig, load
from exporter.httpserver.webfile import WebConfigFile

FIXTURES = Path(__file__).parent / "fixtures" / "webconfig"
ALICE = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
USERS = f"basic_auth_users:\n  alice: {ALICE}\n"


def valid(name: str) -> WebConfig:
    return load(FIXTURES / "valid" / f"{name}.yml")


def test_every_field_is_read() -> None:
    folder = FIXTURES / "valid"
    tls = TLSServerSettings(
        cert=folder / "server.pem",
        key=Path("/etc/ssl/private/server.key"),
        client_ca=folder / "ca.pem",
        verify=ssl.CERT_REQUIRED,
        min_version=ssl.TLSVersion.TLSv1_3,
    )
    users = {"alice": Secret(ALICE), "prom-eu.1": Secret("$2b$12$" + "." * 53)}
    assert valid("complete") == WebConfig(tls, users)


@pytest.mark.parametrize("name", ["empty", "comments-only", "empty-sections", "http2-off"])
def test_file_that_asks_for_nothing_is_the_default(name: str) -> None:
    assert valid(name) == WebConfig()


@pytest.mark.parametrize(
    "file", sorted((FIXTURES / "invalid").glob("*.yml")), ids=lambda file: file.stem
)
def test_problem_is_named_with_its_place(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(file)
    problems = str(caught.value).replace(f"{file.parent}/", "")
    assert problems == file.with_suffix(".txt").read_text().rstrip("\n")


@pytest.mark.parametrize("file", sorted(FIXTURES.glob("invalid/*.txt")), ids=lambda file: file.stem)
def test_no_problem_repeats_a_password_or_a_hash(file: Path) -> None:
    problems = file.read_text()
    assert "hunter" not in problems
    assert "$2" not in problems


def test_no_secret_is_in_a_repr_or_an_error(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    file.write_text(USERS)
    assert ALICE[8:] not in repr(load(file))
    file.write_text("tls_server_config: {cert_file: a, key: '-----BEGIN PRIVATE KEY----- hunter2'}")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert "hunter2" not in str(caught.value)


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(WebConfig(), "users", {})  # noqa: B010, the type checker knows better


# The file as it is now


def test_without_a_file_the_default_counts() -> None:
    assert WebConfigFile(None, Log().log).current().config == WebConfig()


def test_file_that_cannot_be_used_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"web\.yml: cannot be read"):
        WebConfigFile(tmp_path / "web.yml", Log().log)


def test_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text(USERS)
    file = WebConfigFile(path, Log().log)
    assert file.current() is file.current()


def test_changed_file_counts_at_once(tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text(USERS)
    file = WebConfigFile(path, Log().log)
    path.write_text(USERS.replace("alice", "bob"))
    assert list(file.current().config.users) == ["bob"]


def test_broken_file_is_refused_until_it_is_right_and_logged_once(tmp_path: Path) -> None:
    path, log = tmp_path / "web.yml", Log()
    path.write_text(USERS)
    file = WebConfigFile(path, log.log)
    path.write_text("basic_auth_users: {alice: hunter2}")
    for _ in range(3):
        with pytest.raises(ConfigError):
            file.current()
    assert log.count("web configuration cannot be used") == 1
    path.write_text(USERS)
    assert list(file.current().config.users) == ["alice"]
    assert log.count("web configuration read again") == 1


def test_file_that_went_away_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text(USERS)
    file = WebConfigFile(path, Log().log)
    path.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        file.current()


def test_tls_cannot_be_switched_on_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text(USERS)
    file = WebConfigFile(path, Log().log)
    path.write_text("tls_server_config: {cert_file: a, key_file: b}")
    with pytest.raises(ConfigError, match="restart"):
        file.current()
