"""The alerts are valid, tested and documented: rules, unit tests, runbooks and docs agree."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

from exporter.docspace.state import UNUSED_FOR
from exporter.metrics.catalogue import EXPORTER_ROWS, KEY_ROWS, PORTAL_ROWS, Row
from grafana import shown
from prometheus.settings import STALE, Settings

ROOT = Path(__file__).resolve().parent.parent
PROMETHEUS = ROOT / "prometheus"
RULES = [PROMETHEUS / "rules" / f"{name}.yml" for name in ("docspace", "docspace-hygiene")]
UNIT_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
CONFIGS = [PROMETHEUS / "prometheus.yml", PROMETHEUS / "many-portals.yml"]
RUNBOOKS = ROOT / "docs" / "runbooks"
RUNBOOK_URL = f"{Settings().runbooks}/"

Rule = dict[str, Any]


@cache
def load(path: Path) -> Any:
    """The content of a YAML file, read once and with libyaml, because the files are long."""
    return yaml.load(path.read_bytes(), yaml.CSafeLoader)


def groups() -> list[dict[str, Any]]:
    return [group for path in RULES for group in load(path)["groups"]]


def rules() -> list[Rule]:
    return [rule for group in groups() for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}


def expectations() -> Iterator[dict[str, Any]]:
    """The expected alerts of all unit tests."""
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
    # Less work for Go's garbage collector, which is a fifth of a unit test.
    environment = {**os.environ, "GOGC": "400"}
    done = subprocess.run(
        [promtool, *arguments],
        cwd=PROMETHEUS, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


# promtool


def test_the_rules_are_valid(promtool: Path) -> None:
    run(promtool, "check", "rules", *RULES)


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
    links = (
        {"dashboard_url", "portal_url"}
        if "$labels.portal" in rule["annotations"]["summary"]
        else set()
    )
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url", *links}


ON_A_KEY = [name for name in ALERTS if re.match(r"DocSpace(Exporter)?Key(Re|Ex)", name)]


@pytest.mark.parametrize(
    "name", [name for name in ON_A_KEY if name != "DocSpaceExporterKeyRejected"]
)
def test_an_alert_on_a_key_names_portal_key_postfix_and_creator(name: str) -> None:
    summary = ALERTS[name]["annotations"]["summary"]
    assert "$labels.portal" in summary
    assert "$labels.key_name" in summary
    assert ".key_postfix" in summary
    assert ".creator" in summary


def test_a_description_does_not_repeat_the_summary(alert: str) -> None:
    """The names of portal and key are in the summary only."""
    annotations = ALERTS[alert]["annotations"]
    for label in ("portal", "key_name"):
        shown = re.sub(r"\{\{ with printf .*?\}\}", "", annotations["description"])
        assert f"{{{{ $labels.{label} }}}}" not in shown


def test_a_line_break_in_the_name_of_a_key_splits_no_text(alert: str) -> None:
    """A name is only shown as `.` of a `with`, with white space reduced to one space."""
    texts = "\n".join(ALERTS[alert]["annotations"].values())
    for name in re.findall(r"\{\{ with [$\w.]*key_name \}\}(.*?)\{\{ end \}\}", texts):
        assert 'reReplaceAll "\\\\s+" " " .' in name
    assert texts.count("key_name") == len(re.findall(r"with [$\w.]*key_name \}\}", texts))


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
        text = annotations["summary"] + " " + annotations["description"]
        assert not re.search(r" -\d|\d{6}|\d\.\d|e\+\d|NaN|Inf|<no value>|  ", text), text


def test_no_rule_selects_by_the_name_of_a_person() -> None:
    """A portal may show any placeholder for a removed person, and a person may have any name."""
    assert not [rule["expr"] for rule in rules() if re.search(r"\bcreator\s*[=!]", rule["expr"])]


def test_every_metric_in_the_rules_is_one_of_the_exporter() -> None:
    tables: tuple[tuple[Row[Any], ...], ...] = (PORTAL_ROWS, KEY_ROWS, EXPORTER_ROWS)
    families = {row.name for row in chain.from_iterable(tables)}
    used = {name for rule in rules() for name in names(texts(rule)) if ":" not in name}
    assert used - families == set()


def test_recorded_series_are_defined_before_their_use_and_used() -> None:
    """Also within one group, whose rules run in order and with the same time."""
    recorded: set[str] = set()
    used: set[str] = set()
    for rule in rules():
        own = {rule["record"]} if "record" in rule else set()
        needed = {name for name in names(rule["expr"]) if ":" in name} - own
        assert needed <= recorded, rule.get("alert", rule.get("record"))
        recorded |= own
        used |= {name for name in names(texts(rule)) if name not in own}
    assert recorded <= used


# Generated


def written(folder: Path, *settings: str) -> dict[str, str]:
    """The files that the generator writes, by path."""
    command = [sys.executable, "-m", "prometheus.rules", f"OUT={folder}", *settings]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in folder.rglob("*.y*ml")
    }


def test_the_files_are_as_generated(tmp_path: Path) -> None:
    kept = {
        str(path.relative_to(PROMETHEUS)): path.read_text(encoding="utf-8")
        for path in [*RULES, *(PROMETHEUS / "kubernetes").glob("*.yaml")]
    }
    assert written(tmp_path) == kept, "run `make rules`"


@pytest.mark.parametrize("name", ["docspace", "docspace-hygiene"])
def test_the_operator_gets_the_same_rules(name: str) -> None:
    resource = load(PROMETHEUS / "kubernetes" / f"{name}.yaml")
    assert (resource["apiVersion"], resource["kind"]) == (
        "monitoring.coreos.com/v1",
        "PrometheusRule",
    )
    assert resource["spec"] == load(PROMETHEUS / "rules" / f"{name}.yml")


def test_other_thresholds_are_in_rules_and_texts(promtool: Path, tmp_path: Path) -> None:
    found = written(
        tmp_path, "WARN=30d", "IN_USE=36h", "RUNBOOKS=https://wiki/", "GRAFANA=http://g"
    )
    run(promtool, "check", "rules", *(tmp_path / "rules").glob("*.yml"))
    text = found["rules/docspace.yml"]
    assert "< time() + 30 * 86400 > time() - 7 * 86400" in text
    assert "The key was used in the last 36 hours" in text
    assert "https://wiki/DocSpaceKeyExpiring.md" in text
    assert "http://g/d/docspace-api-key/" in text


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("WARM=30d", "no setting is called 'WARM'"),
        ("WARN=30", "'30' is no duration such as 90m, 36h, 14d or 2w"),
        ("WARN=0d", "'0d' is no duration"),
        ("CRITICAL=15d", "CRITICAL is longer than WARN"),
        ("WARN_SHARE=2", "'2' is no share of a life"),
        ("CRITICAL_SHARE=0.5", "CRITICAL_SHARE is above WARN_SHARE"),
        ("STALE=60d", "STALE is none of the spans that the exporter counts: 30d, 90d, 180d, 365d"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_written(
    setting: str, message: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "prometheus.rules", f"OUT={tmp_path / 'out'}", setting]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


# Links


def test_the_spans_of_stale_keys_are_those_that_the_exporter_counts() -> None:
    assert [span.range for span in STALE] == [span.label for span in UNUSED_FOR]


def dashboard(name: str) -> dict[str, Any]:
    page: dict[str, Any] = load(ROOT / "grafana" / f"{name}.json")
    return page


def variables(name: str) -> dict[str, Any]:
    return {each["name"]: each for each in dashboard(name)["templating"]["list"]}


def links() -> list[tuple[str, str]]:
    """The dashboard and the query of each alert's link."""
    urls = [rule["annotations"]["dashboard_url"] for rule in ALERTS.values()
            if "dashboard_url" in rule["annotations"]]  # fmt: skip
    return [(url.split("/")[2], url.partition("?")[2]) for url in urls]


def test_links_lead_to_dashboards_that_exist_and_set_variables_that_they_have() -> None:
    for name, query in links():
        assert dashboard(name)["uid"] == name
        for variable in re.findall(r"var-(\w+)=", query):
            assert variable in variables(name), (name, variable)


def test_links_to_the_table_of_keys_choose_what_it_can_show() -> None:
    """By the value of a choice: on opening a page, Grafana takes a name for a value."""
    known = {choice.expr for choice in shown.CHOICES}
    titles = {panel["id"]: panel["title"] for panel in dashboard("docspace-api-keys")["panels"]}
    chosen = [parse_qs(query.replace("{{", "").replace("}}", "")) for _, query in links()
              if "viewPanel" in query]  # fmt: skip
    assert len(chosen) == 8
    for query in chosen:
        title = titles[int(query["viewPanel"][0])]
        if "var-show" in query:
            assert query["var-show"][0] in known
            assert title.startswith("Keys: ")
        else:
            assert query["var-unused_days"] == ["90"]
            assert title.startswith("Active but unused")
