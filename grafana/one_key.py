"""The second dashboard: one key."""

from typing import Final

from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana import promql
from grafana.panels import DATE, DAYS, Frame, Query, course, figure, sentence, states
from grafana.promql import DAY, NEVER_MILLISECONDS, Keys, number, one_each
from grafana.rows import Rows
from grafana.style import (
    HOURS,
    NEVER_DATE,
    NONE,
    NOW,
    QUIET,
    SOME_DAY,
    TEXT_RUNNING_OUT,
    UNKNOWN_TEXT_DATE,
    between,
    texts,
)
from grafana.tables import (
    ACCESS_LEVEL,
    CREATOR,
    CREATOR_STATUS,
    NEVER_USED,
    NOTE,
    PERMISSIONS_AT_LENGTH,
    PORTAL,
    Column,
    Number,
    Text,
    table_of,
)

KEYS: Final = Keys(promql.ONE_KEY)
LABELS: Final = "key_name, key_postfix, creator, creator_status, access, permissions"
INFO: Final = promql.latest("docspace_api_key_info", promql.ONE_KEY, "portal, key_id", LABELS)

# Each state: its number in the graph, its sentence, its keys, and its colours in the sentence and
# in the graph. A key has the first state whose keys include it.
STATES: Final = (
    (
        3,
        "The portal refuses it, since its creator was disabled or removed.",
        KEYS.refused,
        NOW,
        NOW,
    ),
    (2, "It has expired.", KEYS.expired, NOW, NOW),
    (0, "It is switched off.", KEYS.disabled, SOME_DAY, SOME_DAY),
    (4, "It was rotated: a newer key of its name outlives it.", KEYS.rotated, QUIET, "purple"),
    (1, "It is active.", KEYS.active, QUIET, "green"),
)
NAMES: Final = {0: "disabled", 1: "active", 2: "expired", 3: "creator gone", 4: "rotated"}
STATE: Final = "(" + "\nor ".join(f"{keys} * 0 + {value}" for value, _, keys, _, _ in STATES) + ")"
GONE: Final = "The portal does not list this key now"


def panels() -> list[Builder[Panel]]:
    """All panels, left to right and top to bottom."""
    return [
        in_words(),
        created(),
        last_used(),
        expires(),
        time_left(),
        description(),
        state_over_time(),
        time_left_over_time(),
        use_over_time(),
    ]


def in_words() -> stat.Panel:
    """One sentence about the key, in the colour of its state."""
    frame = Frame("This key", "What the key may do, and whether it works now.", 24, 3)
    is_now = "\nor on (portal, key_id) ".join(
        f'label_replace({one_each(keys)} * 0 + {value}, "is", ". {words}", "", "")'
        for value, words, keys, _, _ in STATES
    )
    parts = promql.titled(INFO)
    for label, text, source, pattern in (
        ("at", " on $1", "portal", "(.*)"),
        ("by", ", created by $1,", "creator", "(.+)"),
        ("may", " may do all that its creator can", "access", "full"),
        ("may", " may read", "access", "read"),
        ("may", " may do some things", "access", "limited"),
    ):
        parts = f'label_replace({parts}, "{label}", "{text}", "{source}", "(?s){pattern}")'
    joined = f"{parts}\n* on (portal, key_id) group_left (is) ({is_now})"
    text = f'label_join({joined}, "text", "", "key", "at", "by", "may", "is")'
    expr = f"max by (text) ({text})" + promql.sentences(GONE, promql.UNKNOWN, "text")
    colors = texts({str(value): (NAMES[value], color) for value, _, _, color, _ in STATES})
    return sentence(frame, expr, "{{text}}", colors)


def created() -> stat.Panel:
    """The date of creation."""
    frame = Frame("Created", "When the key was created, by the clock of the portal.", 6, 3)
    expr = _listed(f"max({KEYS.created}) * 1000 or max({KEYS.every}) * 0 + {promql.UNKNOWN}")
    return figure(frame, expr, unit=DATE)


def last_used() -> stat.Panel:
    """How long ago the key was used."""
    frame = Frame("Last used", "When the key was last used. A refused call counts too.", 6, 3)
    expr = _listed(f"max({KEYS.last_used}) * 1000 or max({KEYS.every}) * 0")
    return figure(frame, expr, unit="dateTimeFromNow", mappings=NEVER_USED)


def expires() -> stat.Panel:
    """The date of expiry."""
    frame = Frame("Expires", "When the key stops working, by the clock of the portal.", 6, 3)
    never = number(NEVER_MILLISECONDS)
    expr = _listed(f"max({KEYS.expiry}) * 1000 or max({KEYS.every}) * 0 + {never}")
    return figure(frame, expr, unit=DATE, mappings=NEVER_DATE)


def time_left() -> stat.Panel:
    """The time until the key expires."""
    frame = Frame("Time left", "The time until the key expires; a dash if it never expires.", 6, 3)
    never = number(promql.NEVER_SECONDS)
    left = f"(max({KEYS.expiry} - time()) or max({KEYS.every}) * 0 + {never}) / {DAY}"
    words = [*between(promql.NEVER_SECONDS / DAY / 2, 1e6, "-"), *HOURS]
    # -100 is below `UNKNOWN` and `NOT_SCRAPED`, which have texts of their own.
    expired = between(-1e6, -3, "expired", NOW)
    return figure(
        frame,
        _listed(f"({left} < 0) * 0 - 100 or {left}"),
        TEXT_RUNNING_OUT,
        unit=DAYS,
        mappings=[*expired, *words],
    ).decimals(1)


def _listed(expr: str) -> str:
    return f"{expr}\nor 0 * count({promql.UP}) + {promql.UNKNOWN}\nor vector({promql.NOT_SCRAPED})"


def description() -> table.Panel:
    """The labels of the key, with its creation and last use."""
    frame = Frame(
        "What it is and may do",
        "The permissions are DocSpace's scopes; all means full access. A key acts as its creator: "
        "the portal refuses it once that person is disabled or removed.",
        24,
        4,
    )
    listed = one_each(KEYS.every)
    rows = Rows(listed, listed)
    used = rows.each(one_each(f"{KEYS.last_used} * 1000"), 0)
    columns: list[Column] = [
        NOTE,
        Text("key", "Key", 150, grows=True),
        PORTAL,
        CREATOR,
        CREATOR_STATUS,
        ACCESS_LEVEL,
        PERMISSIONS_AT_LENGTH,
        Number("created", "Created", _labelled(rows), DATE, 140, mappings=UNKNOWN_TEXT_DATE),
        Number("used", "Last used", used, DATE, 140, mappings=NEVER_USED),
    ]
    return table_of(frame, columns, ("key_id", "url"), ("Key", False))


def _labelled(rows: Rows) -> str:
    """The creation in milliseconds, or `UNKNOWN`, with the labels that become columns."""
    url = promql.latest("docspace_portal_info", promql.PORTALS, "portal", "url")
    made = rows.each(one_each(f"{KEYS.created} * 1000"), promql.UNKNOWN)
    return (
        f"{promql.titled(INFO)}\n* on (portal) group_left (url) {url}"
        f"\n* on (portal, key_id) group_left () ({made})"
        + promql.sentences(GONE, promql.LAST_RISING)
    )


def state_over_time() -> statetimeline.Panel:
    """The states of the key over time."""
    frame = Frame("State over time", "A gap means that the portal did not answer.", 24, 4)
    colors = {str(value): (NAMES[value], color) for value, _, _, _, color in STATES}
    colors[f"{promql.UNKNOWN:g}"] = ("not listed", NONE)
    expr = f"{promql.titled(INFO)}\n* on (portal, key_id) group_left () {STATE}"
    queries = [
        Query(expr, "{{key}}", "A"),
        # Without a series, Grafana would show an error text of its own.
        Query(f"vector({promql.UNKNOWN}) unless on () {INFO}", "Not listed", "B"),
    ]
    return states(frame, queries, texts(colors))


def time_left_over_time() -> timeseries.Panel:
    """A line that falls to 0, and jumps when the expiry date changes."""
    frame = Frame(
        "Days until it expires",
        "0 means that the key has expired.",
        12,
        8,
        "No expiry in this time",
    )
    expr = f"clamp_min(max({KEYS.expiry}) - time(), 0) / {DAY}"
    return course(frame, [Query(expr, "until expiry")], DAYS)


def use_over_time() -> timeseries.Panel:
    """A line that rises, and falls to 0 with each use."""
    frame = Frame(
        "Days since it was used",
        "Falls to 0 when the key is used. Uses between two scrapes are seen as one.",
        12,
        8,
        "No use in this time",
    )
    expr = f"clamp_min(time() - max({KEYS.last_used}), 0) / {DAY}"
    return course(frame, [Query(expr, "since the last use")], DAYS).axis_soft_max(1)
