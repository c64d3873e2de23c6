"""Scalars of the configuration: each parser takes what YAML gave, or raises ValueError.

No message repeats the value: it may be a secret that slipped into the wrong field.
"""

import re
import typing
from pathlib import Path
from urllib.parse import urlsplit

from exporter.config.secret import Secret
from exporter.config.settings import Window, Withheld

# As Prometheus writes durations: units in falling order, each at most once.
_DURATION = re.compile(
    r"(?:(\d{1,3})y)?(?:(\d{1,5})w)?(?:(\d{1,6})d)?(?:(\d{1,8})h)?"
    r"(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,12})ms)?",
    re.ASCII,
)
_UNIT_SECONDS = (365 * 86400.0, 7 * 86400.0, 86400.0, 3600.0, 60.0, 1.0, 0.001)
_SIZE = re.compile(r"(\d{1,12})(B|KiB|MiB|GiB)?", re.ASCII)
_SIZE_FACTOR = {None: 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def text(value: object) -> str:
    """A string that is not empty and has no control character."""
    if not isinstance(value, str):
        raise ValueError("expected a string")  # noqa: TRY004, one error type for every bad value
    if not value.strip():
        raise ValueError("expected a string that is not empty")
    if any(ord(char) < 32 or ord(char) == 127 or 0xD800 <= ord(char) < 0xE000 for char in value):
        raise ValueError("expected a string without control characters")
    return value.strip()


def duration(value: object) -> float:
    """Seconds, from a duration such as ``10s`` or ``1h30m``; a plain 0 needs no unit."""
    spelled = _spelled(value)
    if spelled == "0":
        return 0.0
    match = _DURATION.fullmatch(spelled)
    if match is None or not spelled:
        raise ValueError("expected a duration such as 10s, 1h30m or 7d")
    return sum(
        int(count) * unit
        for count, unit in zip(match.groups(), _UNIT_SECONDS, strict=True)
        if count
    )


def positive_duration(value: object) -> float:
    """Like `duration`, but more than nothing."""
    seconds = duration(value)
    if seconds <= 0:
        raise ValueError("expected a duration longer than 0s")
    return seconds


def people_interval(value: object) -> float:
    """Seconds between two looks at who was disabled.

    A minute is how soon a failed one is tried again; after a day the news would be too old.
    """
    seconds = duration(value)
    if not 60 <= seconds <= 86400:
        raise ValueError("expected a duration from 1m to 1d")
    return seconds


def windows(value: object) -> tuple[Window, ...]:
    """Windows from a list of durations, the shortest first; no two of the same length."""
    if not isinstance(value, list):
        raise ValueError("expected a list of durations such as [7d, 30d]")  # noqa: TRY004, as in text
    found = {positive_duration(item): str(item) for item in value}
    if len(found) != len(value):
        raise ValueError("expected durations of different length")
    return tuple(Window(found[seconds], seconds) for seconds in sorted(found))


def withhold(value: object) -> frozenset[Withheld]:
    """Names of labels whose values are not shown."""
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
    """A count of fetches; a string of digits is one too, since ``${VAR}`` expands to a string."""
    spelled = _spelled(value)
    if not re.fullmatch(r"[1-9]\d{0,3}", spelled, re.ASCII):
        raise ValueError("expected a whole number from 1 to 9999")
    return int(spelled)


def boolean(value: object) -> bool:
    """True or false; the strings too, since ``${VAR}`` expands to a string."""
    spellings = {True: True, False: False, "true": True, "false": False}
    if not isinstance(value, bool | str) or value not in spellings:
        raise ValueError("expected true or false")
    return spellings[value]


def secret(value: object) -> Secret:
    """A key or a header value, surrounding space removed; no key begins with a dollar sign."""
    spelled = text(value)
    if spelled.startswith("$"):
        raise ValueError("expected a key; a variable is written ${VAR}")
    return Secret(spelled)


def portal_url(value: object) -> str:
    """The base address of a portal, without a trailing slash."""
    url = _http_url(value, "expected an address such as https://acme.onlyoffice.com")
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("expected an address without user and password")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise ValueError("expected an address without ? and #")
    return url.rstrip("/")


def proxy_url(value: object) -> Secret:
    """The address of an HTTP proxy. It may hold a password, so it is a secret."""
    return Secret(_http_url(value, "expected a proxy address such as http://proxy.example:3128"))


def path_in(folder: Path, value: object) -> Path:
    """A path; a relative one starts at folder, where the configuration lies."""
    try:
        return folder / Path(text(value)).expanduser()
    except RuntimeError as exc:
        raise ValueError("expected a path; nobody has the home directory it starts with") from exc


def _spelled(value: object) -> str:
    """The text of a scalar that YAML may have taken for a number; "" for anything else.

    Numbers without end are among those: Python itself refuses to spell them.
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**15:
        return str(value)
    return value if isinstance(value, str) else ""


def _http_url(value: object, expected: str) -> str:
    url = text(value)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is no number
        usable = False
    if not usable or any(char.isspace() or char == "\\" for char in url):
        raise ValueError(expected)
    return url
