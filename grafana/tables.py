"""Tables: instant queries merged into one, columns ordered, named and coloured.

Each query of a table answers for the same rows, so that after the merge no cell is empty; what a
row does not have is a stand-in number that a mapping turns into a word. Label columns have the unit
`string`, or Grafana would print the postfix `12e4` as 120 K.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    ValueMapping,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.panels import WORD, Frame, Query, framed, instant
from grafana.promql import KeyRows
from grafana.style import NEVER, NEVER_DATE, PLAIN, RUNNING_OUT, Steps, texts, thresholds

KEY_DASHBOARD_UID: Final = "docspace-api-key"

Links: TypeAlias = tuple[tuple[str, str, bool], ...]

PORTAL_PAGE: Final[Links] = (
    ("Open the portal's list of keys", "${__data.fields.url:raw}/developer-tools/api-keys", True),
)
KEY_PAGE: Final[Links] = (
    (
        "Open the dashboard of this key",
        (
            f"/d/{KEY_DASHBOARD_UID}/{KEY_DASHBOARD_UID}"
            "?${datasource:queryparam}&${job:queryparam}"
            "&var-portal=${__data.fields.portal:percentencode}&var-key_id=${__data.fields.key_id}"
        ),
        False,
    ),
)

ACCESS_COLORS: Final = {"full": "orange", "limited": "blue", "read": "green"}
ACCESS: Final = texts({access: (access, color) for access, color in ACCESS_COLORS.items()})
SUPERSEDED: Final = texts({"0": ("-", "text"), "1": ("rotated", "purple")})


@dataclass(frozen=True)
class Text:
    """A column from a label of the first query."""

    label: str
    title: str
    width: int | None = None
    links: Links = ()
    mappings: Sequence[ValueMapping] = ()

    @property
    def properties(self) -> list[DynamicConfigValue]:
        """The field options that differ from the table's."""
        found = _width(self.width)
        if self.links:
            links = [{"title": t, "url": u, "targetBlank": blank} for t, u, blank in self.links]
            found.append(DynamicConfigValue(id_val="links", value=links))
        if self.mappings:
            found.append(DynamicConfigValue(id_val="mappings", value=self.mappings))
            found.append(_cell("color-text"))
        return found


@dataclass(frozen=True)
class Number:
    """A column from the values of a query of its own."""

    ref: str
    title: str
    expr: str
    unit: str
    width: int | None = None
    steps: Steps = PLAIN
    mappings: Sequence[ValueMapping] = ()
    cell: str = "auto"

    @property
    def properties(self) -> list[DynamicConfigValue]:
        """The field options that differ from the table's."""
        found = [
            DynamicConfigValue(id_val="unit", value=self.unit),
            DynamicConfigValue(id_val="thresholds", value=thresholds(self.steps).build()),
            DynamicConfigValue(id_val="custom.align", value="left"),
            _cell(self.cell),
            *_width(self.width),
        ]
        if self.unit == "dtdurations":
            # One unit beside the largest: "3 weeks, 2 days".
            found.append(DynamicConfigValue(id_val="decimals", value=1))
        if self.mappings:
            found.append(DynamicConfigValue(id_val="mappings", value=self.mappings))
        return found


Column: TypeAlias = Text | Number


def table_of(
    frame: Frame,
    columns: Sequence[Column],
    hidden: Sequence[str],
    sort: tuple[str, bool],
) -> table.Panel:
    """A table of the columns in the order given.

    `hidden` names labels that links need and nobody reads; `sort` is a column's title and whether
    it falls.
    """
    numbers = [column for column in columns if isinstance(column, Number)]
    queries = instant([Query(n.expr, n.title, n.ref) for n in numbers], PromQueryFormat.TABLE)
    panel = framed(table.Panel(), frame, "string", PLAIN, queries)
    panel = panel.override_by_regexp(
        ".*",
        [
            DynamicConfigValue(id_val="noValue", value="-"),
            DynamicConfigValue(id_val="custom.filterable", value=True),
        ],
    )
    for column in columns:
        if column.properties:
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
    return [
        DataTransformerConfig(id_val="merge", options={}),
        DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True},
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


def _cell(kind: str) -> DynamicConfigValue:
    options = {"type": kind, "mode": "basic"} if kind == "color-background" else {"type": kind}
    return DynamicConfigValue(id_val="custom.cellOptions", value=options)


def _width(width: int | None) -> list[DynamicConfigValue]:
    """A fixed width, or all that the others leave: no less than fits a name."""
    if width is None:
        return [DynamicConfigValue(id_val="custom.minWidth", value=LEAST_WIDTH)]
    return [DynamicConfigValue(id_val="custom.width", value=width)]


# Widths in pixels. On a screen of 1440 no table needs to scroll sideways.
LEAST_WIDTH: Final = 120
PORTAL: Final = Text("portal", "Portal", 105, PORTAL_PAGE)
NAME: Final = Text("key_name", "Name", None, KEY_PAGE)
POSTFIX: Final = Text("key_postfix", "Postfix", 80)
CREATOR: Final = Text("creator", "Creator", 115)
ACCESS_LEVEL: Final = Text("access", "Access", 85, (), ACCESS)


def last_used(rows: KeyRows) -> Number:
    """How long ago each key was used."""
    never = texts({"0": ("never", "yellow")})
    return Number("used", "Last used", rows.last_used(), "dateTimeFromNow", 115, mappings=never)


def expires(rows: KeyRows) -> Number:
    """The date each key expires on."""
    unit = "dateTimeAsIso"
    return Number("expires", "Expires", rows.expires(), unit, 150, mappings=NEVER_DATE)


def superseded(expr: str) -> Number:
    """Whether a newer key of the same name has taken over: 1 or 0."""
    return Number(
        "superseded", "Superseded", expr, WORD, 110, mappings=SUPERSEDED, cell="color-text"
    )


def time_left(ref: str, title: str, expr: str) -> Number:
    """A duration that turns red as it runs out."""
    return Number(ref, title, expr, "dtdurations", 140, RUNNING_OUT, NEVER, "color-background")


def duration(ref: str, title: str, expr: str, steps: Steps = PLAIN) -> Number:
    """A duration, coloured as a text."""
    return Number(ref, title, expr, "dtdurations", 140, steps, (), "color-text")


def keys_table(frame: Frame, columns: Sequence[Column], sort: tuple[str, bool]) -> table.Panel:
    """A table of keys: the first number column carries the labels."""
    return table_of(frame, columns, ("key_id", "url"), sort)
