"""From an answer that is not 200 to its error."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from exporter.docspace import wire
from exporter.docspace.credential import Credential
from exporter.docspace.errors import (
    Forbidden,
    NotFound,
    PaymentRequired,
    RateLimited,
    Redirected,
    Refused,
    ServerError,
    Unauthorized,
    UnexpectedStatus,
)
from exporter.docspace.headers import http_date, number
from exporter.docspace.transport import Response

#: Seconds to leave a portal alone that names no time: its limit counts over a sliding minute.
DEFAULT_RETRY_AFTER = 60.0
#: Seconds that a portal may ask for at most; a wrong header must not blind us for a day.
MAX_RETRY_AFTER = 900.0

_BY_STATUS: Mapping[int, type[Refused]] = {
    401: Unauthorized,
    402: PaymentRequired,
    403: Forbidden,
    404: NotFound,
}


def status_error(response: Response, now: float, who: Credential) -> Refused:
    """The error for this answer. ``now`` in Unix seconds dates a Retry-After that is a date.

    ``who`` asked: should the answer repeat the credential, it is masked in the message.
    """
    status = response.status
    told = wire.parse_error_message(response.body, who.redact)
    message = f"HTTP {status}: {told}" if told else f"HTTP {status}"
    if 300 <= status < 400:
        return Redirected(f"HTTP {status} to {_destination(response.headers, who)}", status)
    if status == 429:
        return RateLimited(message, status, _retry_after(response.headers, now))
    if status >= 500:
        return ServerError(message, status)
    return _BY_STATUS.get(status, UnexpectedStatus)(message, status)


def _destination(headers: Mapping[str, str], who: Credential) -> str:
    """Where a redirect points, without what a query or user info might carry."""
    location = headers.get("Location", "")
    try:
        parts = urlsplit(location)
        host = f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that is none"
    destination = who.redact(f"{host}{port}{parts.path}")[:200]
    return destination if destination.isprintable() and destination else "nowhere"


def _retry_after(headers: Mapping[str, str], now: float) -> float:
    """Seconds to wait: Retry-After as seconds or date, else X-RateLimit-Reset, else a minute."""
    wait = number(headers.get("Retry-After"))
    if wait is None and headers.get("Retry-After"):
        date = http_date(headers["Retry-After"])
        wait = None if date is None else date - now
    if wait is None:
        reset = number(headers.get("X-RateLimit-Reset"))
        wait = DEFAULT_RETRY_AFTER if reset is None else reset - now
    return min(max(wait, 1.0), MAX_RETRY_AFTER)
