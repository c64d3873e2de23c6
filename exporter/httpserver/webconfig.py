"""The web configuration file: the exporter-toolkit's format, read into frozen settings.

The format is told in docs/web-configuration.md of github.com/prometheus/exporter-toolkit. What the
toolkit takes and we cannot honour is refused. No variable is expanded: bcrypt hashes hold ``$``.
"""

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from exporter.yamlfile import Context, Secret, Section, document, scalars

T = TypeVar("T")

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
#: RequestClientCert accepts any certificate and none: not asking for one has the same outcome.
_CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "RequestClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
#: These take a certificate of any issuer. Python's ssl ends the handshake where one is unknown.
_ANY_ISSUER = {"RequireAnyClientCert", "RequireClientCert"}

_CHOICE = "expected no such field: OpenSSL's choice counts, which min_version: TLS13 narrows"
_INLINE = "expected a path in the field that ends in _file: no PEM text stands in this file"
#: Fields of the toolkit's that have no use here, and what to do instead.
_WITHOUT = {
    "cert": _INLINE,
    "key": _INLINE,
    "client_ca": _INLINE,
    "cipher_suites": _CHOICE,
    "prefer_server_cipher_suites": _CHOICE,
    "curve_preferences": _CHOICE,
}

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
class TLSServerSettings:
    """How to speak TLS with clients.

    ``verify`` tells whether a client may or must show a certificate. It is checked against
    ``client_ca``, without one against the system's certificates. Where ``allowed_sans`` is not
    empty, one of the certificate's names must be in it.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None
    verify: ssl.VerifyMode = ssl.CERT_NONE
    allowed_sans: frozenset[str] = frozenset()
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    max_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3


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
        tls=_tls(top.section("tls_server_config"), path.parent),
        users=_users(top.section("basic_auth_users")),
        headers=_http(top.section("http_server_config")),
    )
    top.close()
    context.end()
    return config


def _tls(section: Section, folder: Path) -> TLSServerSettings | None:
    """The settings of a section; None where it is empty, which means plain HTTP.

    Problems are noted in the section; the settings are of use only where there are none.
    """
    path = partial(scalars.path_in, folder)
    for name, instead in _WITHOUT.items():
        section.refuse(name, instead)
    take = section.require if section.fields else section.take
    cert, key = take("cert_file", path, None), take("key_file", path, None)
    client_ca = section.take("client_ca_file", path, None)
    verify = section.take("client_auth_type", _client_auth, ssl.CERT_NONE)
    if client_ca is not None and verify == ssl.CERT_NONE:
        section.problem(
            "client_auth_type",
            "expected RequireAndVerifyClientCert or VerifyClientCertIfGiven: "
            "otherwise nothing is checked against the client CA",
        )
    allowed_sans = section.take("client_allowed_sans", _names, frozenset())
    if allowed_sans and verify != ssl.CERT_REQUIRED:
        section.problem(
            "client_allowed_sans", "expected client_auth_type RequireAndVerifyClientCert with it"
        )
    low = section.take("min_version", _one_of(_VERSIONS), ssl.TLSVersion.TLSv1_2)
    high = section.take("max_version", _one_of(_VERSIONS), ssl.TLSVersion.TLSv1_3)
    if low > high:
        section.problem("max_version", "expected a version that min_version allows")
    section.close()
    if cert is None or key is None:
        return None
    return TLSServerSettings(cert, key, client_ca, verify, allowed_sans, low, high)


def _one_of(known: Mapping[str, T]) -> Callable[[object], T]:
    def parse(value: object) -> T:
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"expected one of {', '.join(known)}")
        return known[value]

    return parse


def _client_auth(value: object) -> ssl.VerifyMode:
    if value in _ANY_ISSUER:
        raise ValueError(
            "expected RequireAndVerifyClientCert: certificates of unknown issuers cannot be taken"
        )
    return _one_of(_CLIENT_AUTH)(value)


def _names(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not value:
        raise ValueError("expected a list of at least one name: otherwise no client could match")
    return frozenset(scalars.text(item) for item in value)


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
