"""Row 6 of the main dashboard: whether the rest of the page can be believed."""

from typing import Final

from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana import promql
from grafana.panels import (
    COUNT,
    DAYS,
    LEAST_STEP,
    WORD,
    Frame,
    Query,
    course,
    figure,
    quiet,
    shades,
    stacked,
    states,
)
from grafana.promql import DAY, NEVER_SECONDS, number
from grafana.rows import Rows
from grafana.style import (
    HOURS,
    NEVER,
    NONE,
    NOW,
    QUIET,
    SOME_DAY,
    SOON,
    TEXT_RUNNING_OUT,
    UNKNOWN_TEXT,
    Steps,
    alarm,
    between,
    texts,
)
from grafana.tables import NOTE, PORTAL_PAGE, Column, Number, Text, table_of

UP: Final = texts({"0": ("down", NOW), "1": ("up", QUIET)})
NEVER_ANSWERED: Final = between(NEVER_SECONDS / 2, 1e11, "never", NOW)
NO_SKEW: Final = between(NEVER_SECONDS / 2, 1e11, "-")
VISIBILITY: Final = texts(
    {"own": ("own keys only", SOME_DAY), "unknown": ("unknown", SOME_DAY), "": ("-", QUIET)}
)
AGE: Final[Steps] = ((None, QUIET), (15 * 60, SOON), (3600, NOW))
# Seconds that the portal's clock is off, in either direction.
SKEW: Final[Steps] = ((None, SOON), (-60, SOME_DAY), (-5, QUIET), (5, SOME_DAY), (60, SOON))
# So many portals have a line in a panel before the others are counted only.
LINES: Final = 20

OWN_KEY: Final = promql.portal("docspace_exporter_key_info")
OWN_EXPIRY: Final = promql.portal("docspace_exporter_key_expiry_timestamp_seconds")
# Days; a key without expiry has the stand-in.
OWN_LEFT: Final = (
    f"(clamp_min({OWN_EXPIRY} - time(), 0) or {OWN_KEY} * 0 + {number(NEVER_SECONDS)}) / {DAY}"
)
LAST_SUCCESS: Final = promql.portal("docspace_scrape_last_success_timestamp_seconds")
# Whole seconds; a portal that never answered has the stand-in.
SILENCE: Final = (
    f"(clamp_min(ceil(time() - {LAST_SUCCESS}), 0) or {promql.UP} * 0 + {number(NEVER_SECONDS)})"
)
OURS: Final = f"and on (job, instance) docspace_exporter_build_info{{{promql.JOB}}}"


def can_we_trust_this_page() -> list[Builder[Panel]]:
    """Row 6."""
    return [
        longest_silence(),
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


def longest_silence() -> stat.Panel:
    """The portal that has been out of sight for longest."""
    frame = Frame(
        "Longest silence",
        "Time since the last answer of the portal that has been out of sight for longest. Never "
        "means that a portal has not answered since the exporter started.",
        5,
        3,
    )
    expr = f"max({SILENCE})\nor vector({promql.NOT_SCRAPED})"
    return figure(frame, expr, AGE, unit="s", mappings=NEVER_ANSWERED)


def own_key() -> stat.Panel:
    """When the exporter goes blind."""
    frame = Frame(
        "Own key expires in",
        "Of the keys that the exporter itself uses, the first to expire. After that this page is "
        "blind for that portal.",
        5,
        3,
    )
    expr = (
        f"min({OWN_LEFT})\nor 0 * count({promql.UP}) + {promql.UNKNOWN}"
        f"\nor vector({promql.NOT_SCRAPED})"
    )
    return figure(frame, expr, TEXT_RUNNING_OUT, unit=DAYS, mappings=[*HOURS, *NEVER])


def seen_in_part() -> stat.Panel:
    """Portals where the exporter may miss keys."""
    frame = Frame(
        "Portals in part",
        "Portals where the exporter's key is not known to be an administrator's: keys of other "
        "people may be missing everywhere on this page.",
        5,
        3,
    )
    info = promql.portal("docspace_portal_info", ', visibility!="all"')
    return figure(frame, promql.answered(f"count({info})"), alarm(SOME_DAY))


def malformed() -> stat.Panel:
    """Records left out."""
    frame = Frame(
        "Keys left out",
        "Records in the portals' answers that are not as a key should be. They are in no other "
        "number.",
        5,
        3,
    )
    return figure(frame, promql.total("docspace_api_keys_malformed"), alarm(SOON))


def configuration() -> stat.Panel:
    """Whether the running configuration is the one on disk."""
    frame = Frame(
        "Configuration",
        "Whether the exporter could read its configuration when it last tried. After a "
        "failure the former configuration stays.",
        4,
        3,
    )
    expr = (
        f"min(docspace_exporter_config_last_reload_successful{{{promql.JOB}}})"
        f"\nor vector({promql.NOT_SCRAPED})"
    )
    words = texts({"0": ("reload failed", NOW), "1": ("loaded", QUIET)})
    return figure(frame, expr, unit=WORD, mappings=words)


def portal_up() -> statetimeline.Panel:
    """Up and down over time, of the portals with the most trouble, and how many others."""
    range_up = f"docspace_up{{{promql.PORTALS}}}[$__range] @ end()"
    # Both are the same at each step, so Prometheus evaluates them once.
    lowest = f"min by (portal) (min_over_time({range_up}))"
    worst = f"bottomk({LINES}, avg by (portal) (avg_over_time({range_up})) and {lowest} == 0)"
    # The lowest since the last step: a portal that was down between two steps was down. Where no
    # scrape fell into the step, the last one.
    up = f"docspace_up{{{promql.PORTALS}}}"
    course_ = f"max by (portal) (min_over_time({up}[$__interval]) or {up})"
    others = f'count_values("all", count({promql.UP} unless on (portal) {worst})) * 0 + 1'
    frame = Frame(
        "Portals that were down",
        f"The {LINES} portals that were down for the largest part of the time shown; the line "
        "above counts the others. A span is down when any scrape in it failed, however short.",
        12,
        9,
    )
    queries = [
        Query(others, "others: {{all}}", "A"),
        Query(f"{course_} and on (portal) {worst}", "{{portal}}", "B"),
        # Without any series Grafana would complain in words of its own.
        Query(f"vector({promql.NOT_SCRAPED}) unless on () {up}", promql.NO_EXPORTER, "C"),
    ]
    return states(frame, queries, UP_COLORS).interval("1m")


UP_COLORS: Final = texts({"0": ("down", NOW), "1": ("up", "green"), "-2": ("not scraped", NONE)})


def errors() -> timeseries.Panel:
    """Failed scrapes by reason."""
    increase = (
        "max by (portal, reason) "
        f"(increase(docspace_scrape_errors_total{{{promql.PORTALS}}}[$__rate_interval]))"
    )
    frame = Frame(
        "Failed scrapes by reason",
        "Failed scrapes of portals in each interval. Only reasons that occurred are drawn; a grey "
        "line at 0 shows where portals were scraped and nothing failed.",
        12,
        9,
    )
    queries = [
        Query(f"sum by (reason) ({increase}) > 0", "{{reason}}", "A"),
        Query(f"0 * sum({increase})", NOTHING_FAILED, "B"),
    ]
    lines = shades(course(frame, queries, COUNT), NOW)
    return quiet(stacked(lines), NOTHING_FAILED).interval(LEAST_STEP)


NOTHING_FAILED: Final = "nothing failed"


def portals() -> table.Panel:
    """One line a portal with all that shows how well it is seen."""
    rows = Rows(f"bottomk({promql.PORTAL_LIMIT}, {promql.UP})", promql.UP)
    frame = Frame(
        "How well each portal is seen",
        f"Lists at most {promql.PORTAL_LIMIT} portals, those that are down first. A dash stands "
        "for what is not known of the portal.",
        24,
        9,
    )
    columns: list[Column] = [
        NOTE,
        Text("portal", "Portal", 150, PORTAL_PAGE, grows=True),
        Number("up", "State", _labelled(rows.expr), WORD, 75, mappings=UP),
        *_portal_numbers(rows),
        Text(
            "visibility", "Keys seen", 125, mappings=[*texts({"all": ("all", QUIET)}), *VISIBILITY]
        ),
        Text("version", "Version", 95),
    ]
    return table_of(frame, columns, ("url",), ("State", False))


def _labelled(rows: str) -> str:
    """The rows with address, visibility and version, where the portal's info is there."""
    labels = "url, visibility, version"
    info = promql.latest("docspace_portal_info", promql.PORTALS, "portal", labels)
    return (
        f"{rows} * on (portal) group_left ({labels}) {info}\nor on (portal) {rows}"
        f'\nor on () label_replace(vector({number(promql.LAST_RISING)}), "{promql.NOTED}",'
        f' "{promql.NO_EXPORTER}", "", "")'
    )


def _portal_numbers(rows: Rows) -> list[Number]:
    def shown(expr: str, otherwise: float = promql.UNKNOWN) -> str:
        return rows.each(expr, otherwise)

    duration = promql.portal("docspace_scrape_duration_seconds")
    skew = shown(promql.portal("docspace_clock_skew_seconds"), NEVER_SECONDS)
    keys = shown(promql.portal("docspace_api_keys"))
    left = [*HOURS, *NEVER, *UNKNOWN_TEXT]
    return [
        Number("keys", "Keys", keys, COUNT, 75, mappings=UNKNOWN_TEXT, decimals=0),
        Number("age", "Last answer", shown(SILENCE), "s", 110, AGE, NEVER_ANSWERED, decimals=0),
        Number("duration", "Scrape took", shown(duration), "s", 110, mappings=UNKNOWN_TEXT),
        Number(
            "own", "Own key left", shown(OWN_LEFT), DAYS, 120, TEXT_RUNNING_OUT, left, decimals=1
        ),
        Number("skew", "Clock off by", skew, "s", 110, SKEW, NO_SKEW, decimals=1),
    ]


def scrape_duration() -> timeseries.Panel:
    """The slowest portals."""
    metric = f"docspace_scrape_duration_seconds{{{promql.PORTALS}}}"
    chosen = f"max by (portal) (avg_over_time({metric}[$__range] @ end()))"
    frame = Frame(
        "Scrape duration",
        "Time to fetch the list of keys, of the 10 portals that were slowest over the time shown.",
        8,
        8,
    )
    slowest = f"topk(10, {chosen})"
    expr = f"{promql.portal('docspace_scrape_duration_seconds')} and on (portal) {slowest}"
    return course(frame, [Query(expr, "{{portal}}")], "s")


def cpu() -> timeseries.Panel:
    """What the exporter costs in time."""
    frame = Frame("Exporter CPU", "Share of one core that each exporter uses.", 8, 8)
    rate = f"rate(process_cpu_seconds_total{{{promql.JOB}}}[$__rate_interval])"
    query = Query(f"{rate} {OURS}", "{{instance}}")
    return course(frame, [query], "percentunit").interval(LEAST_STEP).axis_soft_max(0.01)


def memory() -> timeseries.Panel:
    """What the exporter costs in memory."""
    frame = Frame("Exporter memory", "Resident memory of each exporter.", 8, 8)
    resident = f"process_resident_memory_bytes{{{promql.JOB}}}"
    return course(frame, [Query(f"{resident} {OURS}", "{{instance}}")], "bytes")
