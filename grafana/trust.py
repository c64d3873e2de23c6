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
# Seconds by which the portal's clock is ahead or behind.
SKEW: Final[Steps] = ((None, SOON), (-60, SOME_DAY), (-5, QUIET), (5, SOME_DAY), (60, SOON))
# The number of portals that have a line of their own; the others are counted.
LINES: Final = 20

OWN_KEY: Final = promql.portal("docspace_exporter_key_info")
OWN_EXPIRY: Final = promql.portal("docspace_exporter_key_expiry_timestamp_seconds")
# Days; `NEVER_SECONDS` for a key without expiry.
OWN_LEFT: Final = (
    f"(clamp_min({OWN_EXPIRY} - time(), 0) or {OWN_KEY} * 0 + {number(NEVER_SECONDS)}) / {DAY}"
)
LAST_SUCCESS: Final = promql.portal("docspace_scrape_last_success_timestamp_seconds")
# Whole seconds; `NEVER_SECONDS` for a portal that never answered.
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
    """The portal whose last answer is the oldest."""
    frame = Frame(
        "Longest silence",
        "The longest time since the last answer of a portal. Never means that a portal has not "
        "answered since the exporter started.",
        5,
        3,
    )
    expr = f"max({SILENCE})\nor vector({promql.NOT_SCRAPED})"
    return figure(frame, expr, AGE, unit="s", mappings=NEVER_ANSWERED)


def own_key() -> stat.Panel:
    """When the first key of the exporter itself expires."""
    frame = Frame(
        "Own key expires in",
        "The time until the first key that the exporter itself uses expires. Then the exporter "
        "cannot read that portal.",
        5,
        3,
    )
    expr = (
        f"min({OWN_LEFT})\nor 0 * count({promql.UP}) + {promql.UNKNOWN}"
        f"\nor vector({promql.NOT_SCRAPED})"
    )
    return figure(frame, expr, TEXT_RUNNING_OUT, unit=DAYS, mappings=[*HOURS, *NEVER])


def seen_in_part() -> stat.Panel:
    """Portals where the exporter may not see all keys."""
    frame = Frame(
        "Portals in part",
        "Portals where the exporter's key may not be an administrator's. Then the keys of other "
        "people are missing on this page.",
        5,
        3,
    )
    info = promql.portal("docspace_portal_info", ', visibility!="all"')
    return figure(frame, promql.answered(f"count({info})"), alarm(SOME_DAY))


def malformed() -> stat.Panel:
    """Records that are not valid keys."""
    frame = Frame(
        "Keys left out",
        "Records in the portals' answers that are not valid keys. They are missing in all other "
        "numbers.",
        5,
        3,
    )
    return figure(frame, promql.total("docspace_api_keys_malformed"), alarm(SOON))


def configuration() -> stat.Panel:
    """Whether the last reload of the configuration succeeded."""
    frame = Frame(
        "Configuration",
        "Whether the exporter's last reload of its configuration succeeded. After a failure it "
        "keeps the previous configuration.",
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
    """The portals that were down for longest, over time, and the number of other portals."""
    range_up = f"docspace_up{{{promql.PORTALS}}}[$__range] @ end()"
    # Fixed to the end of the range, so Prometheus evaluates both once.
    lowest = f"min by (portal) (min_over_time({range_up}))"
    worst = f"bottomk({LINES}, avg by (portal) (avg_over_time({range_up})) and {lowest} == 0)"
    # The lowest value since the last step, so that a short outage is seen. If there was no scrape
    # in that time, the last value.
    up = f"docspace_up{{{promql.PORTALS}}}"
    course_ = f"max by (portal) (min_over_time({up}[$__interval]) or {up})"
    others = f'count_values("all", count({promql.UP} unless on (portal) {worst})) * 0 + 1'
    frame = Frame(
        "Portals that were down",
        f"The {LINES} portals that were down for longest; the first line counts the others. A "
        "period is red if any scrape in it failed.",
        12,
        9,
    )
    queries = [
        Query(others, "others: {{all}}", "A"),
        Query(f"{course_} and on (portal) {worst}", "{{portal}}", "B"),
        # Without a series, Grafana would show an error text of its own.
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
        "Failed scrapes of portals in each step of the graph. A grey line at 0 means that portals "
        "were scraped; without other lines, nothing failed.",
        12,
        9,
    )
    queries = [
        # Rounded here: with `decimals` 0, Grafana 9 writes the panel's own text beside the axis.
        Query(f"round(sum by (reason) ({increase})) > 0", "{{reason}}", "A"),
        Query(f"0 * count({promql.UP})", NOTHING_FAILED, "B"),
    ]
    lines = stacked(course(frame, queries, COUNT, REASON_COLORS)).axis_soft_max(1)
    # With a point for each pixel, this query would cost twice as much over 30 days.
    return quiet(lines, NOTHING_FAILED).interval(LEAST_STEP).max_data_points(120)


NOTHING_FAILED: Final = "nothing failed"
# Colours of trouble, one for each reason: Grafana 9 has no colour scheme for that.
REASON_COLORS: Final = dict(
    zip(
        (
            *("connection", "timeout", "tls", "server_error", "unauthorized", "forbidden"),
            *("payment_required", "credential", "rate_limited", "not_found", "redirect"),
            *("unexpected_status", "invalid_response", "too_large"),
        ),
        (
            shade + color
            for shade in ("", "dark-", "light-", "semi-dark-", "super-light-")
            for color in ("red", "orange", "yellow")
        ),
        strict=False,
    )
)


def portals() -> table.Panel:
    """One row for each portal: its answers, its clock, and what the exporter sees."""
    rows = Rows(f"bottomk({promql.PORTAL_LIMIT}, {promql.UP})", promql.UP)
    frame = Frame(
        "How well each portal is seen",
        f"Lists at most {promql.PORTAL_LIMIT} portals, portals that are down first. A dash means "
        "unknown.",
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
    """The rows with address, visibility and version, as far as these are known."""
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
    """The duration of scrapes, for the slowest portals."""
    metric = f"docspace_scrape_duration_seconds{{{promql.PORTALS}}}"
    chosen = f"max by (portal) (avg_over_time({metric}[$__range] @ end()))"
    frame = Frame(
        "Scrape duration",
        "Time to fetch the list of keys, for the 10 portals that were slowest on average.",
        8,
        8,
    )
    slowest = f"topk(10, {chosen})"
    expr = f"{promql.portal('docspace_scrape_duration_seconds')} and on (portal) {slowest}"
    return course(frame, [Query(expr, "{{portal}}")], "s")


def cpu() -> timeseries.Panel:
    """The CPU that the exporter uses."""
    frame = Frame("Exporter CPU", "The share of one CPU core that each exporter uses.", 8, 8)
    rate = f"rate(process_cpu_seconds_total{{{promql.JOB}}}[$__rate_interval])"
    query = Query(f"{rate} {OURS}", "{{instance}}")
    return course(frame, [query], "percentunit").interval(LEAST_STEP).axis_soft_max(0.01)


def memory() -> timeseries.Panel:
    """The memory that the exporter uses."""
    frame = Frame("Exporter memory", "Resident memory of each exporter.", 8, 8)
    resident = f"process_resident_memory_bytes{{{promql.JOB}}}"
    return course(frame, [Query(f"{resident} {OURS}", "{{instance}}")], "bytes")
