"""A real exporter under attack from 127.0.0.2, in short; `make attack` takes longer over it."""

import http.client
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import bcrypt
import pytest
from support.attackers import ATTACKS, Attack, Attackers, Dripping, Target, careless
from support.certificates import Issued
from support.demo import Demo
from support.process import ExporterProcess, Process
from support.prometheus import eventually

PASSWORD = "correct horse"
DEADLINE = 10


def scrape(port: int, *, tls: bool = False, path: str = "/metrics") -> int:
    """The status of a scrape as Prometheus makes it; 0 where there is no answer in time."""
    connection: http.client.HTTPConnection
    if tls:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=DEADLINE, context=careless()
        )
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    credentials = b64encode(f"alice:{PASSWORD}".encode()).decode()
    try:
        headers = {"Authorization": f"Basic {credentials}", "Accept-Encoding": "gzip"}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
    except OSError:
        return 0
    finally:
        connection.close()
    return answer.status


def short(attack: Attack) -> Attack:
    """With fewer connections, and drops that come more often."""
    if isinstance(attack, Dripping):
        return replace(attack, count=min(attack.count, 300), pause=min(attack.pause, 1.0))
    return replace(attack, count=min(attack.count, 20))


@pytest.fixture
def portal() -> Iterator[Demo]:
    with Demo() as demo:
        yield demo


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("name", ATTACKS)
def test_scrapes_go_on_under(
    tmp_path: Path, portal: Demo, served: Issued, name: str, *, tls: bool
) -> None:
    """With few lines in the log, and an end within two seconds at the end of it."""
    web = tmp_path / "web.yml"
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(8)).decode()
    web.write_text(f"basic_auth_users: {{alice: {hashed}}}\n" if "password" in name else "")
    if tls:
        with web.open("a") as file:
            pair = f"cert_file: {served.cert_file}, key_file: {served.key_file}"
            file.write(f"tls_server_config: {{{pair}}}\n")
    flag = f"--web.config.file={web}"
    with ExporterProcess(tmp_path, portal.config("acme"), flag) as exporter:
        port = int(exporter.url.rpartition(":")[2])
        with Attackers(short(ATTACKS[name]), Target(port, tls)):
            time.sleep(1)
            assert [scrape(port, tls=tls) for _ in range(3)] == [200] * 3
            assert exporter.stop() == 0
    assert len(exporter.lines) <= 6, exporter.stderr
    assert "Traceback" not in exporter.stderr


def limited(descriptors: int, tmp_path: Path, config: str) -> Process:
    """An exporter that may have so many descriptors only."""
    (tmp_path / "config.yaml").write_text(config)
    script = f'ulimit -n {descriptors}; exec "$0" -m exporter --web.listen-address=127.0.0.1:0'
    return Process(["sh", "-c", script, sys.executable], tmp_path, "docspace-exporter is ready")


def test_too_few_descriptors_for_the_portals_are_said_at_the_start(
    tmp_path: Path, portal: Demo
) -> None:
    """And the exporter lives on with those it has, every page of it, without a flood of lines."""
    key = portal.portals["acme"].exporter_key
    url = portal.servers["acme"].url
    lines = [f"  - {{name: p{n}, url: '{url}', api_key: {key}}}\n" for n in range(40)]
    with limited(32, tmp_path, "portals:\n" + "".join(lines)) as exporter:
        exporter.wait_for("level=warn msg=.too few descriptors.* limit=32 expected=168")
        port = int(exporter.wait_for(r"address=127\.0\.0\.1:(\d+)")[1])
        eventually(lambda: scrape(port, tls=False), lambda status: status == 200, 30.0)
        # Each portal's connection is kept as long as there are descriptors: now there is none left.
        assert [scrape(port, path=path) for path in ("/", "/sd", "/metrics")] == [200] * 3
        with Attackers(Dripping(60, b"", pause=0.5), Target(port)):
            time.sleep(1)
            eventually(lambda: scrape(port, tls=False), lambda status: status == 200, 30.0)
        assert exporter.stop() == 0
    assert sum("descriptor" in line for line in exporter.lines) <= 3
    assert "Traceback" not in exporter.stderr


def test_descriptors_that_run_out_cost_the_oldest_connections(tmp_path: Path, portal: Demo) -> None:
    """More silent connections than the process may have descriptors."""
    with limited(64, tmp_path, portal.config("acme")) as exporter:
        port = int(exporter.wait_for(r"address=127\.0\.0\.1:(\d+)")[1])
        with Attackers(Dripping(200, b"", pause=0.5), Target(port)):
            time.sleep(1)
            assert [scrape(port, tls=False) for _ in range(3)] == [200] * 3
        assert exporter.stop() == 0
    assert len(exporter.lines) <= 8, exporter.stderr


def test_a_scrape_goes_on_while_nobody_reads_the_log(tmp_path: Path, portal: Demo) -> None:
    """What cannot be written is left out."""
    (tmp_path / "config.yaml").write_text(portal.config("acme"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-m", "exporter", f"--web.listen-address=127.0.0.1:{port}",
         "--log.level=debug"],
        cwd=tmp_path, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            eventually(lambda: scrape(port, tls=False), lambda status: status == 200, 30.0)
            portal.portals["acme"].portal.condition = "broken"
            for number in range(150):
                portal.portals["acme"].portal.condition = ("broken", "ok")[number % 2]
                assert scrape(port, tls=False) == 200
            process.terminate()
            assert process.wait(10) == 0
        finally:
            process.kill()
