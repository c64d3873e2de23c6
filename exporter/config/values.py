"""Parsers for the scalars of the configuration: from YAML's value, or ValueError("expected …").

No message repeats the value: it may be a secret in the wrong field.
"""

import ipaddress
import re
import typing
from urllib.parse import urlsplit

from exporter.config.settings import Window, Withheld
from exporter.yamlfile import Secret
from exporter.yamlfile.scalars import text

# Durations as in Prometheus: from the longest unit to the shortest, each at most once.
_DURATION = re.compile(
    r"(?:(\d{1,3})y)?(?:(\d{1,5})w)?(?:(\d{1,6})d)?(?:(\d{1,8})h)?"
    r"(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,12})ms)?",
    re.ASCII,
)
_UNIT_SECONDS = (365 * 86400.0, 7 * 86400.0, 86400.0, 3600.0, 60.0, 1.0, 0.001)
#: The longest name in DNS, in characters, without a dot at its end (RFC 1035).
_LONGEST_HOST = 253
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?", re.ASCII | re.IGNORECASE)
_BROKEN_ESCAPE = re.compile(r"%(?![2-7][0-9a-f]|[89a-f][0-9a-f])|%7f", re.IGNORECASE)
_SIZE = re.compile(r"(\d{1,12})(B|KiB|MiB|GiB)?", re.ASCII)
_SIZE_FACTOR = {None: 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def duration(value: object) -> float:
    """Seconds, from a duration such as ``10s``, ``1h30m`` or ``0``; ten years at most."""
    return _duration(value, "10y", 10 * 365 * 86400.0)


def positive_duration(value: object) -> float:
    """Like `duration`, but longer than 0."""
    return _positive(duration(value))


def timeout(value: object) -> float:
    """Seconds for a fetch, an hour at most."""
    return _positive(_duration(value, "1h", 3600.0))


def min_interval(value: object) -> float:
    """Seconds for which the result of a fetch is used again, an hour at most."""
    return _duration(value, "1h", 3600.0)


def people_interval(value: object) -> float:
    """Seconds between two requests for the disabled people, from a minute to a day.

    A failed request is tried again after a minute.
    """
    seconds = duration(value)
    if not 60 <= seconds <= 86400:
        raise ValueError("expected a duration from 1m to 1d")
    return seconds


def windows(value: object) -> tuple[Window, ...]:
    """Windows from a list of durations of different length, the shortest first."""
    if not isinstance(value, list):
        raise ValueError("expected a list of durations such as [7d, 30d]")  # noqa: TRY004, as in text
    found = {positive_duration(item): str(item) for item in value}
    if len(found) != len(value):
        raise ValueError("expected durations of different length")
    return tuple(Window(found[seconds], seconds) for seconds in sorted(found))


def withhold(value: object) -> frozenset[Withheld]:
    """The names of the labels whose values are not shown."""
    known = {str(name): name for name in typing.get_args(Withheld)}
    if not isinstance(value, list) or not all(str(name) in known for name in value):
        raise ValueError(f"expected a list such as [creator] of {', '.join(known)}")
    return frozenset(known[str(name)] for name in value)


def size(value: object) -> int:
    """Bytes, from a size such as ``64MiB``."""
    spelled = _spelled(value)
    match = _SIZE.fullmatch(spelled)
    if match is None or int(match[1]) == 0:
        raise ValueError("expected a size such as 512KiB, 64MiB or 1GiB")
    return int(match[1]) * _SIZE_FACTOR[match[2]]


def concurrency(value: object) -> int:
    """A count of fetches."""
    return _count(value, 9_999)


def max_keys(value: object) -> int:
    """A count of keys."""
    return _count(value, 1_000_000)


def secret(value: object) -> Secret:
    """A key or a header value, without space around it. It must not begin with a dollar sign."""
    spelled = text(value)
    if spelled.startswith("$"):
        raise ValueError("expected a key; a variable is written ${VAR}")
    return Secret(spelled)


def portal_url(value: object) -> str:
    """The base address of a portal: scheme and host in lower case, no trailing slash."""
    url = _http_url(value, "expected an address such as https://acme.onlyoffice.com")
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("expected an address without user and password")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise ValueError("expected an address without ? and #")
    if _BROKEN_ESCAPE.search(parts.path):
        raise ValueError("expected each % to begin an escape such as %20, not of a control code")
    return url.rstrip("/")


def proxy_url(value: object) -> Secret:
    """The address of an HTTP proxy. It may hold a password, so it is a secret."""
    return Secret(_http_url(value, "expected a proxy address such as http://proxy.example:3128"))


def _spelled(value: object) -> str:
    """The text of a scalar that YAML may have read as a number; "" for anything else.

    It is also "" for numbers with so many digits that Python refuses to print them.
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**15:
        return str(value)
    return value if isinstance(value, str) else ""


def _duration(value: object, longest: str, most: float) -> float:
    """Seconds, ``most`` at most, so that no timer and no date overflows."""
    spelled = _spelled(value)
    if spelled == "0":
        return 0.0
    match = _DURATION.fullmatch(spelled)
    if match is None or not spelled:
        raise ValueError("expected a duration such as 10s, 1h30m or 7d")
    counts = zip(match.groups(), _UNIT_SECONDS, strict=True)
    seconds = sum(int(count) * unit for count, unit in counts if count)
    if seconds > most:
        raise ValueError(f"expected a duration of at most {longest}")
    return seconds


def _positive(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError("expected a duration longer than 0s")
    return seconds


def _count(value: object, most: int) -> int:
    """A whole number, or a string of digits, because ``${VAR}`` expands to a string."""
    spelled = _spelled(value)
    if not re.fullmatch(r"[1-9]\d{0,6}", spelled, re.ASCII) or int(spelled) > most:
        raise ValueError(f"expected a whole number from 1 to {most}")
    return int(spelled)


def _http_url(value: object, expected: str) -> str:
    url = text(value)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket is missing, or the port is no number
        usable = False
    if not usable or not url.isprintable() or any(char in " \\" for char in url):
        raise ValueError(expected)
    user, at, place = parts.netloc.rpartition("@")
    host = _ip_v6(parts.hostname or "") if place.startswith("[") else _host(parts.hostname or "")
    port = f":{parts.port}" if parts.port else ""
    # Not by geturl(): it drops an empty query, which portal_url refuses.
    rest = url.partition("://")[2][len(parts.netloc) :]
    return f"{parts.scheme}://{user}{at}{host}{port}{rest}"


def _host(host: str) -> str:
    """A host name that is valid in DNS, or an IPv4 address."""
    try:
        spelled = host.encode("idna").decode("ascii") if len(host) <= 2 * _LONGEST_HOST else host
    except UnicodeError:  # an empty or too long label, or a character that is not allowed
        spelled = ""
    if len(spelled.removesuffix(".")) > _LONGEST_HOST:
        raise ValueError(f"expected a host name of at most {_LONGEST_HOST} characters")
    if not _HOST.fullmatch(spelled):
        raise ValueError("expected a host name of letters, digits, - and . or an IP address")
    return host


def _ip_v6(host: str) -> str:
    try:
        return f"[{ipaddress.IPv6Address(host)}]"
    except ValueError:
        raise ValueError("expected an IP v6 address in the brackets") from None
