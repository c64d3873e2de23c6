"""Builds the dashboards and writes them as the JSON files that people import.

`python -m grafana.dashboard [DIRECTORY]` writes both files, by default beside this module.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    Panel,
    RowPanel,
)

from grafana import (
    annotations,
    changes,
    failing,
    inventory,
    one_key,
    overview,
    risks,
    trust,
    variables,
)
from grafana.overview import MAIN_UID
from grafana.tables import KEPT, KEY_DASHBOARD_UID

# The schema of Grafana 10.0. Options that Grafana 9 calls by other names are written twice, see
# `tables`. Newer schemas change nothing that is used here.
SCHEMA: Final = 38

Row = tuple[str, Callable[[], list[Builder[Panel]]]]

ROWS: Final[Sequence[Row]] = (
    ("Are we fine?", overview.are_we_fine),
    ("What fails now, what fails next?", failing.what_fails),
    ("What is dangerous?", risks.what_is_dangerous),
    ("What changed?", changes.what_changed),
    ("Which keys are there?", inventory.which_keys_are_there),
    ("Can we trust this page?", trust.can_we_trust_this_page),
)
# Panels have ids from 101 in the first row, from 201 in the second and so on. So a new panel in one
# row changes no id, and no link, of another row.
KEYS_BY_STATE: Final = 401


def all_keys() -> Dashboard:
    """The main dashboard."""
    page = (
        _page(
            "DocSpace API keys",
            MAIN_UID,
            "The API keys of ONLYOFFICE DocSpace portals: which keys fail now or next, which are "
            "dangerous, which are unused, and whether the exporter sees all of them.",
        )
        .time("now-24h", "now")
        .variables(variables.of_all_keys())
        .annotations(annotations.of_keys(KEYS_BY_STATE))
    )
    for title, panels in ROWS:
        page = page.with_row(dashboard.Row(title))
        for panel in panels():
            page = page.with_panel(panel)
    return numbered(page.build())


def single_key() -> Dashboard:
    """The dashboard of one key; the tables of the main dashboard link to it."""
    page = (
        _page(
            "DocSpace API key",
            KEY_DASHBOARD_UID,
            "One API key of an ONLYOFFICE DocSpace portal: its expiry, use and scopes.",
        )
        .time("now-30d", "now")
        .variables(variables.of_one_key())
        .link(
            dashboard.DashboardLink("All keys")
            .type(DashboardLinkType.LINK)
            .icon("dashboard")
            .tooltip("Back to all keys")
            .url(f"/d/{MAIN_UID}/{MAIN_UID}?{KEPT}")
        )
    )
    for panel in one_key.panels():
        page = page.with_panel(panel)
    return numbered(page.build())


def _page(title: str, uid: str, description: str) -> dashboard.Dashboard:
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["docspace", "onlyoffice", "api-keys"])
        .timezone("browser")
        .refresh("5m")
        .tooltip(DashboardCursorSync.CROSSHAIR)
    )


def numbered(page: Dashboard) -> Dashboard:
    """The dashboard with an id on each panel: rows 100, 200 and so on, their panels 101, 102."""
    row, place = 0, 0
    for panel in page.panels or []:
        if isinstance(panel, RowPanel):
            row, place = row + 1, 0
        else:
            place += 1
        panel.id_val = row * 100 + place
    return page


def exported(page: Dashboard) -> dict[str, Any]:
    """The dashboard as Grafana itself would export it, without fields that only the SDK writes.

    The SDK gives all variables the same `id`. Grafana up to 10 stores variables by id and would
    lose all but the last.
    """
    found: dict[str, Any] = json.loads(json.dumps(page, cls=JSONEncoder))
    del found["style"]
    for variable in found["templating"]["list"]:
        for name in ("id", "auto", "auto_min", "auto_count"):
            variable.pop(name, None)
        if variable["type"] != "query":
            variable.pop("refresh", None)
    for panel in found["panels"]:
        panel.pop("repeatDirection", None)
        for name in ("transparent", "transformations"):
            if not panel.get(name):
                panel.pop(name, None)
    return found | {"schemaVersion": SCHEMA}


def write(page: Dashboard, path: Path) -> None:
    """Write the dashboard as indented JSON; the same dashboard gives the same bytes."""
    text = json.dumps(exported(page), indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    """Write both dashboards into the given directory, by default beside this module."""
    directory = Path(arguments[0]) if arguments else Path(__file__).parent
    write(all_keys(), directory / "docspace-api-keys.json")
    write(single_key(), directory / "docspace-api-key.json")


if __name__ == "__main__":
    main(sys.argv[1:])
