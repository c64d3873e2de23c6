"""Row 2 of the main dashboard: what fails now, what fails next, and the alerts that fire."""

from typing import Final

from grafana_foundation_sdk.builders import bargauge, table
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana import promql
from grafana.panels import DAYS, WORD, Frame, Query, bars
from grafana.promql import DAY, ID, NAMED, THRESHOLDS, one_each
from grafana.rows import KeyRows
from grafana.style import (
    CONDITIONS,
    HOURS,
    NEVER,
    NOW,
    QUIET,
    RUNNING_OUT,
    SOME_DAY,
    SOON,
    UNKNOWN_TEXT,
    texts,
)
from grafana.tables import (
    BACKGROUND,
    KEY,
    NOTE,
    OWNER_AND_ACCESS,
    PORTAL_NAME,
    Column,
    Number,
    Text,
    expires,
    keys_table,
    last_used,
    limited,
    table_of,
)

SEVERITIES: Final = texts({"3": ("critical", NOW), "2": ("warning", SOON), "1": ("info", QUIET)})
RULES: Final = 'alertname=~"DocSpace.*", portal=~`${portal:regex}|`'
RUNBOOK: Final = (("What to do", f"{THRESHOLDS.runbooks}/DocSpace${{__value.raw}}.md", True),)
ALERT_LABELS: Final = "alertname, severity, portal, key_id"


def what_fails() -> list[Builder[Panel]]:
    """Row 2."""
    return [failing_keys(), next_keys(), firing_alerts(), keys_by_time_left()]


def failing_keys() -> table.Panel:
    """Keys that something still uses although the portal refuses them."""
    why = (
        f'label_replace({one_each(NAMED.orphaned)}, "why", "refused", "", "")'
        f'\nor on {ID} label_replace({one_each(NAMED.expired)}, "why", "expired", "", "")'
    )
    rows = KeyRows(f"1000 * {NAMED.failing}", "No key fails now", falling=True, why=why)
    frame = Frame(
        "Keys that fail now",
        "Something uses these keys, and the portal refuses its calls. A key whose creator was "
        f"disabled or removed is listed if it was tried in the last {THRESHOLDS.tried.last}: a "
        "refused call counts as a use. An expired key is listed for "
        f"{THRESHOLDS.expired.words} if it was used until it expired. {limited()}",
        24,
        7,
    )
    columns: list[Column] = [
        KEY,
        Text("why", "Why", 145, mappings=CONDITIONS),
        Number("used", "Last tried", rows.named(), "dateTimeFromNow", 145),
        expires(rows),
        *OWNER_AND_ACCESS,
    ]
    return keys_table(frame, columns, ("Last tried", True))


def firing_alerts() -> table.Panel:
    """The bundled alerts that fire in Prometheus."""
    ranks = "\nor ".join(
        f'{rank} * ALERTS{{alertstate="firing", severity{match}, {RULES}}}'
        for rank, match in ((3, '="critical"'), (2, '="warning"'), (1, '!~"critical|warning"'))
    )
    rows = f"topk({promql.ROW_LIMIT}, max by ({ALERT_LABELS}, key_name) ({ranks}))"
    last = promql.LAST_FALLING
    # Alerts have no label with the postfix. It stays empty for alerts about portals, and for keys
    # of a portal that is down.
    postfix = promql.latest(
        "docspace_api_key_info", promql.PORTALS, "portal, key_id", "key_postfix"
    )
    known = f"{rows} * on {ID} group_left (key_postfix) {postfix}\nor on ({ALERT_LABELS}) {rows}"
    keyed = f'label_replace({promql.titled(known)}, "key", "$1", "key", "(?s)(.*) …")'
    # The name without the common prefix, which the link adds again.
    named = (
        f'label_replace({keyed}, "alert", "$1", "alertname", "DocSpace(.*)")'
        + promql.sentences("No alert of the bundled rules fires", last)
    )
    since = f"1000 * max by ({ALERT_LABELS}, key_name) (ALERTS_FOR_STATE{{{RULES}}})"
    frame = Frame(
        "Alerts that fire",
        "The bundled alerts of Prometheus. The table stays empty if Prometheus has not loaded the "
        f"rules. The name of an alert leads to its runbook. {limited('alerts')}",
        16,
        10,
    )
    columns: list[Column] = [
        NOTE,
        Text("alert", "Alert", 150, RUNBOOK, grows=True),
        Number("severity", "Severity", named, WORD, 80, mappings=SEVERITIES),
        PORTAL_NAME,
        Text("key", "Key", 100, grows=True),
        Number("since", "Since", f"{since} and {rows}", "dateTimeFromNow", 145),
    ]
    return table_of(frame, columns, (), ("Severity", True))


def next_keys() -> table.Panel:
    """Active keys, the soonest expiry first."""
    rows = KeyRows(f"{NAMED.next_to_fail} / {DAY}", "No active key expires")
    frame = Frame(
        "Keys that expire next",
        "Active keys, the soonest expiry first. As in the alerts, two kinds of keys are left out: "
        "rotated keys (a newer active key of the same creator and name lives longer), and keys "
        "with a short life of which at least a quarter is left. The name of a portal leads to its "
        f"list of keys, the name of a key to its own dashboard. {limited()}",
        24,
        10,
    )
    words = [*HOURS, *NEVER, *UNKNOWN_TEXT]
    columns: list[Column] = [
        KEY,
        Number("left", "Time left", rows.named(), DAYS, 125, RUNNING_OUT, words, BACKGROUND, 1),
        expires(rows),
        last_used(rows),
        *OWNER_AND_ACCESS,
    ]
    return keys_table(frame, columns, ("Time left", False))


def keys_by_time_left() -> bargauge.Panel:
    """How many active keys expire in each period."""
    frame = Frame(
        "Active keys by time left",
        "Each active key counts in one bar. The last three bars have the keys whose end breaks "
        "nothing: keys with a short life, rotated keys, and keys that the portal refuses already "
        "since their creator was disabled or removed.",
        8,
        10,
    )
    left = NAMED.next_to_fail
    spans = (
        ("under 1 day", 0, 1, NOW),
        ("1 to 3 days", 1, 3, NOW),
        ("3 to 7 days", 3, 7, SOON),
        ("7 to 14 days", 7, 14, SOME_DAY),
        ("14 to 30 days", 14, 30, QUIET),
        ("30 to 90 days", 30, 90, QUIET),
    )
    sets = [(name, f"{left} >= {a * DAY} < {b * DAY}", color) for name, a, b, color in spans]
    sets += [
        ("90 days or more", f"{left} >= {90 * DAY}", QUIET),
        ("no expiry", f"{NAMED.endless} unless on {ID} {QUIETER}", QUIET),
        (
            "short life",
            f"{NAMED.fresh} and on {ID} {NAMED.every} == 1 unless on {ID} {QUIETER}",
            QUIET,
        ),
        ("rotated", f"{NAMED.rotated} unless on {ID} {NAMED.orphaned}", QUIET),
        ("creator gone", NAMED.refused, QUIET),
    ]
    queries = [
        (Query(f"count({one_each(keys)})\nor 0 * count({promql.UP} == 1)", name, ref), color)
        for ref, (name, keys, color) in zip("ABCDEFGHIJK", sets, strict=True)
    ]
    return bars(frame, [*queries, (Query(promql.UNREAD, "keys", "L"), QUIET)])


QUIETER: Final = f"({NAMED.orphaned} or {NAMED.superseded})"
