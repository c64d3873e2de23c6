"""The rules in a real Prometheus on the demo: the alerts that its keys deserve, no others."""

import re
from pathlib import Path

from support.demo import Demo
from support.process import ExporterProcess
from support.prometheus import Prometheus, eventually, scrape_config

RULES = Path(__file__).resolve().parents[1] / "prometheus" / "rules"

#: Alert, then portal and key, as the demo stands in its first 30 seconds; `-` for a portal's own.
DESERVED = {
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
    """Every alert that is pending or firing, but hygiene."""
    seen: dict[str, set[tuple[str, str]]] = {}
    for alert in server.api("alerts")["alerts"]:
        labels = alert["labels"]
        if labels["severity"] == "info":
            continue
        whose = labels.get("portal", "-"), labels.get("key_name", "-")
        seen.setdefault(labels["alertname"], set()).add(whose)
    return seen


#: How many keys of each portal are untidy, by kind.
UNTIDY = {
    "DocSpaceKeysCreated": {"acme": 1},
    "DocSpaceKeysNeverExpiring": {"acme": 6, "globex": 2, "initech": 2},
    "DocSpaceKeysNeverUsed": {"acme": 3, "globex": 1, "initech": 1},
    "DocSpaceKeysOrphaned": {"globex": 1},
    "DocSpaceKeysStale": {"acme": 1, "globex": 1},
    "DocSpaceKeysSuperseded": {"acme": 1},
    "DocSpaceKeysUnrestricted": {"acme": 4, "globex": 2, "initech": 1},
}


def _counts(server: Prometheus) -> dict[str, dict[str, float]]:
    """The value of every alert of hygiene, by portal; that on a new key counts none."""
    seen: dict[str, dict[str, float]] = {}
    for alert in server.api("alerts")["alerts"]:
        labels = alert["labels"]
        if labels["severity"] == "info":
            seen.setdefault(labels["alertname"], {})[labels["portal"]] = float(alert["value"])
    new = seen.pop("DocSpaceKeysCreated", {})
    assert all(0 <= age < 3 * 3600 for age in new.values())
    return seen | {"DocSpaceKeysCreated": dict.fromkeys(new, 1)} if new else seen


def test_the_demo_raises_what_its_keys_deserve(
    prometheus: Path, demo: Demo, tmp_path: Path
) -> None:
    """The shipped rules, only evaluated each second."""
    for path in RULES.glob("*.yml"):
        text = re.sub("interval: [13]m", "interval: 1s", path.read_text(encoding="utf-8"))
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    with ExporterProcess(tmp_path, demo.config()) as exporter:
        config = scrape_config([exporter.url.removeprefix("http://")])
        with Prometheus(prometheus, tmp_path, f"rule_files: [docspace*.yml]\n{config}") as server:
            eventually(lambda: _alerts(server), lambda seen: seen == DESERVED, 25.0)
            eventually(lambda: _counts(server), lambda seen: seen == UNTIDY, 10.0)
            health = {
                rule["health"] for group in server.api("rules")["groups"] for rule in group["rules"]
            }
            assert health == {"ok"}
