"""Rows 1 to 4 of the main dashboard: the keys."""

from typing import Final

from grafana_foundation_sdk.builders import bargauge, piechart, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, Panel

from grafana import promql
from grafana.panels import COUNT, Frame, Query, bars, count, course, share, stacked
from grafana.style import DAY, NEUTRAL, Steps, thresholds
from grafana.tables import (
    ACCESS_COLORS,
    ACCESS_LEVEL,
    CREATOR,
    NAME,
    PORTAL,
    POSTFIX,
    Column,
    duration,
    expires,
    keys_table,
    last_used,
    superseded,
    time_left,
)

Panels = list[Builder[Panel]]

LIMITED: Final = (
    f"Lists at most {promql.ROW_LIMIT} keys; choose portals or part of a name to see others."
)
# What a portal shows in place of a creator who was removed.
ORPHANED: Final = 'creator="Unknown Unknown"'


def are_we_fine() -> Panels:
    """Row 1: one number a question."""
    return [
        portals(),
        keys("Keys", "All keys of the portals that answer: active, disabled and expired.", ""),
        keys("Active", "Keys that work now: switched on and not past their expiry.", "_active"),
        expiring(),
        keys("Expired", "Keys past their expiry that nobody deleted.", "_expired", "yellow"),
        keys(
            "Unrestricted",
            "Active keys with full access: whoever holds one can do all that its creator can.",
            "_unrestricted",
            "orange",
            6,
        ),
        keys(
            "Never expiring",
            "Active keys without an expiry date.",
            "_never_expiring",
            "yellow",
            6,
        ),
        keys("Orphaned", "Active keys whose creator was removed.", "_orphaned", "red", 6),
        keys("Never used", "Active keys that no call was made with.", "_never_used", "yellow", 6),
    ]


def portals() -> stat.Panel:
    """How many portals answer, of all."""
    up = promql.portal("docspace_up")
    frame = Frame(
        "Portals",
        "Portals whose list of keys was fetched and understood, of all that are scraped. "
        "The other numbers leave out the keys of portals that are down.",
        8,
        4,
    )
    queries = [
        Query(f"count({up} == 1) or vector(0)", "up", "A"),
        Query(f"count({up} == 0) or vector(0)", "down", "B"),
        Query(f"count({up}) or vector(0)", "of all", "C"),
    ]
    some: Steps = ((None, "red"), (1, "green"))
    return (
        count(frame, queries, ((None, "green"), (1, "red")))
        .override_by_name("up", [_thresholds(some)])
        .override_by_name("of all", [_thresholds(NEUTRAL)])
    )


def keys(
    title: str, description: str, suffix: str, alarm: str | None = None, width: int = 4
) -> stat.Panel:
    """A sum over the portals; with an alarm colour anything but 0 has that colour."""
    steps: Steps = ((None, "green"), (1, alarm)) if alarm else NEUTRAL
    query = Query(promql.total(f"docspace_api_keys{suffix}"), title)
    return count(Frame(title, description, width, 4), [query], steps)


def expiring() -> stat.Panel:
    """Keys that expire within the chosen window."""
    frame = Frame(
        "Expiring within $within",
        "Active keys that expire within the chosen window. A portal that is configured with other "
        "windows is not in the sum.",
        4,
        4,
    )
    expr = promql.total("docspace_api_keys_expiring", ', within="$within"')
    return count(frame, [Query(expr, "expiring")], ((None, "green"), (1, "orange")))


def what_breaks_next() -> Panels:
    """Row 2: active keys, soonest expiry first, and how many expire when."""
    return [soonest_keys(), keys_by_time_left()]


def soonest_keys() -> table.Panel:
    """Active keys in the order in which they stop working."""
    never = promql.number(promql.NEVER_SECONDS)
    # Those without expiry stand last, in an order of their own: among equals the limit could cut
    # differently in each of the table's queries.
    endless = f"({promql.AGE} and {promql.ENDLESS}) + {never}"
    rows = promql.soonest(f"{promql.TIME_LEFT} or {endless}")
    frame = Frame(
        "Active keys, soonest expiry first",
        "What stops working next. A superseded key was rotated: a newer active key of the same "
        "creator and name outlives it. The portal's name leads to its list of keys, the key's name "
        f"to its own dashboard. {LIMITED}",
        18,
        12,
        "No active key here",
    )
    columns: list[Column] = [
        PORTAL,
        NAME,
        POSTFIX,
        CREATOR,
        ACCESS_LEVEL,
        last_used(rows),
        expires(rows),
        time_left("left", "Time left", rows.named()),
        superseded(rows.superseded()),
    ]
    return keys_table(frame, columns, ("Time left", False))


def keys_by_time_left() -> bargauge.Panel:
    """How many active keys expire in each span."""
    frame = Frame(
        "Active keys by time left",
        "Each active key is in one bar, that of the time until it expires.",
        6,
        12,
    )
    spans = [
        ("under 1 day", 0, 1, "red"),
        ("1 to 3 days", 1, 3, "red"),
        ("3 to 7 days", 3, 7, "orange"),
        ("7 to 14 days", 7, 14, "yellow"),
        ("14 to 30 days", 14, 30, "yellow"),
        ("30 to 90 days", 30, 90, "green"),
    ]
    left = promql.TIME_LEFT
    queries = [
        (_counted(f"{left} >= {low * DAY} < {high * DAY}", name, ref), color)
        for ref, (name, low, high, color) in zip("ABCDEF", spans, strict=True)
    ]
    queries.append((_counted(f"{left} >= {90 * DAY}", "later", "G"), "green"))
    queries.append((_counted(promql.ENDLESS, "never", "H"), "blue"))
    return bars(frame, queries)


def what_is_dangerous() -> Panels:
    """Row 3: keys that can do too much, that nobody uses, or that nobody owns."""
    return [access_levels(), full_without_expiry(), unused(), orphaned()]


def access_levels() -> piechart.Panel:
    """The share of each access level."""
    active = promql.ACTIVE
    info = promql.latest("docspace_api_key_info", promql.KEYS, "portal, key_id", "access")
    frame = Frame(
        "Access of active keys",
        "Full access, only reading, or limited to some scopes.",
        6,
        9,
        "No active key here",
    )
    return share(
        frame,
        f"count by (access) ({info} and on (portal, key_id) {active})",
        "{{access}}",
        ACCESS_COLORS,
    )


def full_without_expiry() -> table.Panel:
    """Keys that open everything, for ever."""
    unrestricted = promql.having('access="full"')
    rows = promql.longest(f"{promql.AGE} and ({unrestricted} unless {promql.EXPIRY})")
    frame = Frame(
        "Full access without expiry, oldest first",
        f"Active keys that may do everything and never end. {LIMITED}",
        18,
        9,
        "No key has full access without expiry",
    )
    age = duration("age", "Age", rows.named())
    columns: list[Column] = [PORTAL, NAME, POSTFIX, CREATOR, last_used(rows), age]
    return keys_table(frame, columns, ("Age", True))


def unused() -> table.Panel:
    """Keys that work and that nobody needs."""
    rows = promql.longest(promql.UNUSED_FOR)
    frame = Frame(
        "Active but unused for $unused_days days",
        "Active keys without a call for the chosen number of days; for a key never used the days "
        f"count from its creation. {LIMITED}",
        12,
        9,
        "Every active key was used in this time",
    )
    idle = duration("idle", "Unused for", rows.named())
    columns: list[Column] = [PORTAL, NAME, POSTFIX, CREATOR, last_used(rows), idle]
    return keys_table(frame, columns, ("Unused for", True))


def orphaned() -> table.Panel:
    """Keys that outlived their creator's account."""
    rows = promql.longest(f"{promql.AGE} and {promql.having(ORPHANED)}")
    frame = Frame(
        "Orphaned, oldest first",
        "Active keys whose creator was removed from the portal, which then shows the name "
        f"Unknown Unknown. {LIMITED}",
        12,
        9,
        "Every active key has an owner",
    )
    age = duration("age", "Age", rows.named())
    columns: list[Column] = [PORTAL, NAME, POSTFIX, ACCESS_LEVEL, last_used(rows), age]
    return keys_table(frame, columns, ("Age", True))


def what_changed() -> Panels:
    """Row 4: the course of the numbers, with marks for single keys."""
    return [keys_by_state()]


def keys_by_state() -> timeseries.Panel:
    """Active, disabled and expired keys on top of each other."""
    colors = {"active": "green", "disabled": "text", "expired": "red"}
    queries = [
        Query(promql.total(f"docspace_api_keys_{state}"), state, ref)
        for ref, state in zip("ABC", colors, strict=True)
    ]
    frame = Frame(
        "Keys by state",
        "A dip that ends is a portal that was down for a while. The marks tell of keys created "
        "(green), expired (red) and vanished from a portal that is up (purple). The last kind is "
        "exact to half an hour; over more than two days, to a hundredth of the time shown.",
        24,
        9,
    )
    return stacked(course(frame, queries, COUNT, colors))


def _counted(expr: str, name: str, ref: str) -> Query:
    return Query(f"count({expr}) or vector(0)", name, ref)


def _thresholds(steps: Steps) -> DynamicConfigValue:
    return DynamicConfigValue(id_val="thresholds", value=thresholds(steps).build())
