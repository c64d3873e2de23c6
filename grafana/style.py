"""Colours, thresholds, and numbers that are shown as text.

Colour asks for action: red now, orange soon, yellow some day. Everything else has the colour of
text.
"""

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import (
    DashboardRangeMapOptions,
    DashboardRegexMapOptions,
    DynamicConfigValue,
    RangeMap,
    RegexMap,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

from grafana import promql

NONE: Final = "transparent"
QUIET: Final = "text"
NOW: Final = "red"
SOON: Final = "orange"
SOME_DAY: Final = "dark-yellow"

Steps = Sequence[tuple[float | None, str]]
PLAIN: Final[Steps] = ((None, QUIET),)
# Days until an expiry, for backgrounds and for texts. The first and the last are the alerts' own.
CRITICAL_DAYS: Final = promql.THRESHOLDS.critical.seconds // promql.DAY
WARN_DAYS: Final = promql.THRESHOLDS.warn.seconds // promql.DAY
RUNNING_OUT: Final[Steps] = (
    (None, NOW),
    (CRITICAL_DAYS, SOON),
    (7, SOME_DAY),
    (WARN_DAYS, NONE),
)
TEXT_RUNNING_OUT: Final[Steps] = (*RUNNING_OUT[:-1], (WARN_DAYS, QUIET))


def alarm(color: str) -> Steps:
    """Thresholds of a count that should be 0."""
    return ((None, QUIET), (1, color))


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Absolute thresholds. The first step has no value and is the colour below all others."""
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=color) for value, color in steps])
    )


def texts(by_value: dict[str, tuple[str, str]]) -> list[ValueMapping]:
    """Values shown as texts: value to (text, colour)."""
    return [
        ValueMap(
            options={
                value: ValueMappingResult(text=text, color=color, index=index)
                for index, (value, (text, color)) in enumerate(by_value.items())
            }
        )
    ]


def patterns(by_pattern: dict[str, tuple[str, str]]) -> list[ValueMapping]:
    """Texts shown as other texts: regular expression for the whole text to (text, colour)."""
    return [
        RegexMap(
            options=DashboardRegexMapOptions(
                pattern=pattern, result=ValueMappingResult(text=text, color=color, index=index)
            )
        )
        for index, (pattern, (text, color)) in enumerate(by_pattern.items())
    ]


def between(
    floor: float, ceiling: float, text: str, color: str | None = QUIET
) -> list[ValueMapping]:
    """All numbers from floor to ceiling shown as one text; None takes the thresholds' colour.

    Both ends are numbers: Grafana 9 does not match a span with an open end.
    """
    result = ValueMappingResult(text=text, color=color, index=0)
    return [RangeMap(options=DashboardRangeMapOptions(from_val=floor, to=ceiling, result=result))]


# The states of keys, see `KeyRows.why`.
CONDITIONS: Final = patterns(
    {
        "refused disabled": ("creator disabled", NOW),
        "refused removed": ("creator removed", NOW),
        "refused.*": ("creator gone", NOW),
        "expired.*": ("expired", QUIET),
        "disabled.*": ("disabled", QUIET),
        "rotated.*": ("rotated", QUIET),
        "active.*": ("active", QUIET),
    }
)
# Rows with `LAST_RISING` or `LAST_FALLING` show no number. The text is a space, since Grafana
# ignores an empty one.
BLANK: Final = [
    *between(promql.LAST_RISING / 2, promql.LAST_RISING * 2, " ", NONE),
    *between(promql.LAST_FALLING * 2, promql.LAST_FALLING / 2, " ", NONE),
]
UNKNOWN_TEXT_DATE: Final = texts({str(promql.UNKNOWN): ("unknown", QUIET)})
UNKNOWN_TEXT: Final = texts({str(promql.UNKNOWN): ("-", QUIET)})
#: The texts for the stand-ins of `promql.answered`.
NO_NUMBER: Final = texts(
    {
        str(promql.UNKNOWN): ("unknown", QUIET),
        str(promql.NOT_SCRAPED): ("not scraped", QUIET),
    }
)
NEVER: Final = between(promql.NEVER_SECONDS / promql.DAY / 2, 1e6, "no expiry")
NEVER_DATE: Final = between(promql.NEVER_MILLISECONDS / 2, 1e16, "no expiry")
# Times are shown in days, and below one day as these texts.
HOURS: Final = [
    mapping
    for low, high, text in (
        (0, 1, "under 1 hour"),
        (1, 3, "under 3 hours"),
        (3, 6, "under 6 hours"),
        (6, 12, "under 12 hours"),
        (12, 24, "under 1 day"),
    )
    for mapping in between(low / 24, high / 24, text, None)
]


def fixed(color: str) -> DynamicConfigValue:
    """An override that gives a series one colour."""
    return DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": color})
