"""The web configuration file: the exporter-toolkit's format, read into frozen settings.

The format is described in docs/web-configuration.md of github.com/prometheus/exporter-toolkit.
Fields of the toolkit that this server does not have are refused, with what to do instead. Variables
are not expanded, because bcrypt hashes contain ``$``.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from exporter.yamlfile import Context, Secret, Section, document, scalars

T = TypeVar("T")

_CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_MIN_VERSION = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}

_INLINE = "expected a path in the field of this name with _file at its end, not PEM text"
_CHOICE = "expected no such field: OpenSSL chooses, from fewer with min_version: TLS13"
#: Fields of the toolkit's ``tls_server_config`` that this server does not have.
_NO_TLS_FIELDS = {
    "cert": _INLINE,
    "key": _INLINE,
    "client_ca": _INLINE,
    "cipher_suites": _CHOICE,
    "prefer_server_cipher_suites": _CHOICE,
    "curve_preferences": _CHOICE,
    "max_version": "expected no such field: both sides use the highest version that they know",
    "client_allowed_sans": (
        "expected no such field: client_ca_file may hold the accepted client certificates"
    ),
}
_CLIENT_CA = (
    "expected with VerifyClientCertIfGiven or RequireAndVerifyClientCert, and only with these"
)
_NO_HEADERS = "expected no such section: a reverse proxy may add headers to the exporter's own"
_NO_RATE_LIMIT = "expected no such section: the server limits the requests of each client address"
_USER = re.compile(r"[^:\x00-\x1f\x7f]+")
#: User names that an error may repeat: a bcrypt hash does not match.
_HARMLESS = re.compile(r"[\w.@-]{1,60}")
_BCRYPT = re.compile(
    r"\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}", re.ASCII
)


@dataclass(frozen=True, slots=True)
class TLSServerSettings:
    """TLS with clients.

    ``verify`` says whether a client may or must send a certificate. It is checked against
    ``client_ca``, which is set unless ``verify`` is CERT_NONE.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None
    verify: ssl.VerifyMode = ssl.CERT_NONE
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The whole file. The defaults are those without a file: plain HTTP, and no users.

    ``users`` are bcrypt hashes by user name.
    """

    tls: TLSServerSettings | None = None
    users: Mapping[str, Secret] = field(default_factory=dict)


def load(path: Path) -> WebConfig:
    """Read the file, and no other. Relative paths in it are relative to its folder.

    Raises ConfigError with a line for each problem. No line repeats a hash or a key.
    """
    context = Context(str(path))
    top = Section(document.read(path, may_be_empty=True), "", context)
    config = WebConfig(
        tls=_tls(top.section("tls_server_config"), path.parent),
        users=_users(top.section("basic_auth_users")),
    )
    http = top.section("http_server_config")
    http.take("http2", _http2, None)
    http.refuse("headers", _NO_HEADERS)
    http.close()
    top.refuse("rate_limit", _NO_RATE_LIMIT)
    top.close()
    context.end()
    return config


def _tls(section: Section, folder: Path) -> TLSServerSettings | None:
    """The settings of a section; None if it is empty, which means plain HTTP."""
    path = partial(scalars.path_in, folder)
    for name, instead in _NO_TLS_FIELDS.items():
        section.refuse(name, instead)
    take = section.require if section.fields else section.take
    cert, key = take("cert_file", path, None), take("key_file", path, None)
    client_ca = section.take("client_ca_file", path, None)
    verify = section.take("client_auth_type", partial(_one_of, _CLIENT_AUTH), ssl.CERT_NONE)
    if section.has("client_ca_file") != (verify != ssl.CERT_NONE):
        section.problem("client_ca_file", _CLIENT_CA)
    lowest = section.take("min_version", partial(_one_of, _MIN_VERSION), ssl.TLSVersion.TLSv1_2)
    section.close()
    return TLSServerSettings(cert, key, client_ca, verify, lowest) if cert and key else None


def _users(section: Section) -> Mapping[str, Secret]:
    users = {}
    for number, name in enumerate(section.fields, 1):
        hashed = section.take(name, _bcrypt, None)
        if hashed is not None and _USER.fullmatch(name):
            users[name] = hashed
        else:
            # If somebody swapped the two, the name is the hash.
            shown = name if _HARMLESS.fullmatch(name) else f"(entry {number})"
            section.problem(shown, "expected a user name without `:`, and a bcrypt hash")
    return users


def _bcrypt(value: object) -> Secret | None:
    return Secret(value) if isinstance(value, str) and _BCRYPT.fullmatch(value) else None


def _http2(value: object) -> None:
    if value is not False:
        raise ValueError("expected false, or no such field: the exporter speaks HTTP/1.1 only")


def _one_of(known: Mapping[str, T], value: object) -> T:
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"expected one of {', '.join(known)}")
    return known[value]
