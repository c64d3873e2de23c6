"""The certificate of a server: whether it is trusted, its issuer, its names and its end.

It is read over separate connections, which carry no request.
"""

import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from exporter.config import TLSSettings
from exporter.docspace.errors import TLSFailed
from exporter.docspace.proxy import Endpoint
from exporter.docspace.tls import TLSContexts
from exporter.formatting import moment

#: OpenSSL's flag X509_V_FLAG_NO_CHECK_TIME, for which Python has no name.
_NO_CHECK_TIME = 0x200000

#: OpenSSL's codes for reasons not to trust a certificate.
_EXPIRED = 10
_WRONG_HOST = frozenset({62, 64})
_UNKNOWN_ISSUER = frozenset({18, 19, 20, 21})


@dataclass(frozen=True, slots=True)
class Certificate:
    """The content of a certificate. ``ends`` is Unix seconds, ``names`` are its host names."""

    issuer: str
    names: tuple[str, ...]
    ends: float


def inspect(host: Endpoint, settings: TLSSettings, seconds: float, now: float) -> Certificate:
    """Make the TLS handshake of a fetch, and read the certificate.

    Each network step may take ``seconds``; ``now`` is Unix seconds. Raises TLSFailed for a
    certificate that is not trusted, and OSError for any other failure.
    """
    context = TLSContexts().get(settings)
    try:
        if context.verify_mode == ssl.CERT_NONE:
            return _read_untrusted(host, settings, seconds)
        with _handshake(host, context, seconds) as encrypted:
            return _certificate(encrypted.getpeercert() or {})
    except ssl.SSLCertVerificationError as exc:
        shown = _read_untrusted_if_possible(host, settings, seconds)
        raise _explained(exc, host, shown, now) from exc


def _handshake(host: Endpoint, context: ssl.SSLContext, seconds: float) -> ssl.SSLSocket:
    with socket.create_connection(host, seconds) as plain:
        # The TLS socket takes the connection over: `plain` has nothing left to close.
        return context.wrap_socket(plain, server_hostname=host[0])


def _read_untrusted(host: Endpoint, settings: TLSSettings, seconds: float) -> Certificate:
    """Read a certificate that is not trusted, to show its content.

    Python parses only verified certificates: so it is fetched first, and verified against itself
    on a second connection.
    """
    unverified = replace(settings, insecure_skip_verify=True)
    with _handshake(host, TLSContexts().get(unverified), seconds) as encrypted:
        itself = encrypted.getpeercert(binary_form=True)
    context = TLSContexts().get(unverified)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags = ssl.VerifyFlags(ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME)
    context.load_verify_locations(cadata=itself)
    with _handshake(host, context, seconds) as encrypted:
        return _certificate(encrypted.getpeercert() or {})


def _read_untrusted_if_possible(
    host: Endpoint, settings: TLSSettings, seconds: float
) -> Certificate | None:
    try:
        return _read_untrusted(host, settings, seconds)
    except (OSError, TLSFailed):
        return None


def _explained(
    refused: ssl.SSLCertVerificationError, host: Endpoint, shown: Certificate | None, now: float
) -> TLSFailed:
    """The error for a refused certificate, with the reason and a hint."""
    code = refused.verify_code
    if shown is not None and code == _EXPIRED:
        return TLSFailed(
            f"the certificate expired {moment(shown.ends - now)}", "renew the portal's certificate"
        )
    if shown is not None and code in _WRONG_HOST:
        return TLSFailed(
            f"the certificate is for {', '.join(shown.names)}",
            f"put a name of the certificate into `url`, or have one issued for {host[0]}",
        )
    if shown is not None and code in _UNKNOWN_ISSUER:
        return TLSFailed(
            f"the certificate was issued by {shown.issuer}, which is not trusted here",
            f"put the certificate of {shown.issuer} into `tls.ca_file`",
        )
    return TLSFailed(f"certificate verify failed: {refused.verify_message}")


def _certificate(fields: Mapping[str, Any]) -> Certificate:
    """From the form of ssl.SSLSocket.getpeercert()."""
    names = [value for kind, value in fields.get("subjectAltName", ()) if kind in _NAMED]
    return Certificate(
        issuer=_organization(fields["issuer"]),
        names=tuple(names) or (_organization(fields["subject"]),),
        ends=float(ssl.cert_time_to_seconds(fields["notAfter"])),
    )


_NAMED = ("DNS", "IP Address")


def _organization(parts: Iterable[Iterable[tuple[str, str]]]) -> str:
    """The organization and the common name of a distinguished name."""
    fields = {name: value for part in parts for name, value in part}
    known = [fields[name] for name in ("organizationName", "commonName") if name in fields]
    return " ".join(known) or "an issuer without a name"
