"""Reads the Grafana dashboards as Grafana does: panels, variables, and queries with values."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from exporter.metrics.catalogue import EXPORTER_ROWS, KEY_ROWS, PORTAL_ROWS

ROOT = Path(__file__).parent.parent
GRAFANA = ROOT / "grafana"
MAIN = "docspace-api-keys.json"
ONE_KEY = "docspace-api-key.json"

Dashboard = dict[str, Any]
Panel = dict[str, Any]

# Grafana's own variables; callers may replace them.
BUILT_IN: Final = {
    "__range": "604800s",
    "__rate_interval": "5m",
    "__interval": "5m",
    "__interval_ms": "300000",
    "__from": "0",
    "__to": "9999999999000",
}
# The value of All, which Grafana inserts unchanged in every format.
ALL: Final = ".+"

PORTAL_LABELS: Final = {"portal"}
KEY_LABELS: Final = {"portal", "key_id", "key_name"}


def contract() -> dict[str, set[str]]:
    """The metrics that a dashboard may use, with their labels but those that Prometheus adds."""
    tables = ((PORTAL_ROWS, PORTAL_LABELS), (KEY_ROWS, KEY_LABELS), (EXPORTER_ROWS, set()))
    ours = {row.name: common | set(row.labels) for rows, common in tables for row in rows}
    theirs: dict[str, set[str]] = {
        "process_cpu_seconds_total": set(),
        "process_resident_memory_bytes": set(),
    }
    return ours | theirs


def load(name: str) -> Dashboard:
    """The dashboard `MAIN` or `ONE_KEY`."""
    loaded: Dashboard = json.loads((GRAFANA / name).read_text(encoding="utf-8"))
    return loaded


def panels(dashboard: Dashboard) -> list[Panel]:
    """All panels, without the rows' titles."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def defaults(dashboard: Dashboard) -> dict[str, str]:
    """The first value of each variable, as text in a query."""
    return {variable["name"]: _default(variable) for variable in dashboard["templating"]["list"]}


def _default(variable: Mapping[str, Any]) -> str:
    value = variable.get("current", {}).get("value", "")
    if value == ["$__all"]:
        return str(variable["allValue"])
    return str(value)


def fill(expr: str, variables: Mapping[str, str]) -> str:
    """The expression with values for `$name` and `${name:regex}`; KeyError if unknown."""
    known = BUILT_IN | dict(variables)

    def value(match: re.Match[str]) -> str:
        text = known[match["plain"] or match["braced"]]
        if match["format"] != ":regex" or text == ALL:
            return text
        return re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", text)

    return re.sub(
        r"\$(?:(?P<plain>[a-z_]\w*)|\{(?P<braced>\w+)(?P<format>:regex|:raw|:text)?\})", value, expr
    )


def query(dashboard: Dashboard, title: str, ref: str = "A") -> str:
    """The PromQL of one query of the panel with that title."""
    (found,) = (
        target["expr"]
        for panel, target in targets(dashboard)
        if panel["title"] == title and target["refId"] == ref
    )
    return str(found)


def mark(dashboard: Dashboard, name: str) -> str:
    """The PromQL of the annotation with that name."""
    (found,) = (m["expr"] for m in dashboard["annotations"]["list"] if m["name"] == name)
    return str(found)


def targets(dashboard: Dashboard) -> Iterator[tuple[Panel, dict[str, Any]]]:
    """Each query of each panel."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield panel, target


def all_queries(dashboard: Dashboard, variables: Mapping[str, str]) -> list[tuple[str, str]]:
    """(title, PromQL) of each query of the panels, then of each annotation.

    If a panel has several queries, the title ends with the name of the query: `Keys: A`.
    """
    found = [
        (panel["title"] + f": {target['refId']}" * (len(panel["targets"]) > 1), target["expr"])
        for panel, target in targets(dashboard)
    ]
    marks = dashboard.get("annotations", {}).get("list", [])
    found += [(mark["name"], mark["expr"]) for mark in marks]
    return [(title, fill(expr, variables)) for title, expr in found]


def lookups(dashboard: Dashboard) -> list[tuple[str, str]]:
    """(variable, selector or expression) of each variable with a query."""
    found = []
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            inner = re.fullmatch(r"\w+\((.*)\)", variable["query"])
            assert inner, variable["query"]
            # The last argument of label_values is a label.
            label_values = variable["query"].startswith("label_values")
            found.append(
                (variable["name"], inner[1].rpartition(",")[0] if label_values else inner[1])
            )
    return found


def selectors(expr: str) -> list[tuple[str, set[str]]]:
    """(metric, labels in matchers) of each selector in a PromQL expression."""
    bare = _without_strings(expr)
    found = re.findall(r"\b((?:docspace|process)_\w+)\b(?:\{([^}]*)\})?", bare)
    return [(name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))) for name, inside in found]


def grouping_labels(expr: str) -> set[str]:
    """Labels in `by`, `on`, `without`, `ignoring`, `group_left` and `group_right`."""
    words = r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)"
    inside = re.findall(words, _without_strings(expr))
    return {label.strip() for labels in inside for label in labels.split(",") if label.strip()}


def made_labels(expr: str) -> set[str]:
    """Labels that an expression creates."""
    made = re.findall(r'label_(?:replace|join)\(.*?, "(\w+)", "', expr, re.DOTALL)
    made += re.findall(r', "(\w+)", "', expr)
    return {*made, *re.findall(r'count_values\("(\w+)"', expr)}


def _without_strings(expr: str) -> str:
    return re.sub(r'"(?:[^"\\]|\\.)*"|`[^`]*`', '""', expr)
