"""Values of HTTP headers: dates, counts and seconds."""

from datetime import UTC
from email.utils import parsedate_to_datetime


def http_date(text: str | None) -> float | None:
    """Unix seconds of a date from a header; None where it is absent or something else.

    A date without a zone is UTC, as all dates in HTTP are.
    """
    try:
        moment = parsedate_to_datetime(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def number(text: str | None) -> float | None:
    """A count or a number of seconds from a header; None where it is absent or something else."""
    digits = (text or "").strip()
    return float(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None
