"""The rules in a real Prometheus on the demo: exactly the alerts for its keys."""

import re
from pathlib import Path

from support.demo import Demo
from support.process import ExporterProcess
from support.prometheus import Prometheus, eventually, scrape_config

RULES = Path(__file__).resolve().parents[1] / "prometheus" / "rules"

#: Portal and key by alert, in the first 30 seconds of the demo; `-` if the alert is not on a key.
EXPECTED = {
    "DocSpaceClockSkew": {("globex", "-")},
    "DocSpaceVisibilityOwn": {("initech", "-")},
    "DocSpaceExporterKeyExpiring": {("globex", "grafana-alerts")},
    "DocSpaceKeyExpired": {
        ("acme", "summer\ncampaign"),
        ("acme", "stale-dashboards"),
        ("initech", "old-laptop"),
    },
    "DocSpaceKeyExpiring": {("globex", "partner-portal"), ("initech", "scanner")},
    "DocSpaceKeyExpiringCritical": {
        ("acme", "billing-export"),
        ("acme", "ci-artifacts"),
        ("acme", "legacy-import"),
        ("acme", "report-mailer"),
        ("acme", "webhook-relay"),
    },
    "DocSpaceKeyRefused": {("acme", "zapier"), ("acme", "badge-printer")},
}


def _alerts(server: Prometheus) -> dict[str, set[tuple[str, str]]]:
    """All pending and firing alerts except hygiene."""
    seen: dict[str, set[tuple[str, str]]] = {}
    for alert in server.api("alerts")["alerts"]:
        labels = alert["labels"]
        if labels["severity"] == "info":
            continue
        key = labels.get("portal", "-"), labels.get("key_name", "-")
        seen.setdefault(labels["alertname"], set()).add(key)
    return seen


#: Values of the hygiene alerts by portal.
HYGIENE = {
    "DocSpaceKeysCreated": {"acme": 1},
    "DocSpaceKeysNeverExpiring": {"acme": 6, "globex": 2, "initech": 2},
    "DocSpaceKeysNeverUsed": {"acme": 3, "globex": 1, "initech": 1},
    "DocSpaceKeysOrphaned": {"globex": 1},
    "DocSpaceKeysStale": {"acme": 1, "globex": 1},
    "DocSpaceKeysSuperseded": {"acme": 1},
    "DocSpaceKeysUnrestricted": {"acme": 4, "globex": 2, "initech": 1},
}


def _counts(server: Prometheus) -> dict[str, dict[str, float]]:
    """The values of the hygiene alerts by portal; 1 for the alert on new keys."""
    seen: dict[str, dict[str, float]] = {}
    for alert in server.api("alerts")["alerts"]:
        labels = alert["labels"]
        if labels["severity"] == "info":
            seen.setdefault(labels["alertname"], {})[labels["portal"]] = float(alert["value"])
    new = seen.pop("DocSpaceKeysCreated", {})
    assert all(0 <= age < 3 * 3600 for age in new.values())
    return seen | {"DocSpaceKeysCreated": dict.fromkeys(new, 1)} if new else seen


def test_the_demo_raises_the_alerts_of_its_keys(
    prometheus: Path, demo: Demo, tmp_path: Path
) -> None:
    """The shipped rules, evaluated every second."""
    for path in RULES.glob("*.yml"):
        text = re.sub("interval: [13]m", "interval: 1s", path.read_text(encoding="utf-8"))
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    with ExporterProcess(tmp_path, demo.config()) as exporter:
        config = scrape_config([exporter.url.removeprefix("http://")])
        with Prometheus(prometheus, tmp_path, f"rule_files: [docspace*.yml]\n{config}") as server:
            eventually(lambda: _alerts(server), lambda seen: seen == EXPECTED, 25.0)
            eventually(lambda: _counts(server), lambda seen: seen == HYGIENE, 10.0)
            health = {
                rule["health"] for group in server.api("rules")["groups"] for rule in group["rules"]
            }
            assert health == {"ok"}
