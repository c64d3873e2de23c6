"""From a fact of an examination to its finding: status, the fact in words, and what to do.

A problem makes a scrape fail. With a warning a scrape works, but something should change.
"""

from ipaddress import ip_address

from exporter.check.certificate import Certificate
from exporter.check.diagnosis import Check, Finding
from exporter.config import TLSSettings
from exporter.docspace.errors import (
    CredentialUnusable,
    Forbidden,
    PortalError,
    TLSFailed,
    Unauthorized,
)
from exporter.docspace.model import FULL_ACCESS, ApiKey
from exporter.docspace.observation import Visibility
from exporter.docspace.wire import KeyList
from exporter.formatting import DAY, iso, moment, plural, span

#: Seconds until the end of the exporter's own key and of the certificate: a warning below these.
KEY_LEFT = 30 * DAY
CERTIFICATE_LEFT = 14 * DAY
#: Seconds of clock skew above which it is a warning.
CLOCK_SKEW = 30.0

#: Permissions that allow to list keys; full access allows it too.
_LISTS_KEYS = frozenset({"*:read", "*:write"})

_NEW_KEY = "create one with *:read as an admin"
_NEXT_KEY = "create the next one with *:read as an admin"
_SCOPE_SUFFICES = (
    "the key's permissions suffice: either the portal is being restored, moved or encrypted, or "
    "the key's creator is a guest, whom servers after 3.8 refuse"
)
_ANY_SCOPE_MAY = (
    "any permission suffices for this question: look at the portal's IP allow-list, and whether "
    "the portal is being restored, moved or encrypted"
)


def plain_http(addresses: list[str], *, proxied: bool) -> Finding:
    """The finding on a `url` that is not https; within this machine that is no risk."""
    if not proxied and all(
        ip_address(address.partition("%")[0]).is_loopback for address in addresses
    ):
        return Finding("tls", "ok", "plain http on this machine")
    step = "the key travels unencrypted: use https in `url`"
    return Finding("tls", "warning", "plain http", next_step=step)


def certificate(shown: Certificate, settings: TLSSettings, now: float) -> Finding:
    """The finding on an accepted certificate."""
    ends, detail = iso(shown.ends), f"by {shown.issuer}, ends {moment(shown.ends - now)}"
    if settings.insecure_skip_verify:
        step = "remove `tls.insecure_skip_verify`; a private CA belongs in `tls.ca_file`"
        return Finding("tls", "warning", f"not verified; {detail}", ends, step)
    if shown.ends - now < CERTIFICATE_LEFT:
        step = f"the portal's certificate ends {moment(shown.ends - now)}: renew it"
        return Finding("tls", "warning", detail, ends, step)
    return Finding("tls", "ok", detail, ends)


def accepted(key: ApiKey | None) -> Finding:
    """The finding on a credential that the portal accepts; ``key`` is None if unknown."""
    return Finding("key", "ok", f"{key.name} …{key.postfix}" if key else "accepted")


def scope(key: ApiKey | None) -> Finding:
    """The finding on the permissions of a key that was used to read the list."""
    if key is not None and key.permissions == FULL_ACCESS:
        step = f"the key has full access, which is more than needed: {_NEW_KEY}"
        return Finding("scope", "warning", "full access", next_step=step)
    if key is not None and not lists_keys(key):
        step = f"servers from 3.7.1 on refuse to list keys with these permissions: {_NEW_KEY}"
        return Finding("scope", "warning", ", ".join(key.permissions), next_step=step)
    return Finding("scope", "ok", ", ".join(key.permissions) if key else "enough")


def visibility(seen: Visibility) -> Finding:
    """The finding on whether the list holds all keys of the portal."""
    if seen == "all":
        return Finding("visibility", "ok", "all keys", seen)
    if seen == "own":
        step = "only the keys of one person are visible: use a key of a DocSpace admin"
        return Finding("visibility", "warning", "own keys only", seen, step)
    step = "the portal did not say whether these are all its keys: try again"
    return Finding("visibility", "warning", "unknown", seen, step)


def own_key_expiry(key: ApiKey | None, now: float) -> Finding:
    """The finding on the time until the exporter's own key expires."""
    if key is None:
        return Finding("own_key_expiry", "skipped")
    if key.expires is None:
        return Finding("own_key_expiry", "ok", "never")
    left, ends = key.expires - now, iso(key.expires)
    if left < KEY_LEFT:
        step = f"the exporter's own key expires {moment(left)}: {_NEXT_KEY}"
        return Finding("own_key_expiry", "warning", moment(left), ends, step)
    return Finding("own_key_expiry", "ok", moment(left), ends)


def keys(listing: KeyList) -> Finding:
    """The finding on the key list."""
    count, malformed = len(listing.keys), listing.malformed_count
    if malformed:
        left_out = f"{plural(malformed, 'record')} not valid"
        step = f"{left_out} and left out: is there a newer release of the exporter?"
        return Finding("keys", "warning", f"{count:,}; {left_out}", count, step)
    return Finding("keys", "ok", f"{count:,}", count)


def clock_skew(skew: float | None) -> Finding:
    """The finding on the portal's clock minus the exporter's: up to two seconds are in step."""
    if skew is None:
        return Finding("clock_skew", "skipped")
    off = f"{span(round(abs(skew)))} {'ahead' if skew > 0 else 'behind'}"
    if abs(skew) > CLOCK_SKEW:
        step = f"the portal's clock is {off} of this machine's: set the one that is wrong"
        return Finding("clock_skew", "warning", off, round(skew, 3), step)
    return Finding("clock_skew", "ok", off if abs(skew) > 2 else "in step", round(skew, 3))


def latency(seconds: float, timeout: float) -> Finding:
    """The finding on the seconds that the key list took."""
    if seconds > timeout / 2:
        step = f"the key list takes {brief(seconds)} of the {timeout:g} s of `timeout`: raise it"
        return Finding("latency", "warning", brief(seconds), round(seconds, 6), step)
    return Finding("latency", "ok", brief(seconds), round(seconds, 6))


def problem(error: PortalError, check: Check, key: ApiKey | None) -> Finding:
    """The finding on the error that ended the examination in the step of a check.

    ``key`` is the key if the portal accepted it before.
    """
    found, step = _blame(error, check, key)
    return Finding(found, "problem", str(error), next_step=step)


def _blame(error: PortalError, check: Check, key: ApiKey | None) -> tuple[Check, str]:
    """The check that an error belongs to, and what to do about it."""
    if isinstance(error, TLSFailed):
        return "tls", error.hint
    if isinstance(error, CredentialUnusable | Unauthorized):
        return "key", error.hint
    if isinstance(error, Forbidden) and key is not None:
        return _blame_of_accepted_key(error, key)
    if isinstance(error, Forbidden) and check == "api" and error.cause == "scope":
        return "api", _ANY_SCOPE_MAY
    if check == "keys" and key is None:
        return "api", error.hint  # the list was the portal's first answer
    return check, error.hint


def _blame_of_accepted_key(error: Forbidden, key: ApiKey) -> tuple[Check, str]:
    """The check and the hint for a refused key list if the portal accepts the key itself."""
    if not lists_keys(key):
        return "scope", f"this key is limited to {', '.join(key.permissions)}; {_NEW_KEY}"
    # The key itself shows better than the shape of the answer whether the scope suffices.
    return "keys", _SCOPE_SUFFICES if error.cause in {"scope", "unknown"} else error.hint


def lists_keys(key: ApiKey) -> bool:
    """Whether the permissions of a key allow to list keys (as of DocSpace 3.7.1)."""
    return key.permissions == FULL_ACCESS or not _LISTS_KEYS.isdisjoint(key.permissions)


def brief(seconds: float) -> str:
    """A short time: ``12 ms``, ``1.4 s``."""
    if seconds < 0.0015:
        return "1 ms"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
