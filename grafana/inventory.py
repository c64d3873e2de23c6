"""Row 5 of the main dashboard: the table of all keys, in the chosen state."""

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana import promql, shown
from grafana.panels import DAYS, Frame
from grafana.promql import DAY, ID, NAMED, one_each
from grafana.rows import KeyRows
from grafana.style import CONDITIONS, HOURS, NEVER, PLAIN, between
from grafana.tables import (
    ACCESS_LEVEL,
    CREATOR,
    KEY,
    PERMISSIONS,
    PORTAL,
    Column,
    Number,
    Text,
    duration,
    keys_table,
    last_used,
    limited,
)


def which_keys_are_there() -> list[Builder[Panel]]:
    """Row 5."""
    return [every_key()]


def every_key() -> table.Panel:
    """The keys of the chosen kind, the newest first as in a portal's own list."""
    newest = f"({NAMED.age} and on {ID} {shown.CHOSEN}) / {DAY}"
    rows = KeyRows(newest, "No such key", why=_states())
    frame = Frame(
        "Keys: ${show:text}",
        "The keys chosen at the top under Keys listed, the newest first. A key is rotated if a "
        "newer active key of the same creator and name lives longer. A key is disabled if a "
        f"person switched it off. {limited()}",
        24,
        12,
    )
    columns: list[Column] = [
        KEY,
        Text("why", "State", 105, mappings=CONDITIONS, grows=True, filterable=True),
        time_left(rows),
        last_used(rows),
        PORTAL,
        CREATOR,
        ACCESS_LEVEL,
        PERMISSIONS,
        duration("age", "Age", rows.named()),
    ]
    return keys_table(frame, columns, ("Age", False))


def _states() -> str:
    """Each key with its state as the label `why`: the first that applies, so in this order."""
    states = {
        "expired": NAMED.expired,
        "disabled": f"({NAMED.every} == 0)",
        "refused": NAMED.orphaned,
        "rotated": NAMED.superseded,
        "active": NAMED.every,
    }
    return f"\nor on {ID} ".join(
        f'label_replace({one_each(keys)}, "why", "{state}", "", "")'
        for state, keys in states.items()
    )


def time_left(rows: KeyRows) -> Number:
    """Days, without colour: the table has rotated and short-lived keys too."""
    left = rows.each(f"({NAMED.expiry} - time()) / {DAY}", promql.NEVER_SECONDS / DAY)
    words = [*between(-1e6, 0, "expired"), *HOURS, *NEVER]
    return Number("left", "Time left", left, DAYS, 115, PLAIN, words, decimals=1)
