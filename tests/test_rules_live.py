"""The rules in a real Prometheus on the demo: the alerts that its keys deserve, no others."""

from pathlib import Path

from support.demo import Demo
from support.process import ExporterProcess
from support.prometheus import Prometheus, eventually, scrape_config

RULES = Path(__file__).resolve().parents[1] / "prometheus" / "rules" / "docspace.yml"

#: Alert, then portal and key, as the demo stands in its first 30 seconds; `-` for a portal's own.
DESERVED = {
    "DocSpaceClockSkew": {("globex", "-")},
    "DocSpaceVisibilityOwn": {("initech", "-")},
    "DocSpaceExporterKeyExpiring": {("globex", "grafana-alerts")},
    "DocSpaceKeyCreated": {("acme", "trial")},
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
    "DocSpaceKeyNeverExpires": {
        ("acme", "backup-nightly"),
        ("acme", "chat-bridge"),
        ("acme", "sync"),
        ("acme", "備份服務"),
        ("acme", "★ launch $1 ✓"),
        ("globex", "erp-bridge"),
        ("initech", "my-metrics"),
        ("initech", "spare"),
    },
    "DocSpaceKeyNeverUsed": {
        ("acme", "migrated"),
        ("acme", "★ launch $1 ✓"),
        ("initech", "spare"),
    },
    "DocSpaceKeyOrphaned": {("globex", "warehouse")},
    "DocSpaceKeyRefused": {("acme", "zapier"), ("acme", "badge-printer")},
    "DocSpaceKeyStale": {("acme", "備份服務")},
    "DocSpaceKeyUnrestricted": {
        ("acme", "backup-nightly"),
        ("acme", "crm-sync"),
        ("acme", "legacy-import"),
        ("globex", "erp-bridge"),
        ("globex", "sandbox"),
        ("initech", "weekly-reports"),
    },
}


def _alerts(server: Prometheus) -> dict[str, set[tuple[str, str]]]:
    """Every alert that is pending or firing."""
    seen: dict[str, set[tuple[str, str]]] = {}
    for alert in server.api("alerts")["alerts"]:
        labels = alert["labels"]
        whose = labels.get("portal", "-"), labels.get("key_name", "-")
        seen.setdefault(labels["alertname"], set()).add(whose)
    return seen


def test_the_demo_raises_what_its_keys_deserve(
    prometheus: Path, demo: Demo, tmp_path: Path
) -> None:
    """The shipped rules, only evaluated each second."""
    rules = RULES.read_text(encoding="utf-8").replace("interval: 1m", "interval: 1s")
    (tmp_path / "rules.yml").write_text(rules, encoding="utf-8")
    with ExporterProcess(tmp_path, demo.config()) as exporter:
        config = scrape_config([exporter.url.removeprefix("http://")])
        with Prometheus(prometheus, tmp_path, f"rule_files: [rules.yml]\n{config}") as server:
            eventually(lambda: _alerts(server), lambda seen: seen == DESERVED, 25.0)
            health = {
                rule["health"] for group in server.api("rules")["groups"] for rule in group["rules"]
            }
            assert health == {"ok"}
