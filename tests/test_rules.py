"""The alerts are valid, tested, worded and told of: rules, unit tests, runbooks and docs agree."""

import re
import subprocess
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.metrics.catalogue import EXPORTER_ROWS, KEY_ROWS, PORTAL_ROWS, Row

ROOT = Path(__file__).resolve().parent.parent
PROMETHEUS = ROOT / "prometheus"
RULES = PROMETHEUS / "rules" / "docspace.yml"
UNIT_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
CONFIGS = sorted(PROMETHEUS.glob("*.yml"))
RUNBOOKS = ROOT / "docs" / "runbooks"
RUNBOOK_URL = "https://github.com/docspace-exporter/docspace-exporter/blob/main/docs/runbooks/"

Rule = dict[str, Any]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules() -> list[Rule]:
    return [rule for group in load(RULES)["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}


def expectations() -> Iterator[dict[str, Any]]:
    """What the unit tests expect of an alert at a moment."""
    for path in UNIT_TESTS:
        for test in load(path)["tests"]:
            yield from test.get("alert_rule_test", [])


def texts(rule: Rule) -> str:
    """A rule's expression and templates."""
    return "\n".join([rule["expr"], *rule.get("annotations", {}).values()])


def names(text: str) -> set[str]:
    """Names of metrics and of recorded series."""
    return set(re.findall(r"(?<![\w:])(?:docspace_\w+|\w+:\w+:\w+)", text))


def run(promtool: Path, *arguments: str | Path) -> None:
    done = subprocess.run(
        [promtool, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


# promtool


def test_the_rules_are_valid(promtool: Path) -> None:
    run(promtool, "check", "rules", RULES)


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_the_rules_pass_their_unit_tests(promtool: Path, path: Path) -> None:
    run(promtool, "test", "rules", path)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configurations_are_valid(promtool: Path, path: Path) -> None:
    run(promtool, "check", "config", path)


# Each alert


@pytest.fixture(params=sorted(ALERTS))
def alert(request: pytest.FixtureRequest) -> str:
    """The name of each alert in turn."""
    name: str = request.param
    return name


def test_an_alert_has_a_severity_and_texts(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}


@pytest.mark.parametrize("name", [name for name in ALERTS if "portal_key:" in ALERTS[name]["expr"]])
def test_an_alert_on_a_key_names_portal_key_postfix_and_creator(name: str) -> None:
    annotations = ALERTS[name]["annotations"]
    told = re.findall(r"\$labels\.(\w+)", annotations["summary"] + annotations["description"])
    assert {"portal", "key_name", "key_postfix", "creator"} <= set(told)


def test_a_line_break_in_the_name_of_a_key_splits_no_text(alert: str) -> None:
    annotations = "\n".join(ALERTS[alert]["annotations"].values())
    assert "key_name" not in re.sub(r'reReplaceAll "\\\\s\+" " " \S+', "", annotations)


def test_an_alert_has_its_page(alert: str) -> None:
    assert ALERTS[alert]["annotations"]["runbook_url"] == f"{RUNBOOK_URL}{alert}.md"
    page = (RUNBOOKS / f"{alert}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", page, flags=re.MULTILINE)
    assert headings == [alert, "What it means", "How to check", "How to fix"]
    assert f"\nSeverity: {ALERTS[alert]['labels']['severity']}\n" in page


def test_an_alert_is_in_the_table_with_its_severity(alert: str) -> None:
    table = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    assert f"| [{alert}](runbooks/{alert}.md) | {ALERTS[alert]['labels']['severity']} |" in table


def test_an_alert_is_tested_firing_and_silent(alert: str) -> None:
    outcomes = {bool(each["exp_alerts"]) for each in expectations() if each["alertname"] == alert}
    assert outcomes == {True, False}


# All of them together


def test_every_page_belongs_to_an_alert() -> None:
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == set(ALERTS)


def test_links_between_pages_lead_somewhere() -> None:
    for page in RUNBOOKS.glob("*.md"):
        for link in re.findall(r"\]\((.+?)\)", page.read_text(encoding="utf-8")):
            assert (RUNBOOKS / link).is_file(), f"{page.name}: {link}"


def test_rendered_texts_have_no_negative_duration_and_no_raw_timestamp() -> None:
    fired = chain.from_iterable(each["exp_alerts"] for each in expectations())
    for annotations in (alert["exp_annotations"] for alert in fired):
        told = annotations["summary"] + " " + annotations["description"]
        assert not re.search(r"-\d|\d{6}|\d\.\d|e\+\d|NaN|Inf|<no value>|  ", told), told


def test_no_rule_selects_by_the_name_of_a_person() -> None:
    """A portal may show any name for somebody who was removed, and a person may have any name."""
    assert not [rule["expr"] for rule in rules() if re.search(r"\bcreator\s*[=!]", rule["expr"])]


def test_every_metric_in_the_rules_is_one_of_the_exporter() -> None:
    tables: tuple[tuple[Row[Any], ...], ...] = (PORTAL_ROWS, KEY_ROWS, EXPORTER_ROWS)
    families = {row.name for row in chain.from_iterable(tables)}
    used = {name for rule in rules() for name in names(texts(rule)) if ":" not in name}
    assert used - families == set()


def test_recorded_series_are_defined_before_their_use_and_used() -> None:
    """Also within one group, where rules run one after the other and share their moment."""
    used: set[str] = set()
    for group in load(RULES)["groups"]:
        recorded: set[str] = set()
        for rule in group["rules"]:
            needed = {name for name in names(rule["expr"]) if ":" in name}
            assert needed <= recorded, rule.get("alert", rule.get("record"))
            recorded |= {rule["record"]} if "record" in rule else set()
        used |= {name for rule in group["rules"] for name in names(texts(rule))}
    assert {rule["record"] for rule in rules() if "record" in rule} <= used
