"""All flags, one row each. The parsers of the commands and docs/flags.md are made from them.

A value is that of the command line, else that of the environment, else the default.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from exporter.config.values import portal_url, positive_duration
from exporter.httpserver.listen import ListenAddress

ENVIRONMENT_PREFIX = "DOCSPACE_EXPORTER_"


class FlagError(Exception):
    """A flag's value cannot be used; the message names the flag or the variable."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag. ``parse`` raises ValueError("expected …") for a value that is not valid.

    A flag without ``parse`` is a switch: it has no value, and its variable is true or false. The
    value of a repeatable flag is a tuple; its variable separates the values by commas. ``command``
    is set if another command has a different flag of the same name. It is part of the variable.
    """

    name: str
    help: str
    default: str = ""
    parse: Callable[[str], Any] | None = None
    choices: tuple[str, ...] = ()
    repeatable: bool = False
    command: str = ""

    @property
    def dest(self) -> str:
        """The attribute of the parsed options."""
        return self.name.removeprefix("--").replace(".", "_").replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable of the flag."""
        scope = f"{self.command}_" if self.command else ""
        return ENVIRONMENT_PREFIX + (scope + self.dest).upper()

    def add_to(self, parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
        """Declare the flag; without it on the command line, its option is None."""
        default = f"default: {self.default}, " if self.default else ""
        text = f"{self.help} ({default}environment: {self.variable})".replace("%", "%%")
        if self.parse is None:
            parser.add_argument(
                self.name, dest=self.dest, action="store_true", default=None, help=text
            )
        else:
            parser.add_argument(
                self.name,
                dest=self.dest,
                action="append",  # so that a flag given twice can be refused
                metavar="|".join(self.choices) or self.dest.rpartition("_")[2].upper(),
                help=text,
            )

    def value(self, given: Any, environ: Mapping[str, str]) -> Any:
        """The flag's value: the ``given`` one, else that of the variable, else the default.

        Raises FlagError.
        """
        set_in = environ.get(self.variable, "")
        if self.parse is None:
            return given or self._switch(set_in)
        if given is not None:
            return self._parsed(given, self.name)
        if set_in:
            return self._parsed(set_in.split(",") if self.repeatable else [set_in], self.variable)
        return self._parsed([self.default] if self.default else [], self.name)

    def _switch(self, text: str) -> bool:
        if text not in {"", "true", "false"}:
            raise FlagError(f"{self.variable}: expected true or false")
        return text == "true"

    def _parsed(self, texts: list[str], place: str) -> Any:
        if self.choices and not set(texts) <= set(self.choices):
            raise FlagError(f"{place}: expected one of {', '.join(self.choices)}")
        if len(texts) > 1 and not self.repeatable:
            raise FlagError(f"{place}: expected once, not {len(texts)} times")
        assert self.parse is not None  # noqa: S101, for the type checker: switches end earlier
        try:
            values = tuple(self.parse(text.strip()) for text in texts)
        except ValueError as exc:
            raise FlagError(f"{place}: {exc}") from None
        return values if self.repeatable else next(iter(values), None)


def complete(
    options: argparse.Namespace, table: Iterable[Flag], environ: Mapping[str, str]
) -> None:
    """Fill in and parse the value of every flag of the table. Raises FlagError."""
    for flag in table:
        setattr(options, flag.dest, flag.value(getattr(options, flag.dest), environ))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10_000):
        raise ValueError("expected a whole number from 1 to 9999")
    return int(text)


def _path(text: str) -> str:
    if not text.startswith("/") or not text.isprintable() or any(char in text for char in "?# "):
        raise ValueError("expected a path such as /metrics")
    if text in {"/probe", "/sd"} or text.startswith("/-/"):
        raise ValueError("expected a path that the exporter does not use for anything else")
    return text


def _prom_file(text: str) -> Path:
    if not text.endswith(".prom"):
        raise ValueError("expected a file such as docspace.prom; node_exporter reads only *.prom")
    return Path(text)


#: It has no default: without it, `config.Source` looks for a file.
CONFIG_FILE = Flag(
    "--config.file",
    "the configuration file; without it config.yaml is read, and without that file "
    "DOCSPACE_URL and DOCSPACE_API_KEY are enough",
    "",
    Path,
)

LOGS = (
    Flag(
        "--log.level",
        "lowest level that is logged",
        "info",
        str,
        choices=("debug", "info", "warn", "error"),
    ),
    Flag("--log.format", "format of a log line", "logfmt", str, choices=("logfmt", "json")),
)

WEB = (
    Flag(
        "--web.listen-address",
        "address to listen on; repeatable",
        ":10180",
        ListenAddress.parse,
        repeatable=True,
    ),
    Flag("--web.systemd-socket", "listen on the sockets that systemd passes instead"),
    Flag(
        "--web.config.file", "file with TLS and users, in the exporter-toolkit's format", "", Path
    ),
    Flag("--web.telemetry-path", "path of the metrics", "/metrics", _path),
    Flag(
        "--web.external-url",
        "address at which Prometheus and browsers reach the exporter",
        "",
        portal_url,
    ),
    Flag("--web.enable-lifecycle", "allow reloading by POST /-/reload"),
    Flag("--web.disable-status-page", "serve a plain landing page at /"),
    Flag(
        "--web.max-requests",
        "scrapes at the same time; beyond that, a client that already waits for one gets 503",
        "40",
        _count,
    ),
)

SERVE = (
    CONFIG_FILE,
    Flag("--config.check", "check the configuration file and exit: 0 or 2"),
    *WEB,
    *LOGS,
)

DEMO = (*WEB, *LOGS)

#: For commands whose output reports the problems.
QUIET_LOGS = (replace(LOGS[0], default="error"), LOGS[1])

PORTAL = Flag("--portal", "only the portal of this name; repeatable", "", str, repeatable=True)

CHECK = (
    CONFIG_FILE,
    PORTAL,
    Flag(
        "--format", "format of the output", "table", str, choices=("table", "json"), command="check"
    ),
    *QUIET_LOGS,
)

KEYS = (
    CONFIG_FILE,
    PORTAL,
    Flag(
        "--state",
        "only keys in this state; repeatable",
        "",
        str,
        choices=("active", "orphaned", "rotated", "disabled", "expired"),
        repeatable=True,
    ),
    Flag(
        "--expiring-within",
        "only active keys that expire within this time, such as 30d",
        "",
        positive_duration,
    ),
    Flag(
        "--sort",
        "order of the keys",
        "expiry",
        str,
        choices=("expiry", "name", "portal", "created", "last-used"),
    ),
    Flag(
        "--format",
        "format of the output",
        "table",
        str,
        choices=("table", "json", "csv"),
        command="keys",
    ),
    Flag("--exit-code", "exit with 1 if a key expires within --expiring-within (without it: 30d)"),
    *QUIET_LOGS,
)

TEXTFILE = (
    CONFIG_FILE,
    Flag(
        "--output", "the file to write, in the directory that node_exporter reads", "", _prom_file
    ),
    Flag(
        "--interval",
        "write the file again at this interval, such as 1m; without it, write once",
        "",
        positive_duration,
    ),
    replace(LOGS[0], default="warn"),
    LOGS[1],
)
