"""From the command line to a command, and to the exit code.

Exit codes: 0 success, 1 failure, 2 the command line or the configuration cannot be used.
"""

import argparse
import difflib
import importlib
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from exporter import flags
from exporter.commands.terminal import complain
from exporter.config import ConfigError
from exporter.version import VERSION, revision

#: Each command with its flags and a description. Its ``run`` is in ``commands``, in its module.
COMMANDS: dict[str, tuple[tuple[flags.Flag, ...], str]] = {
    "serve": (flags.SERVE, "serve metrics over HTTP (the default)"),
    "check": (flags.CHECK, "examine every portal and say what to do"),
    "keys": (flags.KEYS, "list the API keys, soonest expiry first"),
    "textfile": (flags.TEXTFILE, "write the portals' metrics to a file for node_exporter"),
    "demo": (flags.DEMO, "run three embedded DocSpace portals and an exporter on them"),
}

#: The form of flags. Other text is not repeated, because it may be a secret.
_FLAG = re.compile(r"--?[a-z][a-z._-]{0,30}")
#: Least likeness of two spellings, from 0 to 1, of which one may be a typing error for the other.
_ALIKE = 0.6


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    if sys.stderr is None:  # the caller has closed it
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115, open to the end
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = _parse(arguments)
    try:
        flags.complete(options, COMMANDS[options.command][0], os.environ)
        _import_structlog()
        # Imported here, so that a command does not import the libraries of others.
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
    """Import structlog without rich.

    structlog imports rich, if it is installed, for tracebacks in colour, which takes longer than
    all its other imports. Commands that use rich can import it afterwards.
    """
    hidden = "rich" not in sys.modules
    if hidden:
        sys.modules["rich"] = None  # type: ignore[assignment]  # so import raises ImportError
    try:
        importlib.import_module("structlog")
    finally:
        if hidden:
            del sys.modules["rich"]


class _Parser(argparse.ArgumentParser):
    """Reports a mistake in one line that names the help, instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        complain(f"{self.prog}: {message} (see `{self.prog} --help`)")
        raise SystemExit(2)


def _parse(arguments: list[str]) -> argparse.Namespace:
    """The command and its flags, still as text. A mistake ends the process."""
    parser = _parser()
    arguments = _with_command(arguments)
    if not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        parser.error(_unknown_command(arguments[0]))
    options, surplus = parser.parse_known_args(arguments)
    if surplus:
        command = _Parser(prog=f"docspace-exporter {options.command}")
        command.error(_surplus(surplus[0], options.command))
    return options


def _unknown_command(text: str) -> str:
    close = difflib.get_close_matches(text, COMMANDS, n=1)
    # Other text is not repeated: it may be a key in the wrong place.
    return f"no command {text}; did you mean {close[0]}?" if close else "no such command"


def _surplus(text: str, command: str) -> str:
    """The problem with an argument that a command does not have."""
    if text in COMMANDS:
        return f"put the command first: docspace-exporter {text} …"
    if not text.startswith("-"):
        return "expected flags only, not a word by itself"
    given = text.partition("=")[0]
    name = "--" + given.lstrip("-")
    names = {other: [flag.name for flag in table] for other, (table, _) in COMMANDS.items()}
    near = _nearest(name, [*names.pop(command), "--help", "--version"])
    owners = [other for other in names if name in names[other]]
    if owners and near != name:
        problem = f"{name} is a flag of {', '.join(owners)}, not of {command}"
    else:
        problem = f"no flag {given}" if _FLAG.fullmatch(given) else "no such flag"
    return f"{problem}; did you mean {near}?" if near else problem


def _nearest(name: str, known: Iterable[str]) -> str:
    """The known flag that a name most likely means, else "".

    Half of the name's words must begin words of the flag, or the two must be spelled alike. A
    single letter must begin the flag's first word.
    """
    words = _words(name)

    def common(flag: str) -> int:
        own = _words(flag)[: 1 if len(name) == len("--c") else None]
        return sum(any(each.startswith(word) for each in own) for word in words)

    def likeness(flag: str) -> float:
        return difflib.SequenceMatcher(None, flag[2:], name[2:]).ratio()

    near = max(known, key=lambda flag: (common(flag), likeness(flag)))
    return near if 2 * common(near) >= len(words) > 0 or likeness(near) >= _ALIKE else ""


def _words(flag: str) -> list[str]:
    """The words of a flag's name; the port is a part of an address here."""
    words = re.findall(r"[^-_.]+", flag.lower())
    return ["address" if word == "port" else word for word in words]


def _with_command(arguments: list[str]) -> list[str]:
    """The arguments with ``serve`` in front if they name no command."""
    first = arguments[0] if arguments else ""
    if first in {"-h", "--help", "--version"} or (first and not first.startswith("-")):
        return arguments
    return ["serve", *arguments]


def _parser() -> _Parser:
    parser = _Parser(
        prog="docspace-exporter",
        usage="%(prog)s [COMMAND] [FLAG ...]",
        description="Prometheus exporter for the API keys of ONLYOFFICE DocSpace portals.",
        epilog="`docspace-exporter COMMAND --help` lists the flags of another command.",
        allow_abbrev=False,
    )
    version = f"docspace-exporter {VERSION} (revision {revision()})"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )
    for name, (table, purpose) in COMMANDS.items():
        command = commands.add_parser(
            name,
            prog=f"docspace-exporter {name}",
            help=purpose,
            description=purpose,
            allow_abbrev=False,
        )
        command.add_argument("--version", action="version", version=version)
        for flag in table:
            flag.add_to(command)
    # For the help only: _with_command puts a command in front of all flags.
    default = parser.add_argument_group("flags of serve, the default command")
    for flag in flags.SERVE:
        flag.add_to(default)
    return parser
