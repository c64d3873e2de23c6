"""A real exporter under short attacks from 127.0.0.2; those of `make attack` are longer."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import bcrypt
import pytest
from support.attackers import ATTACKS, PASSWORD, Attack, Attackers, Dripping, Target
from support.certificates import Issued
from support.demo import Demo
from support.process import Process
from support.prometheus import eventually

#: Seconds after which a scrape is given up. Far more than it takes: the machine may be busy.
PATIENCE = 60.0
#: The exporter, but that it gives its clients an hour for everything. Whatever keeps a scrape
#: waiting here does not end, so one that is answered did not wait.
PATIENT = """
import sys
from exporter.httpserver import clients
clients.CLIENT_SECONDS = 3600.0
from exporter.cli import main
sys.exit(main())
"""

#: An exporter by HTTPS or not, and with a user or not.
Start = Callable[..., tuple[Process, Target]]


def short(attack: Attack) -> Attack:
    """The attack with fewer connections, and bytes that come more often."""
    if isinstance(attack, Dripping):
        return replace(attack, count=min(attack.count, 300), pause=min(attack.pause, 1.0))
    return replace(attack, count=min(attack.count, 20))


@pytest.fixture(scope="module")
def portal() -> Iterator[Demo]:
    with Demo() as demo:
        yield demo


@pytest.fixture(scope="module")
def start(
    tmp_path_factory: pytest.TempPathFactory, portal: Demo, served: Issued
) -> Iterator[Start]:
    """Start an exporter, or return the one that another test started."""
    started: dict[tuple[bool, bool], tuple[Process, Target]] = {}

    def take(*, tls: bool, users: bool) -> tuple[Process, Target]:
        if (tls, users) in started:
            return started[tls, users]
        folder = tmp_path_factory.mktemp("exporter")
        web = ""
        if users:
            hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(8)).decode()
            web += f"basic_auth_users: {{alice: {hashed}}}\n"
        if tls:
            pair = f"cert_file: {served.cert_file}, key_file: {served.key_file}"
            web += f"tls_server_config: {{{pair}}}\n"
        (folder / "web.yml").write_text(web)
        (folder / "config.yaml").write_text(portal.config("acme"))
        flags = ["--web.listen-address=127.0.0.1:0", "--web.config.file=web.yml"]
        exporter = running.enter_context(
            Process([sys.executable, "-c", PATIENT, *flags], folder, "docspace-exporter is ready")
        )
        started[tls, users] = exporter, Target(port_of(exporter), tls)
        return started[tls, users]

    with ExitStack() as running:
        yield take


def port_of(exporter: Process) -> int:
    return int(exporter.wait_for(r"address=127\.0\.0\.1:(\d+)")[1])


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("name", ATTACKS)
def test_scrapes_go_on_under(start: Start, name: str, *, tls: bool) -> None:
    """With a line or two in the log."""
    exporter, target = start(tls=tls, users="password" in name)
    before = len(exporter.lines)
    with Attackers(short(ATTACKS[name]), target):
        assert [target.scrape(PATIENCE) for _ in range(3)] == [200] * 3
    lines = [line for line in exporter.lines[before:] if 'msg="portal ' not in line]
    assert len(lines) <= 2, lines


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_signal_ends_it_under_all_attacks_at_once(start: Start, *, tls: bool) -> None:
    """The last test, because it ends the exporters of the tests above."""
    exporter, target = start(tls=tls, users=False)
    with ExitStack() as attackers:
        for attack in ATTACKS.values():
            attackers.enter_context(Attackers(short(attack), target))
        assert exporter.stop(seconds=PATIENCE) == 0
    assert "Traceback" not in exporter.stderr


def limited(descriptors: int, tmp_path: Path, config: str) -> Process:
    """An exporter that may have ``descriptors`` descriptors only."""
    (tmp_path / "config.yaml").write_text(config)
    script = f'ulimit -n {descriptors}; exec "$0" -m exporter --web.listen-address=127.0.0.1:0'
    return Process(["sh", "-c", script, sys.executable], tmp_path, "docspace-exporter is ready")


def test_too_few_descriptors_for_the_portals_are_said_at_the_start(
    tmp_path: Path, portal: Demo
) -> None:
    """The exporter works with the descriptors that it has, on all pages, and logs few lines."""
    key = portal.portals["acme"].exporter_key
    url = portal.servers["acme"].url
    lines = [f"  - {{name: p{n}, url: '{url}', api_key: {key}}}\n" for n in range(40)]
    with limited(32, tmp_path, "portals:\n" + "".join(lines)) as exporter:
        exporter.wait_for("level=warn msg=.too few descriptors.* limit=32 expected=168")
        target = Target(port_of(exporter))
        assert target.scrape(PATIENCE) == 200
        # Each portal's connection is kept as long as there are descriptors: now there is none left.
        assert [target.scrape(PATIENCE, path) for path in ("/", "/sd", "/metrics")] == [200] * 3
        with Attackers(Dripping(60, b"", pause=0.5), target):
            eventually(lambda: target.scrape(PATIENCE), lambda status: status == 200, PATIENCE)
        assert exporter.stop(seconds=PATIENCE) == 0
    assert sum("descriptor" in line for line in exporter.lines) <= 3
    assert "Traceback" not in exporter.stderr
    assert "level=error" not in exporter.stderr


def test_descriptors_that_run_out_cost_the_oldest_connections(tmp_path: Path, portal: Demo) -> None:
    """There are more silent connections than the process may have descriptors."""
    with limited(64, tmp_path, portal.config("acme")) as exporter:
        target = Target(port_of(exporter))
        with Attackers(Dripping(200, b"", pause=0.5), target):
            assert [target.scrape(PATIENCE) for _ in range(3)] == [200] * 3
        assert exporter.stop(seconds=PATIENCE) == 0
    assert len(exporter.lines) <= 8, exporter.stderr
