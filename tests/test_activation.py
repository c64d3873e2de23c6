"""`--web.systemd-socket`: the exporter on sockets that another process opened, as systemd does."""

import contextlib
import os
import socket
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pytest
from support.process import Process, run

from exporter.httpserver import activation

CONFIG = "portals: [{name: a, url: 'http://127.0.0.1:1', api_key: sk-x}]\n"

#: Moves the sockets to where systemd puts them, then becomes the exporter under the same number.
LAUNCH = """
import os, sys
count = int(sys.argv[1])
for index, passed in enumerate(sys.argv[2:2 + count]):
    os.dup2(int(passed), 100 + index)
for index in range(count):
    os.dup2(100 + index, 3 + index)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(count))
os.execv(sys.executable, [sys.executable, "-m", "exporter", *sys.argv[2 + count:]])
"""


def _launched(folder: Path, files: Sequence[socket.socket | IO[Any]], *flags: str) -> Process:
    (folder / "config.yaml").write_text(CONFIG)
    numbers = [each.fileno() for each in files]
    return Process(
        [sys.executable, "-c", LAUNCH, str(len(numbers)), *map(str, numbers), *flags],
        folder,
        "docspace-exporter is ready",
        pass_fds=numbers,
    )


def _listening() -> socket.socket:
    sock = socket.create_server(("127.0.0.1", 0))
    sock.set_inheritable(True)
    return sock


def test_it_serves_on_every_socket_passed(tmp_path: Path) -> None:
    with (
        _listening() as one,
        _listening() as two,
        _launched(tmp_path, [one, two], "--web.systemd-socket"),
    ):
        for sock in (one, two):
            port = sock.getsockname()[1]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/healthy") as answer:
                assert answer.status == 200


def test_without_the_flag_the_sockets_are_left_alone(tmp_path: Path) -> None:
    flag = "--web.listen-address=127.0.0.1:0"
    with _listening() as sock, _launched(tmp_path, [sock], flag) as exporter:
        address = exporter.wait_for(r"msg=listening address=(\S+)")[1]
        assert address != f"127.0.0.1:{sock.getsockname()[1]}"


def test_the_flag_without_a_socket_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    ended = run("--web.systemd-socket", cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr == (
        "docspace-exporter serve: --web.systemd-socket: expected a socket from systemd, got none\n"
    )


def test_a_descriptor_that_is_no_socket_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    with Path(os.devnull).open() as file:
        os.set_inheritable(file.fileno(), True)  # noqa: FBT003, its only parameter
        process = _launched(tmp_path, [file], "--web.systemd-socket")
        assert process.wait() == 2
    assert process.stderr == (
        "docspace-exporter serve: --web.systemd-socket: descriptor 3: expected a socket: "
        "Socket operation on non-socket"
    )


# What is passed, without an exporter around it


@pytest.fixture
def free() -> Iterator[int]:
    """A descriptor that the test may open; it is closed, and so are all after it."""
    with socket.socket() as sock:
        number = sock.fileno() + 1000
    yield number
    with contextlib.suppress(OSError):
        os.close(number)


def passed(monkeypatch: pytest.MonkeyPatch, first: int, **environ: str) -> list[socket.socket]:
    """The sockets from ``descriptor`` on, with systemd's variables for this process."""
    monkeypatch.setattr(activation, "_FIRST_DESCRIPTOR", first)
    variables = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x"}
    variables |= environ
    try:
        return activation.inherited_sockets(variables)
    finally:
        assert not variables


def test_a_socket_that_does_not_listen_is_an_error(
    monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as sock:
            os.dup2(sock.fileno(), free)  # closed with the error
        with pytest.raises(ValueError, match="expected a TCP socket that listens"):
            passed(monkeypatch, free)


def test_a_descriptor_that_is_not_open_is_an_error(
    monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    with pytest.raises(ValueError, match="expected a socket: Bad file descriptor"):
        passed(monkeypatch, free, LISTEN_FDS="900")


@pytest.mark.parametrize(
    "environ",
    [{"LISTEN_PID": "1"}, {"LISTEN_FDS": "0"}, {"LISTEN_FDS": "x"}, {"LISTEN_FDS": "-1"}],
    ids=str,
)
def test_variables_of_another_process_or_without_a_number_pass_none(
    monkeypatch: pytest.MonkeyPatch, free: int, environ: dict[str, str]
) -> None:
    assert passed(monkeypatch, free, **environ) == []
