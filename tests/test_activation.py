"""`--web.systemd-socket`: the exporter on sockets that somebody else opened, as systemd does."""

import socket
import sys
import urllib.request
from pathlib import Path

from support.process import Process, run

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


def _launched(folder: Path, sockets: list[socket.socket], *flags: str) -> Process:
    (folder / "config.yaml").write_text(CONFIG)
    numbers = [each.fileno() for each in sockets]
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


def test_a_socket_that_does_not_listen_is_an_error(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.set_inheritable(True)
        process = _launched(tmp_path, [sock], "--web.systemd-socket")
        assert process.wait() == 2
        assert "expected a TCP socket that listens" in process.stderr


def test_a_descriptor_that_is_no_socket_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    command = LAUNCH.replace("sys.argv[2:2 + count]", "[os.open(os.devnull, os.O_RDONLY)]")
    flag = "--web.systemd-socket"
    process = Process([sys.executable, "-c", command, "1", "0", flag], tmp_path, "")
    assert process.wait() == 2
    assert process.stderr == (
        "docspace-exporter serve: --web.systemd-socket: descriptor 3: expected a socket: "
        "Socket operation on non-socket"
    )


def test_a_descriptor_that_is_not_open_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    command = LAUNCH.replace("LISTEN_FDS=str(count)", 'LISTEN_FDS="900"')
    with _listening() as sock:
        arguments = ["1", str(sock.fileno()), "--web.systemd-socket"]
        process = Process(
            [sys.executable, "-c", command, *arguments], tmp_path, "", pass_fds=[sock.fileno()]
        )
        assert process.wait() == 2
    assert "expected a socket: " in process.stderr
    assert "Traceback" not in process.stderr
