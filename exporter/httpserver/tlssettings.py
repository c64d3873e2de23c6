"""``tls_server_config`` of the web configuration file, to frozen settings. Opens no file."""

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from exporter.httpserver import tlsnames
from exporter.yamlfile import Secret, Section, scalars

T = TypeVar("T")

#: PEM text: where it lies, or itself where the file holds it inline.
Pem = Path | Secret


@dataclass(frozen=True, slots=True)
class TLSServerSettings:
    """How to speak TLS with clients.

    ``verify`` tells whether a client may or must show a certificate. It is checked against
    ``client_ca``, without one against the system's certificates. Where ``allowed_sans`` is not
    empty, one of the certificate's names must be in it. ``suites`` are OpenSSL's names for
    TLS 1.2 and older, ``curve`` is the only one allowed.
    """

    cert: Pem
    key: Pem
    client_ca: Pem | None = None
    verify: ssl.VerifyMode = ssl.CERT_NONE
    allowed_sans: frozenset[str] = frozenset()
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    max_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    suites: tuple[str, ...] = tuple(tlsnames.DEFAULT_SUITES.values())
    prefer_server_order: bool = True
    curve: str | None = None


def tls_settings(section: Section, folder: Path) -> TLSServerSettings | None:
    """The settings of a section; None where it is empty, which means plain HTTP.

    Problems are noted in the section; the settings are of use only where there are none.
    """
    cert = _pem(section, "cert", folder)
    key = _pem(section, "key", folder)
    client_ca = _pem(section, "client_ca", folder)
    if section.fields:
        _require(section, "cert")
        _require(section, "key")
    low = section.take("min_version", _one_of(tlsnames.VERSIONS), ssl.TLSVersion.TLSv1_2)
    high = section.take("max_version", _one_of(tlsnames.VERSIONS), ssl.TLSVersion.TLSv1_3)
    suites = section.take("cipher_suites", _suites, tuple(tlsnames.DEFAULT_SUITES.values()))
    if not suites:
        # Only TLS 1.3 has a suite left to agree on, as in Go.
        low = ssl.TLSVersion.TLSv1_3
    if low > high:
        section.problem("max_version", "expected a version that min_version and the suites allow")
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
    prefer = section.take("prefer_server_cipher_suites", scalars.boolean, True)  # noqa: FBT003, a default
    curve = section.take("curve_preferences", _curve, None)
    section.close()
    if cert is None or key is None:
        return None
    return TLSServerSettings(
        cert, key, client_ca, verify, allowed_sans, low, high, suites, prefer, curve
    )


def _pem(section: Section, name: str, folder: Path) -> Pem | None:
    """What ``name_file`` says, or ``name``: PEM text that stands in the file itself."""
    file = section.take(f"{name}_file", partial(scalars.path_in, folder), None)
    inline = section.take(name, _inline, None)
    if section.has(f"{name}_file") and section.has(name):
        section.problem(name, f"expected either `{name}_file` or `{name}`")
    return file or inline


def _require(section: Section, name: str) -> None:
    if not section.has(f"{name}_file") and not section.has(name):
        section.problem(f"{name}_file", f"expected `{name}_file` or `{name}`: TLS needs it")


def _inline(value: object) -> Secret:
    if not isinstance(value, str) or "-----BEGIN " not in value:
        raise ValueError("expected PEM text; a path goes to the field that ends in _file")
    if not hasattr(os, "memfd_create"):
        raise ValueError("expected a file: PEM text can stand here on Linux only")
    return Secret(value)


def _one_of(known: Mapping[str, T]) -> Callable[[object], T]:
    def parse(value: object) -> T:
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"expected one of {', '.join(known)}")
        return known[value]

    return parse


def _client_auth(value: object) -> ssl.VerifyMode:
    if value in tlsnames.ANY_ISSUER:
        raise ValueError(
            "expected RequireAndVerifyClientCert: certificates of unknown issuers cannot be taken"
        )
    return _one_of(tlsnames.CLIENT_AUTH)(value)


def _strings(value: object) -> list[str]:
    if not isinstance(value, list):
        raise ValueError("expected a list")  # noqa: TRY004, one error type for every bad value
    return [scalars.text(item) for item in value]


def _names(value: object) -> frozenset[str]:
    names = frozenset(_strings(value))
    if not names:
        raise ValueError("expected at least one name: no client could match")
    return names


def _suites(value: object) -> tuple[str, ...]:
    """OpenSSL's names of the suites below TLS 1.3; nothing where the list holds TLS 1.3's only."""
    names = _strings(value)
    for number, name in enumerate(names, 1):
        if name not in tlsnames.SUITES and name not in tlsnames.TLS13_SUITES:
            example = next(iter(tlsnames.SUITES))
            raise ValueError(f"expected safe suites such as {example}; entry {number} is none")
    older = [name for name in names or tlsnames.DEFAULT_SUITES if name in tlsnames.SUITES]
    return tuple(tlsnames.SUITES[name] for name in dict.fromkeys(older))


def _curve(value: object) -> str | None:
    names = _strings(value)
    if len(names) > 1:
        raise ValueError("expected one curve, or no list: an order of several cannot be set")
    return _one_of(tlsnames.CURVES)(names[0]) if names else None
