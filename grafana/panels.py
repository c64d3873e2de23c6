"""Panels in the one style of both dashboards.

Each function gives a typed builder that already has its data source, title, description, size,
unit, thresholds and a text for the case that there is nothing to show.
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

# Whole numbers to the last digit: `short` draws 1,499 as 1 K.
COUNT: Final = "locale"
# A number that a mapping turns into a word.
WORD: Final = "none"
DAYS: Final = "suffix:days"
# To the minute; the unit for dates in short has seconds too.
DATE: Final = "time:YYYY-MM-DD HH:mm"
# Pixels of the numbers in a row of stats: without it each has a size of its own.
LARGE: Final = 40
MEDIUM: Final = 24
# The least step of panels that look back by `$__rate_interval`, which is never shorter than a step:
# it spans two scrapes every 2 minutes even where the data source does not know the scrape interval.
# It is the panel's, since newer Grafana takes a query's own for the step itself, over any range.
LEAST_STEP: Final = "4m"


# Where a panel has nothing to draw, as while its query fails: it says nothing of keys or portals.
NO_DATA: Final = "No data at this range"


@dataclass(frozen=True)
class Frame:
    """What every panel has. Width and height are in grid units, of 24 to a line."""

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
    """The panel with everything that all panels share."""
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
    """Queries over the time range of the dashboard."""
    return [
        prometheus.Dataquery().expr(q.expr).legend_format(q.name).ref_id(q.ref).range()
        for q in queries
    ]


def instant(
    queries: Sequence[Query], form: PromQueryFormat = PromQueryFormat.TIME_SERIES
) -> list[Builder[Dataquery]]:
    """Queries of the last moment of the time range."""
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
    """The newest value stands for the series."""
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
    """One number of the last moment of the range, or a word in its place.

    Never from a query over the range: its last step may be half an hour old.
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
    """Several such numbers side by side, each with its name."""
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
    """A text from the labels of one series, in the colour of its value."""
    panel = framed(stat.Panel(), frame, WORD, PLAIN, instant([Query(expr, legend)]))
    return (
        panel.reduce_options(last())
        .mappings([*colors])
        .graph_mode(kinds.BigValueGraphMode.NONE)
        .color_mode(kinds.BigValueColorMode.VALUE)
        .text_mode(kinds.BigValueTextMode.NAME)
        .text(common.VizTextDisplayOptions().value_size(18).title_size(18))
    )


def linked(panel: stat.Panel, title: str, url: str) -> stat.Panel:
    """The same number, leading somewhere on a click."""
    return panel.override_by_regexp(".*", [leads(title, url)])


def leads(title: str, url: str) -> DynamicConfigValue:
    """An override that makes a number a link."""
    links = [{"title": title, "url": url, "targetBlank": False}]
    return DynamicConfigValue(id_val="links", value=links)


def bars(frame: Frame, queries: Sequence[tuple[Query, str]]) -> bargauge.Panel:
    """One horizontal bar a query, each in its own colour."""
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
    """Parts of a whole as a ring, with number and percentage in the legend."""
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
    """The same series on top of each other."""
    mode = common.StackingConfig().mode(kinds.StackingMode.NORMAL).group("A")
    return panel.stacking(mode).fill_opacity(40)


def shades(panel: timeseries.Panel, color: str) -> timeseries.Panel:
    """Every series in a shade of one colour, on whole numbers and an axis that ends at 1."""
    mode = dashboard.FieldColor().mode(FieldColorModeId.SHADES).fixed_color(color)
    return panel.color_scheme(mode).decimals(0).axis_soft_max(1)


def quiet(panel: timeseries.Panel, name: str) -> timeseries.Panel:
    """One series as a thin grey line that is not in the legend."""
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
    """One line a series, coloured by state over time."""
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
