"""The web configuration file: the exporter-toolkit's format, read into frozen settings.

The format is told in docs/web-configuration.md of github.com/prometheus/exporter-toolkit. What the
toolkit takes and we cannot honour is refused. No variable is expanded: bcrypt hashes hold ``$``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from exporter.httpserver.tlssettings import TLSServerSettings, tls_settings
from exporter.yamlfile import Context, Secret, Section, document, scalars

#: The headers that a file may set, with the values they may have; none means any.
HEADERS: Mapping[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}

_RATE_LIMIT = (
    "expected no such section: it counts over all clients, so that any of them could shut out "
    "the others; the server shares itself out by address"
)
_USER = re.compile(r"[^:\x00-\x1f\x7f]+")
#: Names that an error may repeat: no hash looks like this.
_HARMLESS = re.compile(r"[\w.@-]{1,60}")
_BCRYPT = re.compile(
    r"\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}", re.ASCII
)


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The whole file; without one, the defaults: plain HTTP, and nobody is asked for a password.

    ``users`` are bcrypt hashes by user name, ``headers`` are added to answers.
    """

    tls: TLSServerSettings | None = None
    users: Mapping[str, Secret] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def load(path: Path) -> WebConfig:
    """Read the file; relative paths in it start at its folder.

    Raises ConfigError with a line for each problem. No line repeats a hash or a key.
    """
    context = Context(str(path))
    top = Section(document.read(path, may_be_empty=True), "", context)
    top.refuse("rate_limit", _RATE_LIMIT)
    config = WebConfig(
        tls=tls_settings(top.section("tls_server_config"), path.parent),
        users=_users(top.section("basic_auth_users")),
        headers=_http(top.section("http_server_config")),
    )
    top.close()
    context.end()
    return config


def cost(hashed: Secret) -> int:
    """The cost of a bcrypt hash: its logarithm of rounds."""
    return int(hashed.reveal()[4:6])


def _users(section: Section) -> Mapping[str, Secret]:
    users = {}
    for number, name in enumerate(section.fields, 1):
        hashed = section.take(name, _bcrypt, None)
        if hashed is not None and _USER.fullmatch(name):
            users[name] = hashed
        else:
            # In a file that has the two the wrong way round the name is the hash.
            shown = name if _HARMLESS.fullmatch(name) else f"(entry {number})"
            section.problem(shown, "expected a user name without `:`, and a bcrypt hash")
    return users


def _bcrypt(value: object) -> Secret | None:
    if not isinstance(value, str) or not _BCRYPT.fullmatch(value):
        return None
    return Secret(value)


def _http(section: Section) -> Mapping[str, str]:
    section.take("http2", _http2, None)
    headers = section.section("headers")
    section.close()
    found = {name: headers.take(name, partial(_header, name), "") for name in HEADERS}
    headers.close()
    return {name: value for name, value in found.items() if value}


def _http2(value: object) -> None:
    if value is not False:
        raise ValueError("expected false, or no such field: the exporter speaks HTTP/1.1 only")


def _header(name: str, value: object) -> str:
    """A header's value; an empty one unsets it, as in the toolkit."""
    if value == "":
        return ""
    line = scalars.text(value)
    if not line.isascii():
        raise ValueError("expected a string of ASCII characters")
    if HEADERS[name] and line not in HEADERS[name]:
        raise ValueError(f"expected {' or '.join(HEADERS[name])}")
    return line
