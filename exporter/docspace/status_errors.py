"""From an answer with a status other than 200 to an error."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from exporter.docspace import wire
from exporter.docspace.credential import Credential
from exporter.docspace.errors import (
    PORT_SPEAKS_TLS,
    Forbidden,
    ForbiddenCause,
    NotFound,
    PaymentRequired,
    RateLimited,
    Redirected,
    Refused,
    ServerError,
    Unauthorized,
    UnexpectedStatus,
)
from exporter.docspace.transport import Response, http_date, number

#: Seconds without requests after a 429 without a time: the limit counts over a sliding minute.
DEFAULT_RETRY_AFTER = 60.0
#: Most seconds without requests: a wrong header must not stop the requests for a day.
MAX_RETRY_AFTER = 900.0
#: X-RateLimit-Reset is Unix seconds or, below this, seconds left: the documentation says both.
_FIRST_UNIX_TIME = 1e9

_NO_TENANT = "Could not resolve current tenant"
_NO_PORTAL = (
    "there is no portal of this name: check the host name in `url` (a renamed portal does not "
    "redirect from its old name)"
)
_PROXY_LOGIN = (
    "this 401 is not the portal's, which never sends WWW-Authenticate: a proxy in front of it asks "
    "for a login of its own"
)
#: The answers of nginx, Go and Apache to plain HTTP on a TLS port, in lower case.
_PLAIN_HTTP_REFUSED = (
    b"plain http request was sent to https port",
    b"client sent an http request to an https server",
    b"speaking plain http to an ssl-enabled server port",
)

_BY_STATUS: Mapping[int, type[Refused]] = {401: Unauthorized, 402: PaymentRequired, 404: NotFound}


def status_error(response: Response, now: float, credential: Credential) -> Refused:
    """The error for this answer; ``now`` is when its headers arrived, in Unix seconds.

    If the answer repeats the ``credential`` of the request, the message masks it.
    """
    status = response.status
    found = wire.parse_error_message(response.body, credential.redact) or ""
    message = f"HTTP {status}: {found}" if found else f"HTTP {status}"
    if 300 <= status < 400 and status != 304:
        destination = _destination(response.headers, credential)
        return Redirected(f"HTTP {status} to {destination}")
    if status == 403:
        return Forbidden(message, _cause(response))
    if status == 429:
        return RateLimited(message, _retry_after(response.headers, now))
    kind, hint = _kind(response, found)
    return kind(message, hint)


def _kind(response: Response, message: str) -> tuple[type[Refused], str | None]:
    """The error of any other status, and a hint if the answer shows more than its status."""
    status = response.status
    if status == 400 and any(text in response.body.lower() for text in _PLAIN_HTTP_REFUSED):
        return UnexpectedStatus, PORT_SPEAKS_TLS
    if status == 401 and "WWW-Authenticate" in response.headers:
        return Unauthorized, _PROXY_LOGIN
    if status == 500 and message.startswith(_NO_TENANT):
        return NotFound, _NO_PORTAL
    return ServerError if status >= 500 else _BY_STATUS.get(status, UnexpectedStatus), None


def _cause(response: Response) -> ForbiddenCause:
    """The cause of a 403, by the shape of its body (as of the server's source, 3.7.2)."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    text = response.body.strip()
    if kind == "application/problem+json" or _is_problem(text):
        return "state"
    if kind == "text/html" or text[:1] == b"<":
        return "proxy"
    if not text:
        # A body that was cut off on the way is not an empty one.
        return "scope" if number(response.headers.get("Content-Length", "0")) == 0 else "unknown"
    if kind in {"", "text/plain"} and text[:1] not in {b"{", b"["}:
        return "address"
    return "unknown"


def _is_problem(text: bytes) -> bool:
    """Whether this is JSON of RFC 9457 without its Content-Type, and not a DocSpace error."""
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "title" in found and "error" not in found


def _destination(headers: Mapping[str, str], credential: Credential) -> str:
    """Where a redirect points, without query and user info, which might hold secrets."""
    location = headers.get("Location", "")
    try:
        parts = urlsplit(location)
        host = f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an invalid address"
    destination = credential.redact(f"{host}{port}{parts.path}")[:200]
    return destination if destination.isprintable() and destination else "nowhere"


def _retry_after(headers: Mapping[str, str], now: float) -> float:
    """Seconds to wait: Retry-After as seconds or date, else X-RateLimit-Reset, else a minute.

    Dates are compared with the Date of the same answer, since the clocks may differ.
    """
    wait = number(headers.get("Retry-After"))
    sent = http_date(headers.get("Date"))
    if sent is not None:
        now = sent
    if wait is None:
        date = http_date(headers.get("Retry-After"))
        wait = None if date is None else date - now
    if wait is None:
        reset = number(headers.get("X-RateLimit-Reset"))
        if reset is None:
            wait = DEFAULT_RETRY_AFTER
        else:
            wait = reset if reset < _FIRST_UNIX_TIME else reset - now
    return min(max(wait, 1.0), MAX_RETRY_AFTER)
