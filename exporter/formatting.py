"""Times and counts in words; dates in UTC."""

from datetime import UTC, datetime

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR

#: The last moment that Python has a date for; a portal in another time zone may send a later one.
_LAST = datetime.max.replace(tzinfo=UTC, microsecond=0).timestamp()


def plural(count: int, one: str) -> str:
    """A count with its noun: ``1 key``, ``1,200 keys``."""
    return f"{count:,} {one if count == 1 else one + 's'}"


def span(seconds: float) -> str:
    """A time span in one unit, rounded down: ``45 seconds``, ``31 hours``, ``200 days``."""
    for least, size, unit in ((2 * DAY, DAY, "day"), (2 * HOUR, HOUR, "hour")):
        if seconds >= least:
            return plural(int(seconds // size), unit)
    if seconds >= 2 * MINUTE:
        return plural(int(seconds // MINUTE), "minute")
    return plural(max(int(seconds), 0), "second")


def moment(seconds: float | None) -> str:
    """A moment relative to now: ``in 3 days``, ``2 hours ago``, or ``never`` for None."""
    if seconds is None:
        return "never"
    if -1 < seconds < 1:
        return "now"
    return f"in {span(seconds)}" if seconds > 0 else f"{span(-seconds)} ago"


def iso(time: float) -> str:
    """Unix seconds as ISO 8601 in UTC, to the second: ``2026-03-01T06:30:00Z``."""
    return datetime.fromtimestamp(min(time // 1, _LAST), UTC).isoformat().replace("+00:00", "Z")


def day(time: float) -> str:
    """The date of a moment in UTC: ``2026-03-01``."""
    return iso(time).partition("T")[0]
