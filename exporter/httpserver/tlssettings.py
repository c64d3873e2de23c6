"""``tls_server_config`` of the web configuration file, to frozen settings. Opens no file."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from exporter.yamlfile import Section, scalars

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


def tls_settings(section: Section, folder: Path) -> TLSServerSettings | None:
    """The settings of a section; None where it is empty, which means plain HTTP.

    Problems are noted in the section; the settings are of use only where there are none.
    """
    path = partial(scalars.path_in, folder)
    for field, instead in _WITHOUT.items():
        section.refuse(field, instead)
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
