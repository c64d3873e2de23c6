"""The kinds of panels, in one style.

Each function returns a builder that has its data source, title, description, size, unit, thresholds
and a text for the case that there are no data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    piechart,
    prometheus,
    stat,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DynamicConfigValue,
    FieldColorModeId,
    ValueMapping,
)
from grafana_foundation_sdk.models.dashboard import ThresholdsConfig as ThresholdsModel
from grafana_foundation_sdk.models.piechart import PieChartLegendValues, PieChartType
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.style import NO_NUMBER, PLAIN, QUIET, Steps, fixed, thresholds

DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")

# Whole numbers with all digits: the unit `short` shows 1,499 as 1 K.
COUNT: Final = "locale"
# A number that a mapping turns into a word.
WORD: Final = "none"
DAYS: Final = "suffix:days"
# To the minute: Grafana's own units for dates have seconds.
DATE: Final = "time:YYYY-MM-DD HH:mm"
# Pixels of the numbers of stats. Without a size, each panel would have a different one.
LARGE: Final = 40
MEDIUM: Final = 24
# The minimum step of panels with `$__rate_interval`, which is at least one step. So it covers two
# scrapes every 2 minutes, even if the data source does not know the scrape interval. The panel has
# this setting: newer releases of Grafana use a query's own `interval` as the step over any range.
LEAST_STEP: Final = "4m"

# The text of a panel without data, as after a failed query: it must not sound like an all-clear.
NO_DATA: Final = "No data at this range"


@dataclass(frozen=True)
class Frame:
    """What every panel has. Width and height are in grid units; a line has 24."""

    title: str
    description: str
    width: int
    height: int
    empty: str = NO_DATA


@dataclass(frozen=True)
class Query:
    """One PromQL expression; `name` is the legend, or the column in a table."""

    expr: str
    name: str = ""
    ref: str = "A"


class _Panel(Protocol):
    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def datasource(self, datasource: DataSourceRef) -> Self: ...
    def span(self, w: int) -> Self: ...
    def height(self, h: int) -> Self: ...
    def unit(self, unit: str) -> Self: ...
    def no_value(self, no_value: str) -> Self: ...
    def thresholds(self, thresholds: Builder[ThresholdsModel]) -> Self: ...
    def targets(self, targets: list[Builder[Dataquery]]) -> Self: ...


P = TypeVar("P", bound=_Panel)


def framed(panel: P, frame: Frame, unit: str, steps: Steps, targets: list[Builder[Dataquery]]) -> P:
    """The panel with the options that all panels have."""
    return (
        panel.title(frame.title)
        .description(frame.description)
        .datasource(DATASOURCE)
        .span(frame.width)
        .height(frame.height)
        .unit(unit)
        .no_value(frame.empty)
        .thresholds(thresholds(steps))
        .targets(targets)
    )


def graphed(queries: Sequence[Query]) -> list[Builder[Dataquery]]:
    """Queries over the whole time range."""
    return [
        prometheus.Dataquery().expr(q.expr).legend_format(q.name).ref_id(q.ref).range()
        for q in queries
    ]


def instant(
    queries: Sequence[Query], form: PromQueryFormat = PromQueryFormat.TIME_SERIES
) -> list[Builder[Dataquery]]:
    """Queries for the end of the time range."""
    return [
        prometheus.Dataquery()
        .expr(q.expr)
        .legend_format(q.name)
        .ref_id(q.ref)
        .instant()
        .format(form)
        for q in queries
    ]


def last() -> common.ReduceDataOptions:
    """Show the newest value of a series."""
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False).fields("")


def figure(
    frame: Frame,
    expr: str,
    steps: Steps = PLAIN,
    *,
    unit: str = COUNT,
    mappings: Sequence[ValueMapping] = (),
    size: int = MEDIUM,
) -> stat.Panel:
    """One number, or a word instead, for the end of the time range.

    It needs an instant query: the last step of a query over the range may be half an hour old.
    """
    return figures(frame, [Query(expr)], steps, unit=unit, mappings=mappings, size=size).text_mode(
        kinds.BigValueTextMode.VALUE
    )


def figures(
    frame: Frame,
    queries: Sequence[Query],
    steps: Steps = PLAIN,
    *,
    unit: str = COUNT,
    mappings: Sequence[ValueMapping] = (),
    size: int = MEDIUM,
) -> stat.Panel:
    """Several numbers as in `figure` side by side, each with its name."""
    panel = framed(stat.Panel(), frame, unit, steps, instant(queries))
    return (
        panel.reduce_options(last())
        .decimals(0)
        .mappings([*NO_NUMBER, *mappings])
        .graph_mode(kinds.BigValueGraphMode.NONE)
        .color_mode(kinds.BigValueColorMode.VALUE)
        .text_mode(kinds.BigValueTextMode.VALUE_AND_NAME)
        .justify_mode(kinds.BigValueJustifyMode.AUTO)
        .orientation(kinds.VizOrientation.AUTO)
        .text(common.VizTextDisplayOptions().value_size(size).title_size(14))
    )


def sentence(frame: Frame, expr: str, legend: str, colors: Sequence[ValueMapping]) -> stat.Panel:
    """A text from the labels of one series, coloured by its value."""
    panel = framed(stat.Panel(), frame, WORD, PLAIN, instant([Query(expr, legend)]))
    return (
        panel.reduce_options(last())
        .mappings([*colors])
        .graph_mode(kinds.BigValueGraphMode.NONE)
        .color_mode(kinds.BigValueColorMode.VALUE)
        .text_mode(kinds.BigValueTextMode.NAME)
        .text(common.VizTextDisplayOptions().value_size(18).title_size(18))
    )


def leads(title: str, url: str) -> DynamicConfigValue:
    """An override that makes a number a link."""
    links = [{"title": title, "url": url, "targetBlank": False}]
    return DynamicConfigValue(id_val="links", value=links)


def bars(frame: Frame, queries: Sequence[tuple[Query, str]]) -> bargauge.Panel:
    """A horizontal bar for each query and its colour."""
    targets = instant([query for query, _ in queries])
    panel = framed(bargauge.Panel(), frame, COUNT, PLAIN, targets)
    for query, color in queries:
        panel = panel.override_by_name(query.name, [fixed(color)])
    return (
        panel.reduce_options(last())
        .min(0)
        .decimals(0)
        .mappings([*NO_NUMBER])
        .orientation(kinds.VizOrientation.HORIZONTAL)
        .display_mode(kinds.BarGaugeDisplayMode.BASIC)
        .value_mode(kinds.BarGaugeValueMode.COLOR)
        .show_unfilled(show_unfilled=True)
    )


def share(frame: Frame, expr: str, legend: str, colors: dict[str, str]) -> piechart.Panel:
    """A ring, with numbers and percentages in the legend."""
    panel = framed(piechart.Panel(), frame, COUNT, PLAIN, instant([Query(expr, legend)]))
    for name, color in colors.items():
        panel = panel.override_by_name(name, [fixed(color)])
    return (
        panel.reduce_options(last())
        .decimals(0)
        .pie_type(PieChartType.DONUT)
        .legend(
            piechart.PieChartLegendOptions()
            .show_legend(show_legend=True)
            .display_mode(kinds.LegendDisplayMode.TABLE)
            .placement(kinds.LegendPlacement.BOTTOM)
            .values([PieChartLegendValues.VALUE, PieChartLegendValues.PERCENT])
        )
    )


def course(
    frame: Frame, queries: Sequence[Query], unit: str, colors: dict[str, str] | None = None
) -> timeseries.Panel:
    """Lines over time."""
    panel = framed(timeseries.Panel(), frame, unit, PLAIN, graphed(queries))
    for name, color in (colors or {}).items():
        panel = panel.override_by_name(name, [fixed(color)])
    return (
        panel.color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
        .min(0)
        .line_width(1)
        .fill_opacity(10)
        .show_points(kinds.VisibilityMode.NEVER)
        .legend(_legend())
        .tooltip(_tooltip())
    )


def stacked(panel: timeseries.Panel) -> timeseries.Panel:
    """The panel with its series stacked."""
    mode = common.StackingConfig().mode(kinds.StackingMode.NORMAL).group("A")
    return panel.stacking(mode).fill_opacity(40)


def quiet(panel: timeseries.Panel, name: str) -> timeseries.Panel:
    """The panel with one series as a thin grey line that is not in the legend."""
    hidden = {"viz": False, "legend": True, "tooltip": False}
    return panel.override_by_name(
        name,
        [
            fixed(QUIET),
            DynamicConfigValue(id_val="custom.hideFrom", value=hidden),
            DynamicConfigValue(id_val="custom.fillOpacity", value=0),
        ],
    )


def states(
    frame: Frame, queries: Sequence[Query], mappings: list[ValueMapping]
) -> statetimeline.Panel:
    """A line for each series, coloured by its state over time."""
    return (
        framed(statetimeline.Panel(), frame, WORD, PLAIN, graphed(queries))
        .mappings(mappings)
        .show_value(kinds.VisibilityMode.NEVER)
        .merge_values(merge_values=True)
        .row_height(0.8)
        .line_width(0)
        .fill_opacity(80)
        .legend(_legend())
    )


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(show_legend=True)
        .display_mode(kinds.LegendDisplayMode.LIST)
        .placement(kinds.LegendPlacement.BOTTOM)
        .calcs([])
    )


def _tooltip() -> common.VizTooltipOptions:
    return (
        common.VizTooltipOptions()
        .mode(kinds.TooltipDisplayMode.MULTI)
        .sort(kinds.SortOrder.DESCENDING)
    )
