"""Row 1 of the main dashboard: one number a question."""

from typing import Final
from urllib.parse import quote

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana import promql, shown
from grafana.panels import LARGE, Frame, Query, figure, figures, leads, linked
from grafana.promql import ALL, DAY, one_each
from grafana.style import NOW, SOON, Steps, alarm
from grafana.tables import KEPT

MAIN_UID: Final = "docspace-api-keys"
# Ids of the panels that tiles lead to; `dashboard.numbered` gives them by row and place.
FAILING: Final = 201
NEXT_TO_FAIL: Final = 202
PORTALS: Final = 608
EVERY_KEY: Final = 501


def are_we_fine() -> list[Builder[Panel]]:
    """What asks for action in large, what only informs below."""
    return [failing(), expiring(), down(), counts()]


# What is counted: its name, the metric's suffix, and the kind of keys that it leads to.
COUNTS: Final = (
    ("keys", "", shown.EVERY),
    ("active", "_active", shown.ACTIVE),
    ("expired", "_expired", shown.EXPIRED),
    ("creator gone", "_orphaned", shown.REFUSED),
    ("full access", "_unrestricted", shown.FULL_ACCESS),
    ("never expire", "_never_expiring", shown.NEVER_EXPIRES),
    ("never used", "_never_used", shown.NEVER_USED),
)


def counts() -> stat.Panel:
    """The exporter's own counts, each leading to the list of such keys."""
    frame = Frame(
        "Portals and keys",
        "Portals that are scraped, and the keys of those that answer: all; active, which means "
        "switched on and not expired; expired and not deleted; and of the active ones those that "
        "the portal refuses since their creator was disabled or removed, that may do all their "
        "creator may, that never expire, and that were never used. A click lists them.",
        24,
        4,
    )
    queries = [Query(promql.answered(f"count({promql.UP})"), "portals", "A")]
    for ref, (name, suffix, _) in zip("BCDEFGH", COUNTS, strict=True):
        queries.append(Query(promql.total(f"docspace_api_keys{suffix}"), name, ref))
    panel = figures(frame, queries)
    panel = panel.override_by_name("portals", [leads("Show them", page(PORTALS, ""))])
    for name, _, kind in COUNTS:
        url = page(EVERY_KEY, f"var-show={quote(shown.value(kind))}")
        panel = panel.override_by_name(name, [leads("List them", url)])
    return panel


def failing() -> stat.Panel:
    """Keys whose integrations are broken at this moment."""
    return _alarm(
        "Failing now",
        "Keys whose calls fail: tried in the last day and refused since the creator is gone, or "
        " expired in the last 7 days and used until then.",
        promql.answered(f"count({one_each(ALL.failing)})"),
        alarm(NOW),
        FAILING,
    )


def expiring() -> stat.Panel:
    """Keys that fail within the chosen time."""
    near = one_each(f"{ALL.next_to_fail} < $within_days * {DAY}")
    return _alarm(
        "Expiring within $within_days days",
        "Active keys whose end comes within the chosen time. Left out are keys that were rotated, "
        "and keys made for a short life that have a quarter of it left.",
        promql.answered(f"count({near})"),
        alarm(SOON),
        NEXT_TO_FAIL,
    )


def down() -> stat.Panel:
    """Portals of which nothing is known."""
    return _alarm(
        "Portals that do not answer",
        "Portals whose list of keys could not be fetched or is not valid. All other numbers leave "
        "out their keys.",
        f"count({promql.UP} == 0)\nor 0 * count({promql.UP})\nor vector({promql.NOT_SCRAPED})",
        alarm(NOW),
        PORTALS,
    )


def _alarm(title: str, description: str, expr: str, steps: Steps, target: int) -> stat.Panel:
    panel = figure(Frame(title, description, 8, 4), expr, steps, size=LARGE)
    return linked(panel, "Show them", page(target, "${key:queryparam}"))


def page(panel: int, more: str) -> str:
    """The main dashboard with nothing but one of its panels."""
    choices = f"{KEPT}&${{portal:queryparam}}&${{unused_days:queryparam}}&{more}"
    return f"/d/{MAIN_UID}/{MAIN_UID}?{choices}&viewPanel={panel}"
