"""TLS contexts for clients' connections, built again when settings or files change."""

import contextlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from structlog.typing import FilteringBoundLogger

from exporter.httpserver.webconfig import TLSServerSettings
from exporter.httpserver.webfile import WebConfigFile
from exporter.yamlfile import ConfigError
from exporter.yamlfile.stamp import Stamp, stamp

#: As getpeercert() calls the kinds of names that the toolkit compares, beside addresses.
_NAME_KINDS = frozenset({"DNS", "email", "URI"})


@dataclass(frozen=True, slots=True)
class ServerContext:
    """What a handshake is made with."""

    context: ssl.SSLContext
    allowed_sans: frozenset[str] = frozenset()

    def accepts(self, certificate: dict[str, Any] | None) -> bool:
        """Whether a client may stay. ``certificate`` is what getpeercert() says of it."""
        return not self.allowed_sans or not self.allowed_sans.isdisjoint(_names(certificate or {}))


class ServerTLS:
    """The context of the next handshake. Raises ConfigError where the first cannot be had."""

    def __init__(
        self, file: WebConfigFile, settings: TLSServerSettings, log: FilteringBoundLogger
    ) -> None:
        self._file = file
        self._log = log
        self._lock = threading.Lock()
        self._settings = settings
        self._stamps = _stamps(settings)
        self._current = build(settings)
        self._told = ""

    @classmethod
    def of(cls, file: WebConfigFile, log: FilteringBoundLogger) -> "ServerTLS | None":
        """What a file asks for; None for plain HTTP. Raises ConfigError."""
        settings = file.current().tls
        return None if settings is None else cls(file, settings, log)

    def current(self) -> ServerContext:
        """The context in force now.

        While a new certificate or its key cannot be used, the old pair stays in force: a renewal
        writes one before the other. Raises ConfigError where anything else cannot be used, the
        web configuration or the client CA: whom the old ones let in may be shut out by the new.
        """
        settings = self._file.current().tls
        assert settings is not None  # noqa: S101, for the type checker: TLS stays on, see webfile
        with self._lock:
            stamps = _stamps(settings)
            if (settings, stamps) != (self._settings, self._stamps) or self._told:
                self._build_again(settings, stamps)
            return self._current

    def _build_again(self, settings: TLSServerSettings, stamps: dict[Path, Stamp | None]) -> None:
        try:
            context = build(settings)
        except ConfigError as exc:
            if str(exc) != self._told:
                self._log.error("TLS files cannot be used", problem=str(exc))
            self._told = str(exc)
            if not self._only_the_pair_changed(settings, stamps):
                raise
            return
        self._settings, self._stamps, self._current, self._told = settings, stamps, context, ""
        self._log.info("TLS files read again")

    def _only_the_pair_changed(
        self, settings: TLSServerSettings, stamps: dict[Path, Stamp | None]
    ) -> bool:
        pair = {settings.cert, settings.key} - {settings.client_ca}
        changed = {path for path, state in stamps.items() if state != self._stamps.get(path)}
        return settings == self._settings and changed <= pair


def build(settings: TLSServerSettings) -> ServerContext:
    """A context with these settings. Raises ConfigError with one line that names the file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.minimum_version, context.maximum_version = settings.min_version, settings.max_version
    context.verify_mode = settings.verify
    # A certificate in the client CA counts even where its own issuer is not in it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if settings.client_ca is not None:
        try:
            context.load_verify_locations(cadata=_text(settings.client_ca))
        except (ssl.SSLError, ValueError) as exc:
            raise ConfigError([f"{settings.client_ca}: expected certificates in PEM form"]) from exc
    elif settings.verify != ssl.CERT_NONE:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    _load_pair(context, settings.cert, settings.key)
    return ServerContext(context, settings.allowed_sans)


def _load_pair(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    for file in (cert, key):
        _text(file)
    try:
        # An empty password, or OpenSSL would ask for one on the terminal.
        context.load_cert_chain(cert, key, password="")
    except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError
        reason = getattr(exc, "reason", None) or type(exc).__name__
        problem = (
            f"{cert}: expected a certificate in PEM form with the key in {key} that belongs to it, "
            f"not encrypted ({reason})"
        )
        raise ConfigError([problem]) from exc


def _text(file: Path) -> str:
    try:
        # Notes between the certificates may be in any language; ssl takes ASCII.
        return file.read_text("ascii", errors="ignore")
    except OSError as exc:
        raise ConfigError([f"{file}: cannot be read: {exc.strerror}"]) from exc


def _stamps(settings: TLSServerSettings) -> dict[Path, Stamp | None]:
    files = (settings.cert, settings.key, settings.client_ca)
    return {file: stamp(file) for file in files if file is not None}


def _names(certificate: dict[str, Any]) -> Iterator[str]:
    """A certificate's names, addresses in their short form."""
    for kind, name in certificate.get("subjectAltName", ()):
        if kind == "IP Address":
            with contextlib.suppress(ValueError):  # an address of odd length
                yield str(ip_address(name.strip()))
        elif kind in _NAME_KINDS:
            yield name
