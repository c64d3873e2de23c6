"""Row 1 of the main dashboard: one number a question."""

from typing import Final
from urllib.parse import quote

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana import promql, shown
from grafana.panels import LARGE, Frame, figure, linked
from grafana.promql import ALL, DAY, one_each
from grafana.style import NOW, PLAIN, SOON, Steps, alarm
from grafana.tables import KEPT

MAIN_UID: Final = "docspace-api-keys"
# Ids of the panels that tiles lead to; `dashboard.numbered` gives them by row and place.
FAILING: Final = 201
NEXT_TO_FAIL: Final = 202
PORTALS: Final = 608
EVERY_KEY: Final = 501


def are_we_fine() -> list[Builder[Panel]]:
    """What asks for action in large, what only informs below."""
    active = "Switched on and not past their expiry"
    return [
        failing(),
        expiring(),
        down(),
        _tile("Portals", "Portals that are scraped.", promql.answered(f"count({promql.UP})")),
        _keys("Keys", "All keys of the portals that answer.", "", shown.EVERY),
        _keys("Active", f"{active}.", "_active", shown.ACTIVE),
        _keys("Expired", "Past their expiry, and not deleted.", "_expired", shown.EXPIRED),
        _keys(
            "Creator gone",
            "Active keys that the portal refuses since their creator was disabled or removed.",
            "_orphaned",
            shown.REFUSED,
        ),
        _keys(
            "Full access",
            "Active keys with which anybody can do all that their creator can.",
            "_unrestricted",
            shown.FULL_ACCESS,
        ),
        _keys(
            "Never expire",
            "Active keys without an expiry.",
            "_never_expiring",
            shown.NEVER_EXPIRES,
        ),
        _keys("Never used", "Active keys without a call.", "_never_used", shown.NEVER_USED),
    ]


def failing() -> stat.Panel:
    """Keys whose integrations are broken at this moment."""
    return _alarm(
        "Keys that fail now",
        "Keys that something calls with in vain: tried in the last day and refused since the "
        "creator is gone, or expired in the last 7 days and used until then.",
        promql.answered(f"count({one_each(ALL.failing)})"),
        alarm(NOW),
        FAILING,
    )


def expiring() -> stat.Panel:
    """Keys that fail within the chosen time."""
    near = one_each(f"{ALL.next_to_fail} < $within_days * {DAY}")
    return _alarm(
        "Keys that expire within $within_days days",
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
        "Portals whose list of keys could not be fetched or understood. All other numbers leave "
        "out their keys.",
        f"count({promql.UP} == 0)\nor 0 * count({promql.UP})\nor vector({promql.NOT_SCRAPED})",
        alarm(NOW),
        PORTALS,
    )


def _alarm(title: str, description: str, expr: str, steps: Steps, target: int) -> stat.Panel:
    panel = figure(Frame(title, description, 8, 4), expr, steps, size=LARGE)
    return linked(panel, "Show them", page(target, "${key:queryparam}"))


def _keys(title: str, description: str, suffix: str, kind: str) -> stat.Panel:
    """A count of the exporter's own, leading to the list of such keys."""
    tile = _tile(title, description, promql.total(f"docspace_api_keys{suffix}"))
    return linked(tile, "List them", page(EVERY_KEY, f"var-show={quote(kind)}"))


def _tile(title: str, description: str, expr: str) -> stat.Panel:
    return figure(Frame(title, description, 3, 3), expr, PLAIN)


def page(panel: int, more: str) -> str:
    """The main dashboard with nothing but one of its panels."""
    choices = f"{KEPT}&${{portal:queryparam}}&${{unused_days:queryparam}}&{more}"
    return f"/d/{MAIN_UID}/{MAIN_UID}?{choices}&viewPanel={panel}"
