"""Tables: instant queries merged into one, columns ordered, named and coloured.

Each query of a table answers for the same rows, so that after the merge no cell is empty; what a
row does not have is a stand-in number that a mapping turns into a word. The one exception is the
row that holds a sentence: there every other cell is blank. Label columns have the unit `string`,
or Grafana would print the postfix `12e4` as 120 K.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    ValueMapping,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.panels import DATE, DAYS, Frame, Query, framed, instant
from grafana.promql import NOTED, ROW_LIMIT
from grafana.rows import KeyRows
from grafana.style import (
    BLANK,
    HOURS,
    NEVER,
    NEVER_DATE,
    PLAIN,
    QUIET,
    RUNNING_OUT,
    SOON,
    UNKNOWN_TEXT,
    Steps,
    texts,
    thresholds,
)

KEY_DASHBOARD_UID: Final = "docspace-api-key"

Links: TypeAlias = tuple[tuple[str, str, bool], ...]

# Choices and time range that a link within the dashboards keeps.
KEPT: Final = "${datasource:queryparam}&${job:queryparam}&${__url_time_range}"
PORTAL_PAGE: Final[Links] = (
    ("Open the portal's list of keys", "${__data.fields.url:raw}/developer-tools/api-keys", True),
)
KEY_PAGE: Final[Links] = (
    (
        "Open the dashboard of this key",
        (
            f"/d/{KEY_DASHBOARD_UID}/{KEY_DASHBOARD_UID}?{KEPT}"
            "&var-portal=${__data.fields.portal:percentencode}&var-key_id=${__data.fields.key_id}"
        ),
        False,
    ),
)


@dataclass(frozen=True)
class Text:
    """A column from a label of the first query.

    `width` is in pixels; with `grows` it is the least, and the column takes a share of the space
    that the others leave.
    """

    label: str
    title: str
    width: int
    links: Links = ()
    mappings: Sequence[ValueMapping] = ()
    grows: bool = False
    filterable: bool = False

    @property
    def properties(self) -> list[DynamicConfigValue]:
        """The field options that differ from the table's."""
        found = [_width(self.width, grows=self.grows)]
        if self.links:
            links = [{"title": t, "url": u, "targetBlank": blank} for t, u, blank in self.links]
            found.append(DynamicConfigValue(id_val="links", value=links))
        if self.mappings:
            found.append(DynamicConfigValue(id_val="mappings", value=self.mappings))
            found.extend(_cell("color-text"))
        if self.filterable:
            found.append(DynamicConfigValue(id_val="custom.filterable", value=True))
        return found


@dataclass(frozen=True)
class Number:
    """A column from the values of a query of its own."""

    ref: str
    title: str
    expr: str
    unit: str
    width: int
    steps: Steps = PLAIN
    mappings: Sequence[ValueMapping] = ()
    cell: str = "color-text"
    decimals: int | None = None

    @property
    def properties(self) -> list[DynamicConfigValue]:
        """The field options that differ from the table's."""
        found = [
            DynamicConfigValue(id_val="unit", value=self.unit),
            DynamicConfigValue(id_val="thresholds", value=thresholds(self.steps).build()),
            DynamicConfigValue(id_val="mappings", value=[*BLANK, *self.mappings]),
            DynamicConfigValue(id_val="custom.align", value="left"),
            *_cell(self.cell),
            _width(self.width),
        ]
        if self.decimals is not None:
            found.append(DynamicConfigValue(id_val="decimals", value=self.decimals))
        return found


Column: TypeAlias = Text | Number


def table_of(
    frame: Frame, columns: Sequence[Column], hidden: Sequence[str], sort: tuple[str, bool]
) -> table.Panel:
    """A table of the columns in the order given.

    `hidden` names labels that links need and nobody reads; `sort` is a column's title and whether
    it falls.
    """
    numbers = [column for column in columns if isinstance(column, Number)]
    queries = instant([Query(n.expr, n.title, n.ref) for n in numbers], PromQueryFormat.TABLE)
    panel = framed(table.Panel(), frame, "string", PLAIN, queries)
    # Only the row of a sentence has empty cells; the panel's own text is for a failed query.
    panel = panel.override_by_regexp(".*", [DynamicConfigValue(id_val="noValue", value=" ")])
    for column in columns:
        panel = panel.override_by_name(column.title, column.properties)
    for label in hidden:
        panel = panel.override_by_name(label, _hide())
    return (
        panel.transformations(_arranged(columns, hidden))
        .sort_by([common.TableSortByFieldState().display_name(sort[0]).desc(sort[1])])
        .cell_height(kinds.TableCellHeight.SM)
    )


def _arranged(columns: Sequence[Column], hidden: Sequence[str]) -> list[DataTransformerConfig]:
    fields = [c.label if isinstance(c, Text) else f"Value #{c.ref}" for c in columns]
    order = [*fields, *hidden]
    unused = [label for label in LABELS if label not in order]
    return [
        DataTransformerConfig(id_val="merge", options={}),
        DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": dict.fromkeys(["Time", *unused], True),
                "indexByName": {field: index for index, field in enumerate(order)},
                "renameByName": dict(zip(fields, (c.title for c in columns), strict=True)),
            },
        ),
    ]


def _hide() -> list[DynamicConfigValue]:
    """Out of sight but within reach of links; Grafana 12 renamed the option."""
    return [
        DynamicConfigValue(id_val="custom.hidden", value=True),
        DynamicConfigValue(
            id_val="custom.hideFrom", value={"viz": True, "legend": False, "tooltip": False}
        ),
    ]


def _cell(kind: str) -> list[DynamicConfigValue]:
    """How a cell is coloured: the second option is that of Grafana 9."""
    background = kind == "color-background"
    options = {"type": kind, "mode": "basic"} if background else {"type": kind}
    return [
        DynamicConfigValue(id_val="custom.cellOptions", value=options),
        DynamicConfigValue(
            id_val="custom.displayMode", value=f"{kind}-solid" if background else kind
        ),
    ]


def _width(width: int, *, grows: bool = False) -> DynamicConfigValue:
    return DynamicConfigValue(id_val="custom.minWidth" if grows else "custom.width", value=width)


# Labels of queries, of which a table has columns for some only.
LABELS: Final = (
    *("key_id", "key_name", "key_postfix", "creator", "creator_status", "access", "permissions"),
    *("url", "alertname", "severity"),
)
# The sentence of a table without rows, alone in a column that leads nowhere. With rows there is no
# such column.
NOTE: Final = Text(NOTED, "Note", 1, grows=True)
KEY: Final = Text("key", "Key", 180, KEY_PAGE, grows=True)
PORTAL: Final = Text("portal", "Portal", 110, PORTAL_PAGE)
PORTAL_NAME: Final = Text("portal", "Portal", 95)
CREATOR: Final = Text("creator", "Creator", 95, grows=True)
CREATOR_STATUS: Final = Text("creator_status", "Creator is", 90)
ALL_PERMISSIONS: Final = texts({"*": ("all", QUIET)})
PERMISSIONS: Final = Text("permissions", "Permissions", 90, (), ALL_PERMISSIONS, grows=True)
PERMISSIONS_AT_LENGTH: Final = replace(PERMISSIONS, width=230)
ACCESS_COLORS: Final = {"full": SOON, "limited": "blue", "read": "green"}
ACCESS_LEVEL: Final = Text("access", "Access", 75)
#: The last columns of most tables of keys.
OWNER_AND_ACCESS: Final = (PORTAL, CREATOR, ACCESS_LEVEL, PERMISSIONS)


def last_used(rows: KeyRows, title: str = "Last used") -> Number:
    """How long ago each key was used."""
    expr = rows.last_used()
    return Number("used", title, expr, "dateTimeFromNow", 145, mappings=NEVER_USED)


NEVER_USED: Final = texts({"0": ("never", QUIET)})


def expires(rows: KeyRows) -> Number:
    """The date each key expires on."""
    return Number("expires", "Expires", rows.expires(), DATE, 140, mappings=NEVER_DATE)


def time_left(ref: str, title: str, expr: str) -> Number:
    """Days that turn red as they run out."""
    words = [*HOURS, *NEVER, *UNKNOWN_TEXT]
    return Number(ref, title, expr, DAYS, 125, RUNNING_OUT, words, "color-background", 1)


def duration(ref: str, title: str, expr: str) -> Number:
    """Days that have passed."""
    return Number(ref, title, expr, DAYS, 95, PLAIN, HOURS, decimals=0)


def limited(things: str = "keys") -> str:
    """The end of a table's description."""
    return f"Lists at most {ROW_LIMIT} {things}; choose portals or part of a name to see others."


def keys_table(frame: Frame, columns: Sequence[Column], sort: tuple[str, bool]) -> table.Panel:
    """A table of keys: the first number column carries the labels."""
    return table_of(frame, [NOTE, *columns], ("key_id", "url"), sort)
