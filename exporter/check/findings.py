"""From a fact of an examination to its finding: ok or not, in words, and what to do.

A problem is what makes a scrape fail; all that works and should still be looked at is a warning.
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

#: Below this, the life left to our own key and to the portal's certificate is worth a word, ...
KEY_LEFT = 30 * DAY
CERTIFICATE_LEFT = 14 * DAY
#: ... and beyond this a clock that is off.
CLOCK_SKEW = 30.0

_NEW_KEY = "create one with *:read as an admin"
_NEXT_KEY = "create the next one with *:read as an admin"
_BLOCKED = "look at the portal's IP allow-list, and whether it is being restored or moved"


def plain_http(addresses: list[str], *, proxied: bool) -> Finding:
    """Of an address that is not https; within this machine nobody can listen."""
    if not proxied and all(
        ip_address(address.partition("%")[0]).is_loopback for address in addresses
    ):
        return Finding("tls", "ok", "plain http on this machine")
    step = "the key travels unencrypted: use https in `url`"
    return Finding("tls", "warning", "plain http", next_step=step)


def certificate(shown: Certificate, settings: TLSSettings, now: float) -> Finding:
    """Of a certificate that was accepted."""
    ends, detail = iso(shown.ends), f"by {shown.issuer}, ends {moment(shown.ends - now)}"
    if settings.insecure_skip_verify:
        step = "remove `tls.insecure_skip_verify`; a private CA belongs in `tls.ca_file`"
        return Finding("tls", "warning", f"not verified; {detail}", ends, step)
    if shown.ends - now < CERTIFICATE_LEFT:
        step = f"the portal's certificate ends {moment(shown.ends - now)}: renew it"
        return Finding("tls", "warning", detail, ends, step)
    return Finding("tls", "ok", detail, ends)


def accepted(key: ApiKey | None) -> Finding:
    """Of a credential that the portal took; ``key`` where it is known which one it is."""
    return Finding("key", "ok", f"{key.name} …{key.postfix}" if key else "accepted")


def scope(key: ApiKey | None) -> Finding:
    """Of a key that may list keys."""
    if key is not None and key.permissions == FULL_ACCESS:
        step = f"the key may do everything, which is more than needed: {_NEW_KEY}"
        return Finding("scope", "warning", "full access", next_step=step)
    return Finding("scope", "ok", ", ".join(key.permissions) if key else "enough")


def visibility(seen: Visibility) -> Finding:
    """Of whose keys the list holds."""
    if seen == "all":
        return Finding("visibility", "ok", "all keys", seen)
    if seen == "own":
        step = "only the keys of one person are visible: use a key of a DocSpace admin"
        return Finding("visibility", "warning", "own keys only", seen, step)
    step = "the portal did not say whether these are all its keys: try again"
    return Finding("visibility", "warning", "unknown", seen, step)


def own_key_expiry(key: ApiKey | None, now: float) -> Finding:
    """Of the time left to the key we use ourselves."""
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
    """Of the key list."""
    count, malformed = len(listing.keys), len(listing.malformed)
    if malformed:
        left_out = f"{plural(malformed, 'record')} not understood"
        step = f"{left_out} and left out: is there a newer release of the exporter?"
        return Finding("keys", "warning", f"{count:,}; {left_out}", count, step)
    return Finding("keys", "ok", f"{count:,}", count)


def clock_skew(skew: float | None) -> Finding:
    """Of the portal's clock minus ours. It is told in whole seconds, so one or two are none."""
    if skew is None:
        return Finding("clock_skew", "skipped")
    off = f"{span(round(abs(skew)))} {'ahead' if skew > 0 else 'behind'}"
    if abs(skew) > CLOCK_SKEW:
        step = f"the portal's clock is {off} of ours: set the one that is wrong"
        return Finding("clock_skew", "warning", off, round(skew, 3), step)
    return Finding("clock_skew", "ok", off if abs(skew) > 2 else "in step", round(skew, 3))


def latency(seconds: float, timeout: float) -> Finding:
    """Of the time that a fetch took."""
    if seconds > timeout / 2:
        step = f"a fetch takes {brief(seconds)} of the {timeout:g} s of `timeout`: raise it"
        return Finding("latency", "warning", brief(seconds), round(seconds, 6), step)
    return Finding("latency", "ok", brief(seconds), round(seconds, 6))


def problem(error: PortalError, check: Check, key: ApiKey | None) -> Finding:
    """Of what ended the examination at a check; ``key`` where the portal has taken it before."""
    check, step = _blame(error, check, key)
    return Finding(check, "problem", str(error), next_step=step)


def _blame(error: PortalError, check: Check, key: ApiKey | None) -> tuple[Check, str]:
    """The check that an error belongs to, and what to do about it."""
    if isinstance(error, TLSFailed):
        return "tls", error.hint
    if isinstance(error, CredentialUnusable):
        return "key", error.hint
    if isinstance(error, Unauthorized):
        return "key", f"this key is wrong, disabled or expired; {_NEW_KEY}"
    if isinstance(error, Forbidden) and key is not None:
        return "scope", f"this key is limited to {', '.join(key.permissions)}; {_NEW_KEY}"
    if isinstance(error, Forbidden):
        return "api", _BLOCKED
    return check, error.hint


def brief(seconds: float) -> str:
    """A short time: ``12 ms``, ``1.4 s``."""
    if seconds < 0.0015:
        return "1 ms"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
