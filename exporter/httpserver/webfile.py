"""Files that are read again when they change, first of all the web configuration file itself."""

import threading
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from exporter.httpserver.webconfig import WebConfig, load
from exporter.yamlfile import ConfigError

#: What tells that a file changed: times of content and of owner or mode, size, inode.
from exporter.yamlfile.stamp import stamp


class WebConfigFile:
    """The web configuration as the file has it now. Without a file it is the default.

    Raises ConfigError where the file cannot be used at the start.
    """

    def __init__(self, path: Path | None, log: FilteringBoundLogger) -> None:
        self.path = path
        self._log = log
        self._lock = threading.Lock()
        self._stamp = None if path is None else stamp(path)
        self._config = WebConfig() if path is None else load(path)
        self._told = ""

    def current(self) -> WebConfig:
        """The configuration; the same object while the file stays as it is.

        Raises ConfigError where the file has become unusable: the users it had may have been
        removed from it, so nothing of the old one counts any more. The log says so once.
        """
        if self.path is None:
            return self._config
        with self._lock:
            now = stamp(self.path)
            if now is None or now != self._stamp or self._told:
                self._read_again(self.path)
                self._stamp = now
            return self._config

    def _read_again(self, path: Path) -> None:
        try:
            config = self._loaded(path)
        except ConfigError as exc:
            if str(exc) != self._told:
                for problem in exc.problems:
                    self._log.error("web configuration cannot be used", problem=problem)
            self._told = str(exc)
            raise
        self._config, self._told = config, ""
        self._log.info("web configuration read again", file=str(path))

    def _loaded(self, path: Path) -> WebConfig:
        config = load(path)
        if (config.tls is None) != (self._config.tls is None):
            raise ConfigError(
                [f"{path}: tls_server_config: expected a restart: TLS goes on or off"]
            )
        return config
