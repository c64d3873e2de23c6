"""TLS contexts for clients' connections."""

import ssl
from pathlib import Path

from exporter.httpserver.webconfig import TLSServerSettings
from exporter.yamlfile import ConfigError


class UnfitPair(ConfigError):
    """A certificate or a key cannot be used, or the two do not belong together."""


def build(settings: TLSServerSettings) -> ssl.SSLContext:
    """A context with these settings.

    Raises ConfigError with one line that names the file: UnfitPair if only the certificate or its
    key is the problem.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.minimum_version = settings.min_version
    context.verify_mode = settings.verify
    # A certificate in `client_ca_file` is trusted even if its issuer is not in that file.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if settings.client_ca is not None:
        _load_authorities(context, settings.client_ca)
    _load_pair(context, settings.cert, settings.key)
    return context


def _load_authorities(context: ssl.SSLContext, file: Path) -> None:
    try:
        # ssl accepts ASCII only, but comments between the certificates may be in any language.
        context.load_verify_locations(cadata=file.read_text("ascii", errors="ignore"))
    except (ssl.SSLError, ValueError) as exc:
        raise ConfigError([f"{file}: expected certificates in PEM form"]) from exc
    except OSError as exc:
        raise ConfigError([f"{file}: cannot be read: {exc.strerror}"]) from exc


def _load_pair(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    for file in (cert, key):  # ssl does not say which of the two it cannot open
        try:
            file.open("rb").close()
        except OSError as exc:
            raise UnfitPair([f"{file}: cannot be read: {exc.strerror}"]) from exc
    try:
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(cert, key, password="")
    except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError
        reason = getattr(exc, "reason", None) or type(exc).__name__
        problem = (
            f"{cert}: expected a certificate in PEM form with the key in {key} that belongs to it, "
            f"not encrypted ({reason})"
        )
        raise UnfitPair([problem]) from exc
