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

# Of Grafana 10.0. What 9 calls by other names is written beside it, see `tables`; newer releases
# change nothing of what is here.
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
# Ids count from 100 in the first row, 200 in the second, so that a new panel in one row leaves
# those of the others, and the links to them, alone. Row 4 begins with the course of the states.
KEYS_BY_STATE: Final = 401


def all_keys() -> Dashboard:
    """The main dashboard."""
    page = (
        dashboard.Dashboard("DocSpace API keys")
        .uid(MAIN_UID)
        .description(
            "The API keys of ONLYOFFICE DocSpace portals: which breaks an integration next, which "
            "is dangerous, which is forgotten, and whether all of them can be seen."
        )
        .tags(["docspace", "onlyoffice", "api-keys"])
        .timezone("browser")
        .time("now-24h", "now")
        .refresh("5m")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .variables(variables.of_all_keys())
        .annotations(annotations.of_keys(KEYS_BY_STATE))
    )
    for title, panels in ROWS:
        page = page.with_row(dashboard.Row(title))
        for panel in panels():
            page = page.with_panel(panel)
    return numbered(page.build())


def single_key() -> Dashboard:
    """The dashboard of one key, reached from the tables of the main one."""
    page = (
        dashboard.Dashboard("DocSpace API key")
        .uid(KEY_DASHBOARD_UID)
        .description("One API key of an ONLYOFFICE DocSpace portal: its expiry, use and scopes.")
        .tags(["docspace", "onlyoffice", "api-keys"])
        .timezone("browser")
        .time("now-30d", "now")
        .refresh("5m")
        .tooltip(DashboardCursorSync.CROSSHAIR)
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
    """The dashboard as Grafana itself would export it, without what only the SDK writes.

    Up to Grafana 10 variables are kept by `id`: with the SDK's, which is the same for all, every
    variable but the last is lost.
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
    """The dashboard as indented JSON, the same bytes each time."""
    text = json.dumps(exported(page), indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    """Writes both dashboards into the directory given, or beside this module."""
    directory = Path(arguments[0]) if arguments else Path(__file__).parent
    write(all_keys(), directory / "docspace-api-keys.json")
    write(single_key(), directory / "docspace-api-key.json")


if __name__ == "__main__":
    main(sys.argv[1:])
