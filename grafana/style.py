"""The words and colours both dashboards speak in: thresholds, and numbers shown as text."""

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import (
    DashboardRangeMapOptions,
    DynamicConfigValue,
    RangeMap,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

from grafana.promql import NEVER_MILLISECONDS, NEVER_SECONDS

DAY: Final = 86400

Steps = Sequence[tuple[float | None, str]]
NEUTRAL: Final[Steps] = ((None, "blue"),)
PLAIN: Final[Steps] = ((None, "text"),)
RUNNING_OUT: Final[Steps] = (
    (None, "red"),
    (3 * DAY, "orange"),
    (7 * DAY, "yellow"),
    (30 * DAY, "green"),
)


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Absolute thresholds; the first step has no value and colours all that is below the rest."""
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=color) for value, color in steps])
    )


def texts(by_value: dict[str, tuple[str, str]]) -> list[ValueMapping]:
    """Values shown as words: value to (text, colour)."""
    return [
        ValueMap(
            options={
                value: ValueMappingResult(text=text, color=color, index=index)
                for index, (value, (text, color)) in enumerate(by_value.items())
            }
        )
    ]


def at_least(floor: float, text: str, color: str = "blue") -> list[ValueMapping]:
    """Every number from `floor` up shown as one word."""
    result = ValueMappingResult(text=text, color=color, index=9)
    return [RangeMap(options=DashboardRangeMapOptions(from_val=floor, to=None, result=result))]


NEVER: Final = at_least(NEVER_SECONDS / 2, "never")
NEVER_DATE: Final = at_least(NEVER_MILLISECONDS / 2, "never")


def fixed(color: str) -> DynamicConfigValue:
    """An override that paints a series in one colour."""
    return DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": color})
