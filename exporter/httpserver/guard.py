"""What stands before the handler: the web configuration's users and headers.

In this the exporter does what the exporter-toolkit does: every path asks for a password, those
under ``/-/`` too, and the file counts as it is at the moment of the request.
"""

import threading
from collections.abc import Mapping
from dataclasses import replace

from exporter.httpserver.auth import BasicAuth, TooManyChecks
from exporter.httpserver.message import Handler, Reply, Request
from exporter.httpserver.webconfig import WebConfig
from exporter.httpserver.webfile import WebConfigFile
from exporter.yamlfile import ConfigError


class Guard:
    """A handler around another.

    While the file cannot be used every answer is 500: nobody gets in by an old or a broken one.
    """

    def __init__(self, handler: Handler, file: WebConfigFile) -> None:
        self._handler = handler
        self._file = file
        self._lock = threading.Lock()
        self._config = WebConfig()
        self._auth: BasicAuth | None = None

    def __call__(self, request: Request) -> Reply:
        """Let a request through, or answer it."""
        try:
            config = self._file.current()
        except ConfigError:
            return Reply.text("the web configuration cannot be used, see the log", 500)
        auth = self._authenticator(config)
        refused = _refusal(auth, request) if auth is not None else None
        return _with_headers(refused or self._handler(request), config.headers)

    def _authenticator(self, config: WebConfig) -> BasicAuth | None:
        """What checks these users. It keeps what it knows while they stay the same."""
        with self._lock:
            old, self._config = self._config, config
            if config.users != old.users:
                self._auth = BasicAuth(config.users) if config.users else None
            return self._auth


def _refusal(auth: BasicAuth, request: Request) -> Reply | None:
    try:
        if auth.accepts(request.header("Authorization"), request.client):
            return None
    except TooManyChecks:
        return Reply.text("too many passwords to check, try again", 503, Retry_After="1")
    return Reply.text("user and password, please", 401, WWW_Authenticate="Basic")


def _with_headers(reply: Reply, configured: Mapping[str, str]) -> Reply:
    """Add the configured headers to an answer, in place of those of the same name."""
    names = {name.lower() for name in configured}
    kept = {name: value for name, value in reply.headers.items() if name.lower() not in names}
    return replace(reply, headers={**kept, **configured})
