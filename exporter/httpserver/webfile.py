"""The web configuration file and the files that it names. They are read again when they change."""

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from exporter.httpserver.auth import BasicAuth, TooManyChecks
from exporter.httpserver.message import Handler, Reply, Request
from exporter.httpserver.tls import UnfitPair, build
from exporter.httpserver.webconfig import WebConfig, load
from exporter.yamlfile import ConfigError
from exporter.yamlfile.stamp import Stamp, stamp


@dataclass(frozen=True, slots=True)
class InForce:
    """A configuration, with the authentication of its users and the context of its handshakes."""

    config: WebConfig
    auth: BasicAuth | None = None
    context: ssl.SSLContext | None = None


class WebConfigFile:
    """The web configuration of the files as they are now; without a file, the default.

    Raises ConfigError if the files cannot be used at the start.
    """

    def __init__(self, path: Path | None, log: FilteringBoundLogger) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._current = InForce(WebConfig())
        self._stamps: dict[Path, Stamp | None] = {}
        self._problem = ""
        if path is not None:
            self._path = path
            self._read()

    @property
    def tls(self) -> Callable[[], ssl.SSLContext] | None:
        """Gives the context for the next handshake; None for plain HTTP."""
        return None if self._current.context is None else self._context

    def guard(self, handler: Handler) -> Handler:
        """A handler that calls another one for requests of the file's users only, on every path.

        While the file cannot be used, every answer is 500: old users may have been removed from it.
        """

        def answer(request: Request) -> Reply:
            try:
                auth = self.current().auth
                known = not auth or auth.accepts(request.header("Authorization"), request.client)
            except ConfigError:
                return Reply.text("the web configuration cannot be used, see the log", 500)
            except TooManyChecks:
                return Reply.text("too many passwords to check, try again", 503, Retry_After="1")
            if not known:
                return Reply.text(
                    "a user name and a password are required", 401, WWW_Authenticate="Basic"
                )
            return handler(request)

        return answer

    def current(self) -> InForce:
        """The configuration in force; the same object while the files do not change.

        If a new certificate or its key cannot be used, the old pair stays in force: a renewal
        writes one file before the other. Raises ConfigError if anything else cannot be used: the
        new files may exclude users and clients that the old ones accept. A problem is logged once.
        """
        with self._lock:
            if self._problem or any(stamp(file) != seen for file, seen in self._stamps.items()):
                self._read_again()
            return self._current

    def _context(self) -> ssl.SSLContext:
        context = self.current().context
        assert context is not None  # noqa: S101, for the type checker: TLS stays on, see _read
        return context

    def _read_again(self) -> None:
        try:
            problem = self._read()
        except ConfigError as exc:
            self._note("web configuration cannot be used", str(exc))
            raise
        if problem:
            self._note("new certificate cannot be used, the old one stays", problem)
        else:
            self._problem = ""
            self._log.info("web configuration read again", file=str(self._path))

    def _note(self, event: str, problem: str) -> None:
        if problem != self._problem:
            for line in problem.splitlines():
                self._log.error(event, problem=line)
        self._problem = problem

    def _read(self) -> str:
        """Read the files and put them in force.

        Returns the problem of a new certificate or key if the old pair stays in force, else "".
        """
        stamps = {self._path: stamp(self._path)}
        config, old, problem, context = load(self._path), self._current, "", None
        if self._stamps and (config.tls is None) != (old.context is None):
            expected = "expected a restart of the exporter to turn TLS on or off"
            raise ConfigError([f"{self._path}: tls_server_config: {expected}"])
        if tls := config.tls:
            files = (tls.cert, tls.key, tls.client_ca)
            stamps |= {file: stamp(file) for file in files if file is not None}
            try:
                context = build(tls)
            except UnfitPair as exc:
                ca = tls.client_ca
                if tls != old.config.tls or (ca and stamps[ca] != self._stamps[ca]):
                    raise
                problem, context = str(exc), old.context
        auth = old.auth
        if config.users != old.config.users:
            auth = BasicAuth(config.users) if config.users else None
        self._current, self._stamps = InForce(config, auth, context), stamps
        return problem
