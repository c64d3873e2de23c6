"""``docspace-exporter demo``: its guide is right, and nothing is left after its end."""

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.process import Process, run

COMMAND = [sys.executable, "-u", "-m", "exporter", "demo"]


def fetch(url: str, headers: Mapping[str, str] | None = None) -> str:
    request = urllib.request.Request(url, headers=dict(headers or {}))
    with urllib.request.urlopen(request, timeout=60) as answer:
        body: bytes = answer.read()
    return body.decode()


class Shown:
    """A running demo and the guide that it printed."""

    def __init__(self, folder: Path, *addresses: str) -> None:
        self.guide_file = folder / "guide"
        flags = [f"--web.listen-address={address}" for address in addresses]
        with self.guide_file.open("wb") as out:
            self.process = subprocess.Popen(
                [*COMMAND, *flags], cwd=folder, stdout=out, stderr=subprocess.PIPE, text=True
            )
        deadline = time.monotonic() + 60
        while "Ctrl-C" not in self.guide and time.monotonic() < deadline:
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.02)

    @property
    def guide(self) -> str:
        """The text that it has printed so far."""
        return self.guide_file.read_text()

    def end(self) -> tuple[int, str]:
        """Ctrl-C; the exit code, and everything that it logged."""
        self.process.send_signal(signal.SIGINT)
        _, logged = self.process.communicate(timeout=60)
        return self.process.returncode, logged

    def kill(self) -> None:
        """End the process, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    shown = Shown(tmp_path_factory.mktemp("demo"), "127.0.0.1:0")
    yield shown
    shown.kill()


def commands(guide: str) -> list[list[str]]:
    return [shlex.split(line) for line in guide.splitlines() if line.startswith("  curl ")]


def test_every_command_of_the_guide_works(shown: Shown) -> None:
    """The metrics, one portal, and the key list of the portal itself."""
    metrics, probe, keys = commands(shown.guide)
    assert metrics[1].startswith("http://127.0.0.1:")
    assert fetch(metrics[1]).count("docspace_up{") == 3
    assert fetch(probe[1]).count("docspace_up{") == 1
    assert keys[1] == "-H"
    name, _, value = keys[2].partition(": ")
    assert len(json.loads(fetch(keys[3], {name: value}))["response"]) > 10


def test_guide_names_every_portal_at_its_address(shown: Shown) -> None:
    portals = re.findall(r"^  (\w+) +(http://127\.0\.0\.1:\d+)$", shown.guide, re.MULTILINE)
    assert [name for name, _ in portals] == ["acme", "globex", "initech"]
    metrics = fetch(commands(shown.guide)[0][1])
    for name, url in portals:
        assert f'docspace_portal_info{{portal="{name}",url="{url}"' in metrics


def test_metrics_have_three_portals_and_keys_in_every_state(shown: Shown) -> None:
    metrics = fetch(commands(shown.guide)[0][1])
    for portal in ("acme", "globex", "initech"):
        assert f'docspace_up{{portal="{portal}"}} 1.0' in metrics
    for kind in ("active", "expired", "disabled", "never_expiring", "orphaned", "never_used"):
        (count,) = re.findall(rf'docspace_api_keys_{kind}{{portal="acme"}} (\S+)', metrics)
        assert float(count) > 0


def test_addresses_of_the_demo_are_this_machines_alone(shown: Shown) -> None:
    urls = re.findall(r"http://([^:/]+):", shown.guide)
    assert set(urls) == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("address", "host"), [("[::1]:0", "[::1]"), (":0", "localhost"), ("0.0.0.0:0", "localhost")]
)
def test_guide_names_an_address_that_can_be_opened(tmp_path: Path, address: str, host: str) -> None:
    shown = Shown(tmp_path, address)
    try:
        url = commands(shown.guide)[0][1]
        assert url.startswith(f"http://{host}:")
        assert not url.startswith(f"http://{host}:0/")
        assert "docspace_exporter_build_info" in fetch(f"{url}?collect[]=exporter")
    finally:
        shown.kill()


def test_ctrl_c_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    shown = Shown(tmp_path, "127.0.0.1:0")
    ports = {urlsplit(url).port for url in re.findall(r"http://[0-9.:]+", shown.guide)}
    code, logged = shown.end()
    assert (code, "Traceback" in logged) == (0, False)
    assert len(ports) == 4
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=60).close()


def test_port_in_use_is_logged_and_no_guide_is_shown(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run("demo", f"--web.listen-address={address}", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert "cannot listen" in line


def test_demo_needs_no_configuration(tmp_path: Path) -> None:
    command = [*COMMAND, "--web.listen-address=127.0.0.1:0"]
    env = {"DOCSPACE_URL": "", "DOCSPACE_API_KEY": ""}
    with Process(command, tmp_path, r"docspace-exporter is ready", env) as demo:
        assert demo.stop(signal.SIGTERM) == 0


def test_the_log_names_the_demo_as_the_source_of_the_configuration(tmp_path: Path) -> None:
    command = [*COMMAND, "--web.listen-address=127.0.0.1:0"]
    with Process(command, tmp_path, r"source=demo portals=3") as demo:
        assert demo.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("output", "problem"), [(">&-", "it is closed"), (">/dev/full", "No space left on device")]
)
def test_output_that_cannot_be_written_ends_it(tmp_path: Path, output: str, problem: str) -> None:
    command = f"{shlex.join(COMMAND)} --log.level=error --web.listen-address=127.0.0.1:0 {output}"
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    message = f"docspace-exporter: cannot write to standard output: {problem}\n"
    assert (done.returncode, done.stderr) == (1, message)


ASKED = """
import sys, time
from exporter.commands import demo
from exporter.demo.model import Portal

asked = []
Portal.count = lambda _, path: asked.append(path)

def refused(_):
    time.sleep(0.5)  # in which a fetch that had begun would arrive
    sys.exit(f"asked {len(asked)}")

demo.emit = refused
from exporter.cli import main
sys.exit(main(["demo", "--web.listen-address=127.0.0.1:0"]))
"""


def test_no_portal_is_asked_before_the_guide_is_written(tmp_path: Path) -> None:
    """Otherwise the portals may end during a fetch, which is then logged as a failure."""
    done = subprocess.run(
        [sys.executable, "-c", ASKED],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr.splitlines()[-1] == "asked 0"
    assert "level=warn" not in done.stderr
