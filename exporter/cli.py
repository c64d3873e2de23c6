"""Flags to a command. The only place that reads the command line and decides exit codes.

Exit codes: 0 done, 1 it ran and failed, 2 the command line or the configuration cannot be used.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from exporter import flags
from exporter.commands.terminal import complain
from exporter.config import ConfigError
from exporter.version import VERSION, revision

#: Command, its flags, and what it does. The module of the same name in ``commands`` has its run().
COMMANDS: dict[str, tuple[tuple[flags.Flag, ...], str]] = {
    "serve": (flags.SERVE, "serve metrics over HTTP (the default)"),
    "check": (flags.CHECK, "examine every portal and say what to do"),
    "keys": (flags.KEYS, "list the API keys, soonest expiry first"),
    "textfile": (flags.TEXTFILE, "write the portals' metrics to a file for node_exporter"),
    "demo": (flags.DEMO, "run an embedded DocSpace portal and an exporter on it"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    if sys.stderr is None:  # closed by the caller, who wants to read nothing
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115, open to the end
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = _parse(arguments)
    try:
        flags.complete(options, COMMANDS[options.command][0], os.environ)
        _import_structlog()
        # Imported here, so that one command does not pay for the libraries of the others.
        command = importlib.import_module(f"exporter.commands.{options.command}")
        code: int = command.run(options)
    except flags.FlagError as exc:
        complain(f"docspace-exporter {options.command}: {exc}")
        return 2
    except ConfigError as exc:
        for problem in exc.problems:
            complain(problem)
        return 2
    return code


def _import_structlog() -> None:
    """Import structlog as if rich were not there.

    It would import rich to draw tracebacks for developers, which takes longer than all else that
    it imports. For the commands that use rich themselves it is there again.
    """
    hidden = "rich" not in sys.modules
    if hidden:
        sys.modules["rich"] = None  # type: ignore[assignment]  # so import raises ImportError
    try:
        importlib.import_module("structlog")
    finally:
        if hidden:
            del sys.modules["rich"]


def _parse(arguments: list[str]) -> argparse.Namespace:
    """The command and its flags, still as text; argparse ends the process on what is wrong."""
    parser = _parser()
    options, surplus = parser.parse_known_args(_with_command(arguments))
    if surplus and surplus[0] in COMMANDS:
        parser.error(f"put the command first: docspace-exporter {surplus[0]} …")
    if surplus:
        parser.error(f"unrecognized arguments: {' '.join(surplus)}")
    return options


def _with_command(arguments: list[str]) -> list[str]:
    """Put ``serve`` first where no command is named."""
    first = arguments[0] if arguments else ""
    if first in {"-h", "--help", "--version"} or (first and not first.startswith("-")):
        return arguments
    return ["serve", *arguments]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="docspace-exporter",
        description="Prometheus exporter for the API keys of ONLYOFFICE DocSpace portals.",
        epilog="Without a command it serves. `docspace-exporter COMMAND --help` lists its flags.",
        allow_abbrev=False,
    )
    version = f"docspace-exporter {VERSION} (revision {revision()})"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (table, purpose) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose, allow_abbrev=False)
        command.add_argument("--version", action="version", version=version)
        for flag in table:
            flag.add_to(command)
    return parser
