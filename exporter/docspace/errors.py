"""All errors of a fetch, as one tree.

::

    PortalError                     reason               when
    ├── Timeout                     timeout              the deadline of the fetch passed
    │   ├── Crowded                 timeout              it passed while waiting for a thread
    │   └── CutShort                (not counted)        the scrape ended first
    ├── InternalError               (not counted)        a bug of the exporter
    ├── ConnectionFailed            connection           name resolution, refused, reset, proxy
    ├── TLSFailed                   tls                  certificate, handshake or local TLS files
    ├── CredentialUnusable          credential           the key file is missing or invalid
    ├── TooLarge                    too_large            the decoded answer exceeds the size limit
    ├── InvalidResponse             invalid_response     200, but not the key list's envelope
    └── Refused                     (an answer that is not 200)
        ├── Redirected              redirect             3xx: never followed
        ├── Unauthorized            unauthorized         401
        ├── PaymentRequired         payment_required     402
        ├── Forbidden               forbidden            403
        ├── NotFound                not_found            404, or a 500 without a tenant
        ├── RateLimited             rate_limited         429
        ├── ServerError             server_error         5xx
        └── UnexpectedStatus        unexpected_status    anything else

``reason`` is the label value of ``docspace_scrape_errors_total``. The message (``str(error)``) says
what happened, ``hint`` what to do. Neither contains a key or a stack trace.
"""

import traceback
from collections.abc import Mapping
from typing import ClassVar, Literal, TypeVar

#: The cause of a 403, as far as its body shows: the permissions of the key, the address of the
#: caller, the state of the portal, or a proxy that answered instead of the portal.
ForbiddenCause = Literal["scope", "address", "state", "proxy", "unknown"]

_FORBIDDEN_HINTS: Mapping[ForbiddenCause, str] = {
    "scope": (
        "the key's permissions do not suffice: it needs *:read, *:write or full access "
        "(servers after 3.8 refuse the key of a guest in any case)"
    ),
    "address": (
        "this machine's address is not in the portal's IP allow-list: add the address that the "
        "portal sees (the owner's keys are exempt from the list)"
    ),
    "state": "the portal is being restored, moved or encrypted: wait until that is done",
    "proxy": (
        "an HTML page refused the request, not the portal's API: look at the reverse proxy or the "
        "firewall in front of the portal"
    ),
}

#: The hint for plain HTTP that reached a TLS port.
PORT_SPEAKS_TLS = (
    "this port speaks TLS: `url` must begin with https:// (where it does, the proxy in front of "
    "the portal forwards plain HTTP to a TLS port)"
)


class PortalError(Exception):
    """A fetch without a key list. An error may have a ``hint`` of its own."""

    reason: ClassVar[str]
    hint: str

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint


Error = TypeVar("Error", bound=PortalError)


def detached(error: Error) -> Error:
    """The error without its traceback and causes, whose frames hold the answer: maybe megabytes."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error


class Timeout(PortalError):
    """The answer was not complete when the deadline passed."""

    reason = "timeout"
    hint = "the portal is slow or unreachable; check it, or raise `timeout` and the scrape_timeout"


class Crowded(Timeout):
    """No thread was free before the deadline, so the portal was not asked."""

    hint = "too many portals hang at once: raise `scrape.concurrency`, or lower their `timeout`"

    def __init__(self) -> None:
        super().__init__("all threads were busy with other portals until the scrape ended")


class CutShort(Timeout):
    """The scrape ended before the fetch, or before all keys were rendered."""

    hint = "raise the scrape_timeout of Prometheus, or lower the portal's `timeout`"

    def __init__(self, message: str = "the scrape ended before the portal answered") -> None:
        super().__init__(message)


class InternalError(PortalError):
    """A bug of the exporter, during a fetch from this portal.

    ``fault`` is the type of the exception, ``place`` its file and line. Its arguments are not
    kept, since they may hold a key.
    """

    reason = "internal"
    hint = "the exporter's log names the place; please report it"

    def __init__(self, fault: BaseException) -> None:
        super().__init__(f"internal error ({type(fault).__name__})")
        self.fault = type(fault).__name__
        places = traceback.extract_tb(fault.__traceback__)
        self.place = f"{places[-1].filename}:{places[-1].lineno}" if places else "-"


class ConnectionFailed(PortalError):
    """No connection, or it was closed before the answer was complete."""

    reason = "connection"
    hint = "check the host name and port in `url`, the network in between, and `proxy_url`"


class TLSFailed(PortalError):
    """The TLS handshake failed, or the TLS files of the configuration cannot be used."""

    reason = "tls"
    hint = "check the portal's certificate and its host name; a private CA belongs in `tls.ca_file`"


class CredentialUnusable(PortalError):
    """The API key cannot be read, or must not be sent in this form."""

    reason = "credential"
    hint = (
        "the key must stand alone on one line, as DocSpace showed it; a key file must be readable"
    )


class TooLarge(PortalError):
    """The decoded answer is larger than the configured limit."""

    reason = "too_large"
    hint = "if the portal really has that many keys, raise `scrape.max_response_size`"


class InvalidResponse(PortalError):
    """Status 200 without a key list: a login page, a proxy, another product."""

    reason = "invalid_response"
    hint = "check that `url` is the portal itself: a proxy or a login page answers like this"


class Refused(PortalError):
    """The portal answered with a status other than 200."""


class Redirected(Refused):
    """3xx. Not followed: the key must not be sent to another host."""

    reason = "redirect"
    hint = "put the address of the redirect into `url` if it is the right one"


class Unauthorized(Refused):
    """401: the key is missing, wrong, disabled or expired, or its creator removed or disabled."""

    reason = "unauthorized"
    hint = (
        "the key is missing, wrong, disabled or expired, or the person who created it was removed "
        "or disabled: create a new one as an admin with the single permission *:read"
    )


class PaymentRequired(Refused):
    """402: the portal's tariff is unpaid."""

    reason = "payment_required"
    hint = "the portal's tariff is unpaid; its owner has to settle it"


class Forbidden(Refused):
    """403: scope too narrow, address not allowed, or the portal is being restored or moved."""

    reason = "forbidden"
    hint = (
        "the key needs the permission *:read, and its creator must not be a guest; else look at "
        "the portal's IP allow-list, and whether it is being restored, moved or encrypted"
    )

    def __init__(self, message: str, cause: ForbiddenCause = "unknown") -> None:
        super().__init__(message, _FORBIDDEN_HINTS.get(cause))
        self.cause = cause


class NotFound(Refused):
    """404, or a 500 that names no tenant: no such portal, or it is suspended or being removed."""

    reason = "not_found"
    hint = "check `url`; a suspended or removed portal answers like this too"


class RateLimited(Refused):
    """429: 1,500 requests a minute a user, or 50 GETs at once.

    ``retry_after`` is in seconds.
    """

    reason = "rate_limited"
    hint = (
        "the portal is not asked again until its Retry-After has passed, or for a minute if it "
        "sends none; the limit counts all requests of the key's creator"
    )

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ServerError(Refused):
    """5xx, from the portal or from the reverse proxy in front of it."""

    reason = "server_error"
    hint = "look at the portal's own logs and at the reverse proxy in front of it"


class UnexpectedStatus(Refused):
    """Any other status, which DocSpace does not send for a key list."""

    reason = "unexpected_status"
    hint = "check that `url` is the portal itself, and what stands in front of it"


#: Every reason. Each has a series from the start.
REASONS = (
    "timeout", "connection", "tls", "credential", "unauthorized", "payment_required", "forbidden",
    "not_found", "rate_limited", "redirect", "server_error", "unexpected_status",
    "invalid_response", "too_large",
)  # fmt: skip
