"""Users of the web configuration."""

import base64
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bcrypt
import pytest
from support.prometheus import eventually
from support.web import Web

from exporter.config import Secret
from exporter.httpserver.auth import BasicAuth, TooManyChecks

PASSWORD = "correct horse battery staple"
#: Of PASSWORD, as htpasswd writes it, at the lowest cost.
HASH = bcrypt.hashpw(PASSWORD.encode(), b"$2b$04$" + b"." * 22).decode().replace("$2b$", "$2y$")
USERS = f"basic_auth_users:\n  alice: {HASH}\n"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def auth(**users: str) -> BasicAuth:
    return BasicAuth({name: Secret(hashed) for name, hashed in (users or {"alice": HASH}).items()})


class Counted:
    """Counts calls of bcrypt. ``most`` of them ran at the same time; each waits for ``gate``."""

    def __init__(self) -> None:
        self.count = self.most = self._running = 0
        self.hashes: list[bytes] = []
        self.gate = threading.Event()
        self.gate.set()
        self._lock = threading.Lock()
        self._real = bcrypt.checkpw

    def __call__(self, password: bytes, hashed: bytes) -> bool:
        """What bcrypt.checkpw says."""
        with self._lock:
            self.count += 1
            self._running += 1
            self.most = max(self.most, self._running)
            self.hashes.append(hashed)
        self.gate.wait(60)
        right = self._real(password, hashed)
        with self._lock:
            self._running -= 1
        return right


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted()
    monkeypatch.setattr(bcrypt, "checkpw", counted)
    return counted


# Who comes in


@pytest.mark.parametrize(
    ("header", "right"),
    [
        (basic("alice", PASSWORD), True),
        (basic("alice", PASSWORD).replace("Basic", "basic"), True),
        (basic("alice", "wrong"), False),
        (basic("alice", ""), False),
        (basic("Alice", PASSWORD), False),
        (basic("bob", PASSWORD), False),
        (basic("", ""), False),
        (basic("alice", HASH), False),
        (basic("alice", f"{PASSWORD}\0"), False),
        ("", False),
        ("Basic", False),
        ("Basic !!!", False),
        ("Basic \xfc", False),
        ("Basic " + base64.b64encode(b"no colon").decode(), False),
        (f"Bearer {PASSWORD}", False),
    ],
)
def test_only_a_user_with_the_password_comes_in(header: str, *, right: bool) -> None:
    assert auth().accepts(header, "192.0.2.1") is right


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
def test_every_prefix_of_bcrypt_is_taken(prefix: str) -> None:
    assert auth(alice=prefix + HASH[4:]).accepts(basic("alice", PASSWORD), "192.0.2.1")


def test_user_and_password_may_be_in_any_language() -> None:
    hashed = bcrypt.hashpw("пароль:ü".encode(), bcrypt.gensalt(4)).decode()
    assert auth(алиса=hashed).accepts(basic("алиса", "пароль:ü"), "192.0.2.1")


def test_password_beyond_what_bcrypt_reads_is_wrong() -> None:
    """Its first 72 bytes alone would match."""
    longest = "x" * 72
    hashed = bcrypt.hashpw(longest.encode(), bcrypt.gensalt(4)).decode()
    guard = auth(alice=hashed)
    assert guard.accepts(basic("alice", longest), "192.0.2.1")
    assert not guard.accepts(basic("alice", longest + "y"), "192.0.2.1")


# What it costs


def test_right_password_is_hashed_once(counted: Counted) -> None:
    guard = auth()
    assert all(guard.accepts(basic("alice", PASSWORD), "192.0.2.1") for _ in range(5))
    assert counted.count == 1


def test_wrong_password_is_hashed_each_time(counted: Counted) -> None:
    guard = auth()
    for _ in range(3):
        guard.accepts(basic("alice", "wrong"), "192.0.2.1")
        guard.accepts(basic("alice", PASSWORD), "192.0.2.1")
    assert counted.count == 4


@pytest.mark.parametrize("user", ["alice", "bob", "nobody"])
@pytest.mark.parametrize("password", ["wrong", "x" * 100])
def test_every_wrong_password_costs_one_hash(counted: Counted, user: str, password: str) -> None:
    """The check of an unknown user takes as long as the longest: time does not tell who exists."""
    hashes = {"alice": HASH, "bob": "$2b$06$" + "." * 53}
    auth(**hashes).accepts(basic(user, password), "192.0.2.1")
    (hashed,) = counted.hashes
    assert hashed[4:6].decode() == hashes.get(user, hashes["bob"])[4:6]


def test_clients_that_come_at_once_with_the_right_password_cost_one_hash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = Counted()
    monkeypatch.setattr(bcrypt, "checkpw", counted)
    counted.gate.clear()
    guard = auth()
    with ThreadPoolExecutor(40) as clients:
        given = basic("alice", PASSWORD)
        accepted = [clients.submit(guard.accepts, given, "192.0.2.1") for _ in range(40)]
        counted.gate.set()
        assert all(each.result() for each in accepted)
    assert counted.count == 1


ATTACKER, NEWCOMER = "192.0.2.1", "192.0.2.2"
Flooded = tuple[BasicAuth, Counted, ThreadPoolExecutor]


@pytest.fixture
def flooded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Flooded]:
    """One address has its maximum of wrong passwords in progress; alice has logged in before."""
    counted = Counted()
    monkeypatch.setattr(bcrypt, "checkpw", counted)
    guard = auth()
    guard.accepts(basic("alice", PASSWORD), ATTACKER)
    counted.gate.clear()
    with ThreadPoolExecutor(8) as clients:
        try:
            for number in range(2):
                clients.submit(guard.accepts, basic("alice", f"wrong {number}"), ATTACKER)
            eventually(lambda: len(guard._checking), lambda waiting: waiting == 2, 60)
            yield guard, counted, clients
        finally:
            counted.gate.set()


def test_flood_of_wrong_passwords_does_not_delay_who_is_known(flooded: Flooded) -> None:
    """No hash is computed here until the test ends."""
    assert flooded[0].accepts(basic("alice", PASSWORD), NEWCOMER)


def test_flood_of_wrong_passwords_takes_no_more_places(flooded: Flooded) -> None:
    with pytest.raises(TooManyChecks):
        flooded[0].accepts(basic("alice", "one more"), ATTACKER)


def test_newcomer_from_another_address_is_next_after_a_flood(
    flooded: Flooded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client with many requests holds two places, and checks run one after the other."""
    guard, counted, clients = flooded
    monkeypatch.setattr(guard, "_proven", {})
    mine = clients.submit(guard.accepts, basic("alice", PASSWORD), NEWCOMER)
    eventually(lambda: len(guard._checking), lambda waiting: waiting == 3, 60)
    counted.gate.set()
    assert mine.result(30)


def test_flood_from_many_addresses_leaves_a_place_for_one_more(flooded: Flooded) -> None:
    guard, counted, clients = flooded
    for number in range(6):
        clients.submit(guard.accepts, basic("alice", f"more {number}"), f"192.0.2.{9 + number}")
    eventually(lambda: len(guard._checking), lambda waiting: waiting == 8, 60)
    mine = threading.Thread(target=guard.accepts, args=(basic("bob", ""), NEWCOMER))
    mine.start()
    eventually(lambda: len(guard._checking), lambda waiting: waiting == 9, 60)
    counted.gate.set()
    mine.join(60)


def test_flood_of_wrong_passwords_takes_one_core(flooded: Flooded) -> None:
    guard, counted, _ = flooded
    counted.gate.set()
    eventually(lambda: len(guard._checking), lambda waiting: not waiting, 60)
    assert counted.most == 1


def test_bcrypt_is_loaded_for_users_only() -> None:
    script = (
        "import sys, exporter.commands.serve, exporter.httpserver.auth\n"
        "assert 'bcrypt' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_no_hash_is_in_a_repr() -> None:
    assert HASH[8:] not in repr(auth())


# Over HTTP


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/unknown"])
def test_every_path_asks_for_a_password(tmp_path: Path, path: str) -> None:
    """As in the exporter-toolkit, which makes no exception for health checks."""
    with Web(tmp_path, USERS) as web:
        answer = web.curl(path=path)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, ["Basic"])
        assert web.curl("--user", f"alice:{PASSWORD}", path=path).status == 200


@pytest.mark.parametrize("method", [["--head"], ["--request", "POST", "--data", "x" * 5000]])
def test_every_method_asks_for_a_password(tmp_path: Path, method: list[str]) -> None:
    with Web(tmp_path, USERS) as web:
        assert web.curl(*method).status == 401


def test_users_change_without_a_restart(tmp_path: Path) -> None:
    with Web(tmp_path, USERS) as web:
        user = ["--user", f"alice:{PASSWORD}"]
        assert web.curl(*user).status == 200
        web.config.write_text(USERS.replace("alice", "bob"))
        assert web.curl(*user).status == 401
        assert web.curl("--user", f"bob:{PASSWORD}").status == 200


def test_changed_hash_makes_the_known_password_wrong(tmp_path: Path) -> None:
    with Web(tmp_path, USERS) as web:
        user = ["--user", f"alice:{PASSWORD}"]
        assert web.curl(*user).status == 200
        other = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()
        web.config.write_text(f"basic_auth_users: {{alice: {other}}}")
        assert web.curl(*user).status == 401


@pytest.mark.parametrize(
    "broken", ["basic_auth_users: {alice: hunter2}", "basic_auth_users: {", None]
)
def test_broken_file_lets_nobody_in(tmp_path: Path, broken: str | None) -> None:
    """Neither the users of before are accepted, nor requests without a user."""
    with Web(tmp_path, USERS) as web:
        if broken is None:
            web.config.unlink()
        else:
            web.config.write_text(broken)
        answer = web.curl("--user", f"alice:{PASSWORD}")
        assert answer.status == web.curl().status == 500
        assert answer.body == "the web configuration cannot be used, see the log\n"
        web.config.write_text(USERS)
        assert web.curl("--user", f"alice:{PASSWORD}").status == 200
        assert "hunter2" not in "".join(web.log.lines)
