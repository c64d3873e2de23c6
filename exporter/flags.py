"""Every flag, one row each; the parsers of the commands are made from these tables."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.web.listen import ListenAddress


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag. ``parse`` raises ValueError("expected …") for a value that does not fit.

    A flag without ``parse`` is a switch: it takes no value.
    """

    name: str
    help: str
    default: str = ""
    parse: Callable[[str], Any] | None = None
    choices: tuple[str, ...] = ()
    repeatable: bool = False

    @property
    def dest(self) -> str:
        """The attribute of the parsed options."""
        return self.name.removeprefix("--").replace(".", "_").replace("-", "_")

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Declare the flag."""
        text = self.help.replace("%", "%%")
        if self.parse is None:
            parser.add_argument(self.name, dest=self.dest, action="store_true", help=text)
            return
        default = self._value(self.default)
        parser.add_argument(
            self.name,
            dest=self.dest,
            type=self._value,
            action=_Collect if self.repeatable else "store",
            default=(default,) if self.repeatable else default,
            choices=self.choices or None,
            metavar=None if self.choices else self.dest.rpartition("_")[2].upper(),
            help=f"{text} (default: {self.default})" if self.default else text,
        )

    def _value(self, text: str) -> Any:
        """The parsed value; argparse shows the message of this error and exits with 2."""
        if self.parse is None:
            return text
        try:
            return self.parse(text)
        except ValueError as exc:
            raise argparse.ArgumentTypeError(str(exc)) from None


class _Collect(argparse.Action):
    """Gathers the values of a repeated flag; the first one replaces the default."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002, argparse's signature
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,  # noqa: ARG002, argparse's signature
    ) -> None:
        """Add one value."""
        known = getattr(namespace, self.dest)
        earlier = () if known is self.default else known
        setattr(namespace, self.dest, (*earlier, values))


LISTEN_ADDRESS = Flag(
    "--web.listen-address",
    "address to listen on; repeat it for several",
    default=":10180",
    parse=ListenAddress.parse,
    repeatable=True,
)

LOGS = (
    Flag(
        "--log.level",
        "least severe level that is logged",
        default="info",
        parse=str,
        choices=("debug", "info", "warn", "error"),
    ),
    Flag(
        "--log.format",
        "form of a log line",
        default="logfmt",
        parse=str,
        choices=("logfmt", "json"),
    ),
)

CONFIG_FILE = Flag("--config.file", "the configuration file", default="config.yaml", parse=Path)

SERVE = (
    CONFIG_FILE,
    Flag("--config.check", "check the configuration file and exit: 0 or 2"),
    LISTEN_ADDRESS,
    *LOGS,
)

DEMO = (LISTEN_ADDRESS, *LOGS)
