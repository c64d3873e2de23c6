"""Row 3 of the main dashboard: keys with full access, unused keys, keys without a creator."""

from grafana_foundation_sdk.builders import piechart, table
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana import promql
from grafana.panels import Frame, share
from grafana.promql import DAY, ID, NAMED
from grafana.rows import KeyRows
from grafana.tables import (
    ACCESS_COLORS,
    CREATOR,
    CREATOR_STATUS,
    KEY,
    NEVER_USED,
    OWNER_AND_ACCESS,
    PORTAL,
    Column,
    Number,
    duration,
    expires,
    keys_table,
    last_used,
    limited,
)


def what_is_dangerous() -> list[Builder[Panel]]:
    """Row 3."""
    return [access_levels(), full_without_expiry(), unused(), orphaned()]


def access_levels() -> piechart.Panel:
    """The share of each access level."""
    info = f"max by (portal, key_id, access) (docspace_api_key_info{{{promql.KEYS}}})"
    frame = Frame(
        "Access of active keys",
        "Active keys with full access, for reading only, or limited to some scopes.",
        6,
        9,
        "-",
    )
    counts = f"count by (access) ({info} and on {ID} {NAMED.active})"
    expr = counts + promql.sentences("No active key", 0, "access")
    return share(frame, expr, "{{access}}", ACCESS_COLORS)


def full_without_expiry() -> table.Panel:
    """Active keys with full access that never expire."""
    age = f"({NAMED.age} and on {ID} {NAMED.full_access} unless on {ID} {NAMED.expiry}) / {DAY}"
    rows = KeyRows(age, "No key has full access without expiry", falling=True)
    frame = Frame(
        "Full access without expiry, oldest first",
        f"Active keys that may do all that their creator may, and that never expire. {limited()}",
        18,
        9,
    )
    columns: list[Column] = [
        KEY,
        duration("age", "Age", rows.named()),
        last_used(rows),
        PORTAL,
        CREATOR,
    ]
    return keys_table(frame, columns, ("Age", True))


def unused() -> table.Panel:
    """Active keys that were not used for the chosen number of days."""
    rows = KeyRows(
        f"{NAMED.unused} / {DAY}", "Every active key was used in this time", falling=True
    )
    frame = Frame(
        "Active but unused for $unused_days days",
        "Active keys that were not used for the chosen number of days. For a key that was never "
        f"used, the days count from its creation. {limited()}",
        24,
        7,
    )
    columns: list[Column] = [
        KEY,
        duration("idle", "Unused for", rows.named()),
        last_used(rows),
        expires(rows),
        *OWNER_AND_ACCESS,
    ]
    return keys_table(frame, columns, ("Unused for", True))


def orphaned() -> table.Panel:
    """Active keys whose creator was disabled or removed."""
    used = f"1000 * (({NAMED.last_used} or {NAMED.every} * 0) and on {ID} {NAMED.refused})"
    rows = KeyRows(used, "No key has lost its creator", falling=True)
    frame = Frame(
        "Creator disabled or removed",
        "Active keys that the portal refuses, since a key acts as its creator. The last tried key "
        "comes first. Delete keys that nothing uses; replace the others by keys of a service "
        f"account. {limited()}",
        24,
        7,
    )
    columns: list[Column] = [
        KEY,
        Number("used", "Last tried", rows.named(), "dateTimeFromNow", 145, mappings=NEVER_USED),
        CREATOR_STATUS,
        expires(rows),
        *OWNER_AND_ACCESS,
    ]
    return keys_table(frame, columns, ("Last tried", True))
