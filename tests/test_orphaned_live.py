"""Keys whose creators are disabled or removed, from the portal to all outputs.

A portal with a disabled, a removed and an active creator; the exporter, a real Prometheus with the
shipped rules, the status page and the commands see it.
"""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.process import ExporterProcess, call
from support.prometheus import Prometheus, eventually, scrape_config

from exporter.demo.model import Portal
from exporter.demo.person import Person
from exporter.demo.server import DemoServer

RULES = Path(__file__).resolve().parents[1] / "prometheus" / "rules"
DAY = 86400.0

ADMIN = Person("aaaaaaaa-0000-4000-8000-000000000001", "Ada Admin", is_admin=True, is_owner=True)
BRUNO = Person("aaaaaaaa-0000-4000-8000-000000000002", "Bruno", is_disabled=True)
CARLA = Person("aaaaaaaa-0000-4000-8000-000000000003", "Carla")
DORA = Person("aaaaaaaa-0000-4000-8000-000000000004", "Dora")

#: The status of the creator by key.
STATUS = {"payroll": "disabled", "zapier": "removed", "old": "removed", "backup": "active"}


class Scene(NamedTuple):
    """A portal and its configuration."""

    server: DemoServer
    config: str


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    now = time.time()
    portal = Portal(clock=time.time, people=(ADMIN, BRUNO, CARLA, DORA))
    soon = now + 3 * DAY
    key = portal.add_key("prometheus", permissions=["*:read"], expires_at=now + 300 * DAY)
    portal.add_key("payroll", creator=BRUNO, last_used=now - 180, expires_at=soon)
    portal.add_key("zapier", creator=CARLA, last_used=now - 60)
    portal.add_key("old", creator=CARLA, last_used=now - 40 * DAY)
    portal.add_key("backup", creator=DORA, last_used=now - 60, expires_at=now + 300 * DAY)
    portal.remove_person(CARLA.id)
    with DemoServer(portal) as server:
        yield Scene(
            server, f"portals: [{{name: acme, url: '{server.url}', api_key: {key.secret}}}]\n"
        )


def listed(folder: Path, config: str, *flags: str) -> dict[str, dict[str, Any]]:
    """The keys that `keys` lists, by name."""
    file = folder / "config.yaml"
    file.write_text(config, encoding="utf-8")
    result = call("keys", f"--config.file={file}", "--format=json", *flags, cwd=folder)
    return {key["name"]: key for key in json.loads(result.stdout)["keys"]}


def test_a_real_prometheus_has_the_series_and_the_alerts(
    prometheus: Path, scene: Scene, tmp_path: Path
) -> None:
    for file in RULES.glob("*.yml"):
        rules = re.sub(r"interval: \dm", "interval: 1s", file.read_text(encoding="utf-8"))
        (tmp_path / file.name).write_text(rules, encoding="utf-8")
    with ExporterProcess(tmp_path, scene.config) as exporter:
        config = scrape_config([exporter.url.removeprefix("http://")])
        with Prometheus(prometheus, tmp_path, f"rule_files: [docspace*.yml]\n{config}") as server:
            eventually(
                lambda: server.values("docspace_api_key_orphaned", "key_name"),
                lambda found: (
                    found
                    == {
                        ("prometheus",): 0,
                        ("payroll",): 1,
                        ("zapier",): 1,
                        ("old",): 1,
                        ("backup",): 0,
                    }
                ),
            )
            assert server.values("docspace_api_keys_orphaned", "portal") == {("acme",): 3}
            info = server.query('docspace_api_key_info{key_name!="prometheus"}')
            assert {of["key_name"]: of["creator_status"] for of, _ in info} == STATUS
            eventually(
                lambda: alerts(server),
                lambda found: (
                    found["DocSpaceKeyRefused"] == {"payroll", "zapier"}
                    and bool(found["DocSpaceKeysOrphaned"])
                ),
            )
            # Refused already: its expiry in three days needs no alert.
            assert alerts(server)["DocSpaceKeyExpiringCritical"] == set()


def alerts(server: Prometheus) -> dict[str, set[str]]:
    """Names of the keys for which an alert is pending or fires, by alert."""
    found: dict[str, set[str]] = {
        name: set()
        for name in ("DocSpaceKeyRefused", "DocSpaceKeysOrphaned", "DocSpaceKeyExpiringCritical")
    }
    for alert in server.api("alerts")["alerts"]:
        labels = alert["labels"]
        found.setdefault(labels["alertname"], set()).add(labels.get("key_name", ""))
    return found


def test_the_status_page_says_why_the_keys_are_dead(scene: Scene, tmp_path: Path) -> None:
    with ExporterProcess(tmp_path, scene.config) as exporter:
        exporter.get()
        page = exporter.get("/")
    assert "3 keys are refused: their creators are gone." in page
    assert page.count("<strong>creator removed</strong>") == 2
    assert "<strong>creator disabled</strong>: <bdi>Bruno</bdi>" in page
    assert "last tried " in page


def test_the_keys_command_lists_them_by_state(scene: Scene, tmp_path: Path) -> None:
    found = listed(tmp_path, scene.config, "--state=orphaned")
    assert {name: key["creator_status"] for name, key in found.items()} == {
        name: status for name, status in STATUS.items() if status != "active"
    }
    assert {key["orphaned"] for key in found.values()} == {True}
    assert "backup" in listed(tmp_path, scene.config, "--state=active")


def test_the_table_says_why_the_keys_are_dead(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(scene.config, encoding="utf-8")
    table = call("keys", f"--config.file={tmp_path / 'config.yaml'}", cwd=tmp_path).stdout
    (payroll,) = (line for line in table.splitlines() if line.startswith("payroll"))
    (zapier,) = (line for line in table.splitlines() if line.startswith("zapier"))
    assert "refused: creator disabled" in payroll
    assert re.search(r"tried (now|\d+ \w+ ago)", payroll)
    assert "refused: creator removed" in zapier


def test_withheld_values_are_nowhere(scene: Scene, tmp_path: Path) -> None:
    """In no series, page or log line."""
    withhold = "withhold: [creator, key_name, permissions]\n"
    with ExporterProcess(tmp_path, withhold + scene.config, "--log.level=debug") as exporter:
        seen = [exporter.get(), exporter.get("/"), exporter.stderr]
    for text in seen:
        for hidden in ("Bruno", "Dora", "payroll", "zapier", "*:read"):
            assert hidden not in text
    assert "creator disabled" in seen[1]
