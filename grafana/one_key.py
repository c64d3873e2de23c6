"""The second dashboard: one key."""

from typing import Final

from grafana_foundation_sdk.builders import gauge, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel, ValueMapping

from grafana import promql
from grafana.panels import WORD, Frame, Query, course, dial, fact, states
from grafana.style import NEVER, NEVER_DATE, PLAIN, RUNNING_OUT, Steps, texts
from grafana.tables import (
    ACCESS_LEVEL,
    CREATOR,
    PORTAL_PAGE,
    POSTFIX,
    Column,
    Number,
    Text,
    superseded,
    table_of,
)

Panels = list[Builder[Panel]]

ACTIVE: Final = promql.one("docspace_api_key_active")
EXPIRY: Final = promql.one("docspace_api_key_expiry_timestamp_seconds")
CREATED: Final = promql.one("docspace_api_key_created_timestamp_seconds")
LAST_USED: Final = promql.one("docspace_api_key_last_used_timestamp_seconds")
INFO: Final = promql.latest(
    "docspace_api_key_info",
    promql.ONE_KEY,
    "portal, key_id",
    "key_name, key_postfix, creator, access, permissions",
)

UNTOLD_DATE: Final = texts({"0": ("unknown", "text")})
GONE: Final = "The portal does not list this key now"
STATE: Final = texts(
    {
        "-1": ("not listed", "text"),
        "0": ("disabled", "yellow"),
        "1": ("active", "green"),
        "2": ("expired", "red"),
    }
)


def panels() -> Panels:
    """All panels, left to right and top to bottom."""
    return [
        state(),
        time_left(),
        expires(),
        life_used(),
        last_used(),
        description(),
        state_over_time(),
        time_left_over_time(),
        use_over_time(),
    ]


def _absent(text: str, value: str = "-1") -> list[ValueMapping]:
    return texts({value: (text, "text")})


def _state() -> str:
    return f"({EXPIRY} <= time()) * 0 + 2 or {ACTIVE}"


def state() -> stat.Panel:
    """Active, disabled, expired, or gone."""
    frame = Frame("State", "Whether the key works now.", 4, 5)
    return fact(frame, f"{_state()} or vector(-1)", WORD, PLAIN, STATE)


def time_left() -> stat.Panel:
    """How long the key still works."""
    frame = Frame("Time left", "Time until the key expires.", 5, 5)
    never = promql.number(promql.NEVER_SECONDS)
    expr = f"clamp_min({EXPIRY} - time(), 0) or {ACTIVE} * 0 + {never} or vector(-1)"
    words = texts({"-1": ("not listed", "text"), "0": ("expired", "red")})
    return fact(frame, expr, "dtdurations", RUNNING_OUT, [*words, *NEVER])


def expires() -> stat.Panel:
    """The date of expiry."""
    frame = Frame("Expires", "The moment the key stops working.", 5, 5)
    never = promql.number(promql.NEVER_MILLISECONDS)
    expr = f"{EXPIRY} * 1000 or {ACTIVE} * 0 + {never} or vector(-1)"
    return fact(frame, expr, "dateTimeAsIso", PLAIN, [*_absent("not listed"), *NEVER_DATE])


def life_used() -> gauge.Panel:
    """The part of its life that the key has behind it."""
    frame = Frame(
        "Life used", "The part of the time from creation to expiry that has passed.", 5, 5
    )
    used = f"clamp((time() - {CREATED}) / ({EXPIRY} - {CREATED}), 0, 1)"
    words = texts({"-2": ("not listed", "text"), "-1": ("no end", "blue")})
    steps: Steps = ((None, "green"), (0.75, "yellow"), (0.9, "orange"), (0.97, "red"))
    return dial(frame, f"{used} or {ACTIVE} * 0 - 1 or vector(-2)", steps, words)


def last_used() -> stat.Panel:
    """How long ago the key was used."""
    frame = Frame("Last used", "When a call was last made with the key.", 5, 5)
    words = texts({"-1": ("not listed", "text"), "0": ("never", "yellow")})
    expr = f"{LAST_USED} * 1000 or {ACTIVE} * 0 or vector(-1)"
    return fact(frame, expr, "dateTimeFromNow", PLAIN, words)


def description() -> table.Panel:
    """Name, creator and permissions in words."""
    frame = Frame(
        "What it is and may do",
        "The permissions are DocSpace's scopes; * stands for full access. A superseded "
        "key was rotated: a newer active key of the same creator and name outlives it.",
        24,
        4,
        GONE,
    )
    listed = _of_key("docspace_api_key_info")
    rows = promql.Rows(listed, listed)
    columns: list[Column] = [
        Text("portal", "Portal", 160, PORTAL_PAGE),
        Text("key_name", "Name", 220),
        POSTFIX,
        CREATOR,
        ACCESS_LEVEL,
        Text("permissions", "Permissions"),
        Number("created", "Created", _labelled(rows), "dateTimeAsIso", 170, mappings=UNTOLD_DATE),
        superseded(rows.each(_of_key("docspace_api_key_superseded"), 0)),
    ]
    return table_of(frame, columns, ("key_id", "url"), ("Name", False))


def _labelled(rows: promql.Rows) -> str:
    """The creation in milliseconds, 0 where unknown, with all that is known in words."""
    url = promql.latest("docspace_portal_info", promql.PORTALS, "portal", "url")
    created = f"{_of_key('docspace_api_key_created_timestamp_seconds')} * 1000"
    return (
        f"{INFO}\n* on (portal) group_left (url) {url}"
        f"\n* on (portal, key_id) group_left () ({rows.each(created, 0)})"
    )


def _of_key(metric: str) -> str:
    return f"max by (portal, key_id) ({metric}{{{promql.ONE_KEY}}})"


def state_over_time() -> statetimeline.Panel:
    """The states the key went through."""
    frame = Frame("State over time", "Gaps are times without an answer.", 24, 5, GONE)
    return states(frame, [Query(_state(), "state")], STATE)


def time_left_over_time() -> timeseries.Panel:
    """A line that falls to 0, and jumps when the expiry is moved."""
    frame = Frame("Time left over time", "Time until expiry.", 12, 8, "This key has no expiry")
    return course(frame, [Query(f"clamp_min({EXPIRY} - time(), 0)", "time left")], "s")


def use_over_time() -> timeseries.Panel:
    """A saw: it falls to 0 with each use."""
    frame = Frame(
        "Time since last use",
        "Falls to 0 with each use, as far as the scrapes can tell, and climbs between.",
        12,
        8,
        "This key was never used",
    )
    return course(frame, [Query(f"clamp_min(time() - {LAST_USED}, 0)", "since last use")], "s")
