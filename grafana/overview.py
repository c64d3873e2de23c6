"""Row 1 of the main dashboard: one number for each question."""

from typing import Final
from urllib.parse import quote

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana import promql, shown
from grafana.panels import LARGE, Frame, Query, figure, figures, leads
from grafana.promql import ALL, DAY, THRESHOLDS, one_each
from grafana.style import NOW, SOON, Steps, alarm
from grafana.tables import KEPT

MAIN_UID: Final = "docspace-api-keys"
# Ids of the panels that tiles lead to; `dashboard.numbered` gives them by row and place.
FAILING: Final = 201
NEXT_TO_FAIL: Final = 202
PORTALS: Final = 608
EVERY_KEY: Final = 501


def are_we_fine() -> list[Builder[Panel]]:
    """Large numbers that ask for action; below them, counts."""
    return [failing(), expiring(), down(), counts()]


# For each count: its name, the suffix of its metric, and the kind of keys that its link lists.
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
    """The exporter's own counts. Each is a link to the list of such keys."""
    frame = Frame(
        "Portals and keys",
        "Portals that are scraped, and keys of the portals that answer: all keys; active keys, "
        "which are switched on and not expired; expired keys that were not deleted. The last four "
        "count active keys: the creator was disabled or removed, so that the portal refuses the "
        "key; the key may do all that its creator may; it never expires; it was never used. A "
        "click on a number lists the keys.",
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
    """Keys that something still uses although the portal refuses them."""
    return _alarm(
        "Failing now",
        f"Keys tried in the last {THRESHOLDS.tried.last} that the portal refuses since their "
        "creator was disabled or removed, and keys that expired in the last "
        f"{THRESHOLDS.expired.words} and were used until then.",
        promql.answered(f"count({one_each(ALL.failing)})"),
        alarm(NOW),
        FAILING,
    )


def expiring() -> stat.Panel:
    """Keys that fail within the chosen time."""
    near = one_each(f"{ALL.next_to_fail} < $within_days * {DAY}")
    return _alarm(
        "Expiring within $within_days days",
        "Active keys that expire within the chosen time. Rotated keys are left out, and keys with "
        "a short life of which at least a quarter is left.",
        promql.answered(f"count({near})"),
        alarm(SOON),
        NEXT_TO_FAIL,
    )


def down() -> stat.Panel:
    """Portals that are down."""
    return _alarm(
        "Portals that do not answer",
        "Portals whose list of keys could not be fetched, or is not valid. Their keys are missing "
        "in all other numbers.",
        f"count({promql.UP} == 0)\nor 0 * count({promql.UP})\nor vector({promql.NOT_SCRAPED})",
        alarm(NOW),
        PORTALS,
    )


def _alarm(title: str, description: str, expr: str, steps: Steps, target: int) -> stat.Panel:
    panel = figure(Frame(title, description, 8, 4), expr, steps, size=LARGE)
    show = leads("Show them", page(target, "${key:queryparam}"))
    return panel.override_by_regexp(".*", [show])


def page(panel: int, more: str) -> str:
    """The address of one panel of the main dashboard, alone on the page."""
    choices = f"{KEPT}&${{portal:queryparam}}&${{unused_days:queryparam}}&{more}"
    return f"/d/{MAIN_UID}/{MAIN_UID}?{choices}&viewPanel={panel}"
