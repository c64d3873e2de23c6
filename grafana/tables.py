"""Tables: instant queries merged into one, with ordered, named and coloured columns.

Each query of a table returns the same rows, so that no cell is empty after the merge. For an absent
value it returns a stand-in number, which a mapping turns into a word. Only the row with a sentence
has empty cells. Label columns have the unit `string`: else Grafana shows the postfix `12e4` as
120 K.
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
    NEVER_DATE,
    PLAIN,
    QUIET,
    SOON,
    Steps,
    texts,
    thresholds,
)

KEY_DASHBOARD_UID: Final = "docspace-api-key"
BACKGROUND: Final = "color-background"

Links: TypeAlias = tuple[tuple[str, str, bool], ...]

# Variables and time range that links between the dashboards keep.
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

    `width` is in pixels. With `grows` it is the minimum, and the column takes a share of the free
    space.
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
    """A column with the values of one query."""

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
    """A table with the columns in this order.

    `hidden` are labels that only links use. `sort` is the title of a column, and True if its values
    fall.
    """
    numbers = [column for column in columns if isinstance(column, Number)]
    queries = instant([Query(n.expr, n.title, n.ref) for n in numbers], PromQueryFormat.TABLE)
    panel = framed(table.Panel(), frame, "string", PLAIN, queries)
    # For the empty cells of the row with a sentence: the panel's own text is for a failed query.
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
                # `Value`: Grafana 9 calls the column so if only one query has a result.
                "excludeByName": dict.fromkeys(["Time", "Value", *unused], True),
                "indexByName": {field: index for index, field in enumerate(order)},
                "renameByName": dict(zip(fields, (c.title for c in columns), strict=True)),
            },
        ),
    ]


def _hide() -> list[DynamicConfigValue]:
    """The column is hidden, but links can use it. Grafana 12 has another name for the option."""
    return [
        DynamicConfigValue(id_val="custom.hidden", value=True),
        DynamicConfigValue(
            id_val="custom.hideFrom", value={"viz": True, "legend": False, "tooltip": False}
        ),
    ]


def _cell(kind: str) -> list[DynamicConfigValue]:
    """How a cell is coloured. Grafana 9 reads the second option."""
    background = kind == BACKGROUND
    options = {"type": kind, "mode": "basic"} if background else {"type": kind}
    return [
        DynamicConfigValue(id_val="custom.cellOptions", value=options),
        DynamicConfigValue(
            id_val="custom.displayMode", value=f"{kind}-solid" if background else kind
        ),
    ]


def _width(width: int, *, grows: bool = False) -> DynamicConfigValue:
    return DynamicConfigValue(id_val="custom.minWidth" if grows else "custom.width", value=width)


# Labels of queries that are not columns in every table.
LABELS: Final = (
    *("key_id", "key_name", "key_postfix", "creator", "creator_status", "access", "permissions"),
    *("url", "alertname", "severity"),
)
# The sentence of a table without rows. A table with rows does not have this column.
NOTE: Final = Text(NOTED, "Note", 1, grows=True)
KEY: Final = Text("key", "Key", 180, KEY_PAGE, grows=True)
PORTAL: Final = Text("portal", "Portal", 110, PORTAL_PAGE)
PORTAL_NAME: Final = Text("portal", "Portal", 95)
CREATOR: Final = Text("creator", "Creator", 95, grows=True)
CREATOR_STATUS: Final = Text("creator_status", "Creator is", 90)
ALL_PERMISSIONS: Final = texts({"*": ("all", QUIET)})
PERMISSIONS: Final = Text("permissions", "Permissions", 90, (), ALL_PERMISSIONS, grows=True)
PERMISSIONS_AT_LENGTH: Final = replace(PERMISSIONS, width=190)
ACCESS_COLORS: Final = {"full": SOON, "limited": "blue", "read": "green"}
ACCESS_LEVEL: Final = Text("access", "Access", 75)
#: The last columns of most tables of keys.
OWNER_AND_ACCESS: Final = (PORTAL, CREATOR, ACCESS_LEVEL, PERMISSIONS)


def last_used(rows: KeyRows) -> Number:
    """The time since each key was used."""
    expr = rows.last_used()
    return Number("used", "Last used", expr, "dateTimeFromNow", 145, mappings=NEVER_USED)


NEVER_USED: Final = texts({"0": ("never", QUIET)})


def expires(rows: KeyRows) -> Number:
    """The date on which each key expires."""
    return Number("expires", "Expires", rows.expires(), DATE, 140, mappings=NEVER_DATE)


def duration(ref: str, title: str, expr: str) -> Number:
    """A number of past days."""
    return Number(ref, title, expr, DAYS, 115, PLAIN, HOURS, decimals=0)


def limited(things: str = "keys") -> str:
    """The end of a table's description."""
    return f"Lists at most {ROW_LIMIT} {things}; choose portals or part of a name to see others."


def keys_table(frame: Frame, columns: Sequence[Column], sort: tuple[str, bool]) -> table.Panel:
    """A table of keys; the query of its first number column has the labels."""
    return table_of(frame, [NOTE, *columns], ("key_id", "url"), sort)
