"""The Alertmanager example is valid and routes each alert to its receiver."""

import http.server
import json
import re
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import tools
from support.process import Process
from support.prometheus import eventually

EXAMPLE = Path(__file__).resolve().parents[1] / "prometheus" / "alertmanager.yml"


@pytest.fixture(scope="module")
def amtool() -> Path:
    """The path of the program amtool."""
    return tools.find("amtool", "prometheus-alertmanager")


@pytest.fixture(scope="module")
def alertmanager() -> list[str | Path]:
    """The command that runs Alertmanager, which Debian calls prometheus-alertmanager.

    Debian's program reads its templates from /usr/share. If the package is only unpacked, a mount
    namespace puts them there.
    """
    program = tools.find("prometheus-alertmanager", "prometheus-alertmanager")
    share = program.parents[1] / "share"
    if not program.is_relative_to(tools.TOOLS):
        return [program]
    mounted: list[str | Path] = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mounted += ['mount --bind "$0" /usr/share && exec "$@"', share]
    if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode:
        tools.missing("prometheus-alertmanager, installed or in a mount namespace,")
    return [*mounted, program]


class Receivers:
    """A server in place of all receivers, with the alerts that each path received."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str, str]] = []
        received = self.received

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for alert in message["alerts"]:
                    labels = alert["labels"]
                    received.append((self.path, labels["alertname"], labels.get("portal", "-")))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    """Receivers on loopback."""
    receivers = Receivers()
    yield receivers
    receivers.close()


def test_the_example_is_valid(amtool: Path) -> None:
    done = subprocess.run(
        [amtool, "check-config", EXAMPLE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (
            "alertname=DocSpaceKeyRefused severity=critical portal=acme team=payments",
            "payments-page",
        ),
        ("alertname=DocSpaceKeyExpiring severity=warning team=payments", "payments-tickets"),
        ("alertname=DocSpaceKeysVanished severity=warning team=payments", "payments-tickets"),
        ("alertname=DocSpaceKeyExpired severity=critical team=sales", "platform-page"),
        ("alertname=DocSpaceKeyExpiring severity=warning", "platform-tickets"),
        ("alertname=DocSpacePortalDown severity=critical team=payments", "platform-page"),
        ("alertname=DocSpaceExporterDown severity=critical", "platform-page"),
        ("alertname=DocSpaceClockSkew severity=warning", "platform-tickets"),
        ("alertname=DocSpaceKeysStale severity=info team=payments", "payments-digest"),
        ("alertname=DocSpaceKeysStale severity=info", "platform-digest"),
        ("alertname=DocSpaceKeysCreated severity=info team=payments", "security"),
    ],
)
def test_severity_and_team_decide_the_receiver(amtool: Path, labels: str, receiver: str) -> None:
    command = [amtool, "config", "routes", "test", f"--config.file={EXAMPLE}", *labels.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == receiver


def test_hygiene_is_sent_once_a_week(amtool: Path) -> None:
    command = [amtool, "config", "routes", "show", f"--config.file={EXAMPLE}"]
    assert "platform-digest" in subprocess.run(command, capture_output=True, text=True).stdout
    text = EXAMPLE.read_text(encoding="utf-8")
    digest = text[text.index("platform-digest") :].split("\n\n")[0]
    assert "group_interval: 1w" in digest
    assert "repeat_interval: 1w" in digest


def _post(url: str, alerts: list[dict[str, str]]) -> None:
    body = json.dumps([{"labels": labels} for labels in alerts]).encode()
    request = urllib.request.Request(
        f"{url}/api/v2/alerts", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def _states(url: str) -> dict[tuple[str, str], str]:
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=30) as answer:
        alerts: list[dict[str, Any]] = json.load(answer)
    return {
        (alert["labels"]["alertname"], alert["labels"].get("portal", "-")): alert["status"]["state"]
        for alert in alerts
    }


def test_a_portal_that_is_down_silences_the_alerts_that_follow_from_it(
    alertmanager: list[str | Path], receivers: Receivers, tmp_path: Path
) -> None:
    """In a real Alertmanager, with one portal down and one up."""
    text = EXAMPLE.read_text(encoding="utf-8")
    text = re.sub(r"http://\w+\.example\.com", receivers.address, text)
    text = re.sub(r"group_wait: \w+", "group_wait: 1s", text)
    (tmp_path / "alertmanager.yml").write_text(text, encoding="utf-8")
    command = [
        *alertmanager, f"--config.file={tmp_path / 'alertmanager.yml'}",
        f"--storage.path={tmp_path / 'data'}", "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
    ]  # fmt: skip
    down = {"alertname": "DocSpacePortalDown", "severity": "critical", "portal": "acme"}
    keys = [
        {"alertname": name, "severity": severity, "portal": portal, "key_id": "k1"}
        for portal in ("acme", "globex")
        for name, severity in (
            ("DocSpaceKeyExpiring", "warning"),
            ("DocSpaceKeyRefused", "critical"),
        )
    ]
    with Process(command, tmp_path, r"Listening on.*address=127") as server:
        url = f"http://{server.wait_for(r'Listening on[^=]*address=(127[0-9.:]+)')[1]}"
        _post(url, [down])
        eventually(lambda: _states(url), lambda seen: ("DocSpacePortalDown", "acme") in seen)
        _post(url, keys)
        wanted = {
            ("DocSpacePortalDown", "acme"): "active",
            ("DocSpaceKeyExpiring", "acme"): "suppressed",
            ("DocSpaceKeyRefused", "acme"): "active",
            ("DocSpaceKeyExpiring", "globex"): "active",
            ("DocSpaceKeyRefused", "globex"): "active",
        }
        eventually(lambda: _states(url), lambda seen: seen == wanted)
        heard = {
            ("/platform", "DocSpacePortalDown", "acme"),
            ("/platform", "DocSpaceKeyRefused", "acme"),
            ("/platform", "DocSpaceKeyRefused", "globex"),
            ("/platform", "DocSpaceKeyExpiring", "globex"),
        }
        eventually(lambda: set(receivers.received), lambda received: received == heard)
