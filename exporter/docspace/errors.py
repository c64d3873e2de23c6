"""Everything that can go wrong on the way to a portal, as one tree.

::

    PortalError                     reason               when
    ├── Timeout                     timeout              the deadline of the fetch passed
    │   └── Crowded                 timeout              it passed while waiting for a slot
    ├── ConnectionFailed            connection           name resolution, refused, reset, proxy
    ├── TLSFailed                   tls                  certificate or handshake, theirs or ours
    ├── CredentialUnusable          credential           the key file is missing, empty or unfit
    ├── TooLarge                    too_large            the decoded answer passes the size cap
    ├── InvalidResponse             invalid_response     200, but not the key list's envelope
    └── Refused                     (an answer that is not 200)
        ├── Redirected              redirect             3xx: never followed
        ├── Unauthorized            unauthorized         401
        ├── PaymentRequired         payment_required     402
        ├── Forbidden               forbidden            403
        ├── NotFound                not_found            404
        ├── RateLimited             rate_limited         429
        ├── ServerError             server_error         5xx
        └── UnexpectedStatus        unexpected_status    anything else

``reason`` is the label value of ``docspace_scrape_errors_total``. The message (``str(error)``) says
what happened, ``hint`` what to do about it; neither ever holds a key or a stack trace.
"""

from typing import ClassVar


class PortalError(Exception):
    """A fetch that brought no key list. ``reason`` is the class' own, ``hint`` is for people."""

    reason: ClassVar[str]
    hint: str


class Timeout(PortalError):
    """The answer was not complete when the deadline passed."""

    reason = "timeout"
    hint = "the portal is slow or unreachable; check it, or raise `timeout` and the scrape_timeout"


class Crowded(Timeout):
    """Other portals held every slot for so long that this one was not asked at all."""

    hint = "portals that hang hold the slots: raise `scrape.concurrency`, or lower their `timeout`"

    def __init__(self) -> None:
        super().__init__("every slot was taken until it was too late to begin")


class ConnectionFailed(PortalError):
    """No connection, or it broke before the answer was complete."""

    reason = "connection"
    hint = "check the host name and port in `url`, the network in between, and `proxy_url`"


class TLSFailed(PortalError):
    """The TLS handshake failed, or the TLS files of the configuration cannot be used.

    Whoever looked closer may give a better hint.
    """

    reason = "tls"
    hint = "check the portal's certificate and its host name; a private CA belongs in `tls.ca_file`"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint or self.hint


class CredentialUnusable(PortalError):
    """The API key could not be read or can never be sent in a header."""

    reason = "credential"
    hint = "`api_key_file` must be readable and hold the key alone, as DocSpace showed it"


class TooLarge(PortalError):
    """The decoded answer is larger than the configured cap."""

    reason = "too_large"
    hint = "if the portal really has that many keys, raise `scrape.max_response_size`"


class InvalidResponse(PortalError):
    """Status 200 with something else than the key list: a login page, a proxy, another product."""

    reason = "invalid_response"
    hint = "is `url` the portal itself? A proxy or a login page in front of it answers like this"


class Refused(PortalError):
    """The portal answered, and not with 200."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Redirected(Refused):
    """3xx. Not followed: the key must not travel to another host."""

    reason = "redirect"
    hint = "put the address the portal points to into `url` if it is the right one"


class Unauthorized(Refused):
    """401: the key is missing, wrong, disabled or expired."""

    reason = "unauthorized"
    hint = "create a new key as an admin with the single permission *:read"


class PaymentRequired(Refused):
    """402: the portal's tariff is unpaid."""

    reason = "payment_required"
    hint = "the portal's tariff is unpaid; its owner has to settle it"


class Forbidden(Refused):
    """403: scope too narrow, address not allowed, or the portal is being restored or moved."""

    reason = "forbidden"
    hint = (
        "the key needs the permission *:read; else look at the portal's IP allow-list "
        "and whether it is being restored"
    )


class NotFound(Refused):
    """404: no such portal, or it is suspended or being removed."""

    reason = "not_found"
    hint = "check `url`; a suspended or removed portal answers like this too"


class RateLimited(Refused):
    """429: 1,500 requests a minute a user, or 50 GETs at once.

    ``retry_after`` is in seconds.
    """

    reason = "rate_limited"
    hint = "the portal is left alone until its Retry-After has passed; who else uses this account?"

    def __init__(self, message: str, status: int, retry_after: float) -> None:
        super().__init__(message, status)
        self.retry_after = retry_after


class ServerError(Refused):
    """5xx, from the portal or from the reverse proxy before it."""

    reason = "server_error"
    hint = "look at the portal's own logs and at the reverse proxy before it"


class UnexpectedStatus(Refused):
    """A status that the key list never has."""

    reason = "unexpected_status"
    hint = "is `url` the portal itself, and what stands between?"


#: Every reason, in the order of the contract. Each has its own series from the start.
REASONS = (
    "timeout",
    "connection",
    "tls",
    "credential",
    "unauthorized",
    "payment_required",
    "forbidden",
    "not_found",
    "rate_limited",
    "redirect",
    "server_error",
    "unexpected_status",
    "invalid_response",
    "too_large",
)
