"""Row 5 of the main dashboard: whether the rest of the page can be believed."""

from typing import Final

from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana import promql
from grafana.panels import (
    COUNT,
    LEAST_STEP,
    WORD,
    Frame,
    Query,
    count,
    course,
    fact,
    stacked,
    states,
)
from grafana.style import DAY, NEVER, PLAIN, Steps, at_least, texts
from grafana.tables import PORTAL_PAGE, Column, Number, Text, table_of

Panels = list[Builder[Panel]]

UP: Final = texts({"0": ("down", "red"), "1": ("up", "green")})
UNTOLD: Final = texts({"-1": ("-", "text")})
UNTOLD_SKEW: Final = at_least(promql.NEVER_SECONDS / 2, "-", "text")
VISIBILITY: Final = texts(
    {"all": ("all", "green"), "own": ("own keys only", "orange"), "unknown": ("unknown", "yellow")}
)
AGE: Final[Steps] = ((None, "green"), (15 * 60, "orange"), (3600, "red"))
RUNS_OUT: Final[Steps] = ((None, "red"), (7 * DAY, "orange"), (30 * DAY, "green"))
# Seconds that the portal's clock is off, in either direction.
SKEW: Final[Steps] = ((None, "red"), (-60, "yellow"), (-5, "green"), (5, "yellow"), (60, "red"))

OWN_EXPIRY: Final = promql.portal("docspace_exporter_key_expiry_timestamp_seconds")
OWN_LEFT: Final = f"clamp_min({OWN_EXPIRY} - time(), 0)"
AGE_OF_SUCCESS: Final = (
    f"clamp_min(time() - {promql.portal('docspace_scrape_last_success_timestamp_seconds')}, 0)"
)
OURS: Final = f"and on (job, instance) docspace_exporter_build_info{{{promql.JOB}}}"
NOT_OURS: Final = "The exporter's own metrics are not scraped by this job"


def can_we_trust_this_page() -> Panels:
    """Row 5."""
    return [
        oldest_success(),
        own_key(),
        seen_in_part(),
        malformed(),
        configuration(),
        portal_up(),
        errors(),
        portals(),
        scrape_duration(),
        cpu(),
        memory(),
    ]


def oldest_success() -> stat.Panel:
    """The portal that has been out of sight for longest."""
    frame = Frame(
        "Oldest answer",
        "Time since the portal that has been out of sight for longest last answered well.",
        5,
        4,
    )
    expr = f"max({AGE_OF_SUCCESS}) or vector({promql.UNKNOWN})"
    return fact(frame, expr, "dtdurations", AGE, texts({"-1": ("never", "red")}))


def own_key() -> stat.Panel:
    """When the exporter goes blind."""
    frame = Frame(
        "Exporter's key runs out in",
        "Time left of the keys the exporter itself uses, the first of them to expire. When it has "
        "run out, this page is blind for that portal.",
        5,
        4,
    )
    never = promql.number(promql.NEVER_SECONDS)
    return fact(frame, f"min({OWN_LEFT}) or vector({never})", "dtdurations", RUNS_OUT, NEVER)


def seen_in_part() -> stat.Panel:
    """Portals where the exporter may miss keys."""
    frame = Frame(
        "Portals not seen in full",
        "Portals where the exporter's key is not known to be an administrator's, so that keys of "
        "other people may be missing everywhere on this page.",
        5,
        4,
    )
    info = promql.portal("docspace_portal_info", ', visibility!="all"')
    query = Query(f"count({info}) or vector(0)", "not in full")
    return count(frame, [query], ((None, "green"), (1, "yellow")))


def malformed() -> stat.Panel:
    """Records left out."""
    frame = Frame(
        "Records not understood",
        "Keys in the portals' answers that the exporter could not read and left out of all else.",
        5,
        4,
    )
    query = Query(promql.total("docspace_api_keys_malformed"), "records")
    return count(frame, [query], ((None, "green"), (1, "orange")))


def configuration() -> stat.Panel:
    """Whether the running configuration is the one on disk."""
    frame = Frame(
        "Configuration",
        "Whether the last reload of the exporter's configuration succeeded. After a failed one the "
        "former configuration stays in force.",
        4,
        4,
    )
    expr = f"min(docspace_exporter_config_last_reload_successful{{{promql.JOB}}}) or vector(-1)"
    words = {"0": ("reload failed", "red"), "1": ("in force", "green"), "-1": ("not told", "text")}
    return fact(frame, expr, WORD, PLAIN, texts(words))


def portal_up() -> statetimeline.Panel:
    """Up and down over time, of the portals with the most trouble."""
    chosen = f"avg by (portal) (avg_over_time(docspace_up{{{promql.PORTALS}}}[$__range] @ end()))"
    frame = Frame(
        "Portal up",
        "The 30 portals that were down for the largest part of the time shown; all, when there are "
        "no more. A span is down when any scrape in it failed, however short the outage.",
        12,
        9,
        "No portal is scraped",
    )
    # The lowest since the last step: a portal that was down between two steps was down.
    lowest = f"max by (portal) (min_over_time(docspace_up{{{promql.PORTALS}}}[$__rate_interval]))"
    expr = f"{lowest} and on (portal) bottomk(30, {chosen})"
    return states(frame, [Query(expr, "{{portal}}")], UP).interval(LEAST_STEP)


def errors() -> timeseries.Panel:
    """Failed scrapes by reason."""
    increase = (
        "max by (portal, reason) "
        f"(increase(docspace_scrape_errors_total{{{promql.PORTALS}}}[$__rate_interval]))"
    )
    none = 'label_replace(vector(0), "reason", "none", "", "")'
    frame = Frame(
        "Scrape errors by reason",
        "Failed fetches in each interval. Only reasons that occurred are drawn; while nothing "
        "fails, that is one flat line named none.",
        12,
        9,
    )
    expr = f"sum by (reason) ({increase}) > 0 or {none}"
    lines = course(frame, [Query(expr, "{{reason}}")], COUNT, {"none": "text"})
    return stacked(lines).interval(LEAST_STEP)


def portals() -> table.Panel:
    """One line a portal with all that tells how well it is seen."""
    up = promql.portal("docspace_up")
    rows = promql.Rows(f"bottomk({promql.PORTAL_LIMIT}, {up})", up)
    frame = Frame(
        "How well each portal is seen",
        f"Lists at most {promql.PORTAL_LIMIT} portals, those that are down first. A dash stands "
        "for what the portal or its state does not tell.",
        24,
        9,
        "No portal is scraped",
    )
    columns: list[Column] = [
        Text("portal", "Portal", None, PORTAL_PAGE),
        Number("up", "State", _labelled(rows.expr), WORD, 80, mappings=UP, cell="color-text"),
        Text("visibility", "Visibility", 120, (), VISIBILITY),
        *_portal_numbers(rows),
    ]
    return table_of(frame, columns, ("url",), ("State", False))


def _labelled(rows: str) -> str:
    """The rows with address and visibility, where the portal's info is there."""
    info = promql.latest("docspace_portal_info", promql.PORTALS, "portal", "url, visibility")
    return f"{rows} * on (portal) group_left (url, visibility) {info}\nor on (portal) {rows}"


def _portal_numbers(rows: promql.Rows) -> list[Number]:
    def told(expr: str, otherwise: float = promql.UNKNOWN) -> str:
        return rows.each(expr, otherwise)

    never = promql.number(promql.NEVER_SECONDS)
    own = f"({OWN_LEFT} or {promql.portal('docspace_exporter_key_info')} * 0 + {never})"
    duration = promql.portal("docspace_scrape_duration_seconds")
    limit = promql.portal("docspace_rate_limit")
    remaining = f"min by (portal) (docspace_rate_limit_remaining{{{promql.PORTALS}}})"
    skew = told(promql.portal("docspace_clock_skew_seconds"), promql.NEVER_SECONDS)
    budget: Steps = ((None, "red"), (0.1, "yellow"), (0.5, "green"))
    return [
        _told("keys", "Keys", told(promql.portal("docspace_api_keys")), COUNT, 90, PLAIN),
        _told("age", "Last success", told(AGE_OF_SUCCESS), "dtdurations", 170, AGE),
        _told("duration", "Scrape took", told(duration), "s", 120, PLAIN),
        Number(
            "own",
            "Own key left",
            told(own),
            "dtdurations",
            170,
            RUNS_OUT,
            [*UNTOLD, *NEVER],
            "color-text",
        ),
        Number("skew", "Clock skew", skew, "s", 110, SKEW, UNTOLD_SKEW, "color-text"),
        _told(
            "rate", "Rate limit left", told(f"{remaining} / {limit}"), "percentunit", 130, budget
        ),
    ]


def _told(ref: str, title: str, expr: str, unit: str, width: int, steps: Steps) -> Number:
    return Number(ref, title, expr, unit, width, steps, UNTOLD, "color-text")


def scrape_duration() -> timeseries.Panel:
    """The slowest portals."""
    metric = f"docspace_scrape_duration_seconds{{{promql.PORTALS}}}"
    chosen = f"max by (portal) (avg_over_time({metric}[$__range] @ end()))"
    frame = Frame(
        "Scrape duration",
        "Time to fetch the list of keys, of the 10 portals that were slowest over the time shown.",
        8,
        8,
        "No portal is scraped",
    )
    slowest = f"topk(10, {chosen})"
    expr = f"{promql.portal('docspace_scrape_duration_seconds')} and on (portal) {slowest}"
    return course(frame, [Query(expr, "{{portal}}")], "s")


def cpu() -> timeseries.Panel:
    """What the exporter costs in time."""
    frame = Frame("Exporter CPU", "Share of one core that each exporter uses.", 8, 8, NOT_OURS)
    rate = f"rate(process_cpu_seconds_total{{{promql.JOB}}}[$__rate_interval])"
    query = Query(f"{rate} {OURS}", "{{instance}}")
    return course(frame, [query], "percentunit").interval(LEAST_STEP)


def memory() -> timeseries.Panel:
    """What the exporter costs in memory."""
    frame = Frame("Exporter memory", "Resident memory of each exporter.", 8, 8, NOT_OURS)
    resident = f"process_resident_memory_bytes{{{promql.JOB}}}"
    return course(frame, [Query(f"{resident} {OURS}", "{{instance}}")], "bytes")
