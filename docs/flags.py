"""Writes ``docs/flags.md`` from the tables in ``exporter/flags.py``: ``python docs/flags.py``."""

from pathlib import Path

from exporter.cli import COMMANDS
from exporter.flags import Flag

PAGE = Path(__file__).with_name("flags.md")

_HEAD = """\
# Flags

Written by `python docs/flags.py` from the tables in `exporter/flags.py`; a test fails when this
page is out of date.

A value comes from the command line, else from the environment, else it is the default. A switch
takes no value; its variable says `true` or `false`. The variable of a repeatable flag separates
the values by commas. `--version` and `--help` go with every command.

`docspace-exporter` without a command is `docspace-exporter serve`.
"""


def reference() -> str:
    """The page."""
    return _HEAD + "".join(
        f"\n## docspace-exporter {name}\n\n{purpose[0].upper()}{purpose[1:]}.\n\n{_table(flags)}"
        for name, (flags, purpose) in COMMANDS.items()
    )


def _table(flags: tuple[Flag, ...]) -> str:
    rows = [
        f"| `{flag.name}` | `{flag.variable}` | {_default(flag)} | {_meaning(flag)} |\n"
        for flag in flags
    ]
    return "| flag | environment | default | meaning |\n|---|---|---|---|\n" + "".join(rows)


def _default(flag: Flag) -> str:
    return f"`{flag.default}`" if flag.default else ""


def _meaning(flag: Flag) -> str:
    choices = f": {', '.join(f'`{choice}`' for choice in flag.choices)}" if flag.choices else ""
    return flag.help + choices


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
