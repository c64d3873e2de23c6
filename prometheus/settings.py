"""The settings of the rules: thresholds and addresses with their defaults."""

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60}
NAMES = {86_400: "day", 3_600: "hour", 60: "minute"}


class SettingError(ValueError):
    """A setting that does not exist or has an impossible value."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A duration of whole minutes, at least one."""

    seconds: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `90m`, `36h`, `14d` or `2w`; SettingError for anything else."""
        match = re.fullmatch(r"([1-9]\d{0,5})([mhdw])", text)
        if match is None:
            raise SettingError(f"{text!r} is no duration such as 90m, 36h, 14d or 2w")
        return cls(int(match[1]) * UNITS[match[2]])

    @property
    def promql(self) -> str:
        """As a number of seconds, such as `14 * 86400`; a day is `86400`."""
        count, unit = self._counted()
        return str(unit) if count == 1 else f"{count} * {unit}"

    @property
    def range(self) -> str:
        """As the range of a selector, such as `10d`."""
        count, unit = self._counted()
        return f"{count}{NAMES[unit][0]}"

    @property
    def words(self) -> str:
        """As in a sentence: `14 days`, `1 hour`."""
        count, unit = self._counted()
        return f"{count} {NAMES[unit]}{'' if count == 1 else 's'}"

    @property
    def last(self) -> str:
        """What follows `in the last`: `14 days`, `hour`."""
        count, unit = self._counted()
        return NAMES[unit] if count == 1 else self.words

    @property
    def one(self) -> str:
        """As in `held for a day`, `within 2 days`."""
        count, unit = self._counted()
        return f"{'an' if unit == UNITS['h'] else 'a'} {NAMES[unit]}" if count == 1 else self.words

    def __add__(self, other: "Span") -> "Span":
        return Span(self.seconds + other.seconds)

    def _counted(self) -> tuple[int, int]:
        unit = next(unit for unit in NAMES if self.seconds % unit == 0)
        return self.seconds // unit, unit


def days(count: int) -> Span:
    """A span of whole days."""
    return Span(count * 86_400)


#: The values of `unused_for` of docspace_api_keys_stale.
STALE = tuple(days(count) for count in (30, 90, 180, 365))


@dataclass(frozen=True, slots=True)
class Settings:
    """Thresholds and addresses; `make rules WARN=30d` sets `warn`, and so on."""

    #: A key in use alerts with less than this time and less than this share of its life left.
    warn: Span = Span(14 * 86_400)
    warn_share: float = 0.25
    critical: Span = Span(3 * 86_400)
    critical_share: float = 0.1
    #: A key counts as in use for this long after its last use.
    in_use: Span = Span(7 * 86_400)
    #: How long after its expiry a key alerts.
    expired: Span = Span(7 * 86_400)
    #: A refused key alerts for this long after its last use.
    tried: Span = Span(86_400)
    #: A key is stale after this time without use; one of STALE.
    stale: Span = Span(90 * 86_400)
    #: How long a new key alerts.
    created: Span = Span(3 * 3_600)
    #: How long records keep their last value while a portal cannot be read.
    bridge: Span = Span(86_400)
    #: Address of the runbooks; the name of the alert and `.md` are appended.
    runbooks: str = "https://github.com/docspace-exporter/docspace-exporter/blob/main/docs/runbooks"
    #: Address of your Grafana. If empty, links are paths.
    grafana: str = ""

    @classmethod
    def parse(cls, arguments: Iterable[str]) -> Self:
        """From `NAME=value` for any field. SettingError names the wrong argument."""
        kinds = {field.name: field.type for field in dataclasses.fields(cls)}
        found: dict[str, Span | float | str] = {}
        for argument in arguments:
            name, _, value = argument.partition("=")
            kind = kinds.get(name.lower())
            if kind is None:
                known = ", ".join(each.upper() for each in kinds)
                raise SettingError(f"no setting is called {name!r}; there are {known}")
            if kind is Span:
                found[name.lower()] = Span.parse(value)
            else:
                found[name.lower()] = _share(value) if kind is float else value.rstrip("/")
        settings = cls(**found)  # type: ignore[arg-type] # each value was made by its field's type
        settings.check()
        return settings

    def check(self) -> None:
        """SettingError for thresholds that contradict each other, or that the exporter has not."""
        if self.critical > self.warn:
            raise SettingError("CRITICAL is longer than WARN: such a key would alert late")
        if self.critical_share > self.warn_share:
            raise SettingError("CRITICAL_SHARE is above WARN_SHARE: such a key would alert late")
        if self.stale not in STALE:
            spans = ", ".join(span.range for span in STALE)
            raise SettingError(f"STALE is none of the spans that the exporter counts: {spans}")


def _share(text: str) -> float:
    """From `0.25`: above 0, at most 1. With 1, only the days count."""
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise SettingError(f"{text!r} is no share of a life such as 0.25")
    return share
