"""Writes ``docs/flags.md`` from the tables in ``exporter/flags.py``: ``python docs/flags.py``."""

from pathlib import Path

from exporter.cli import COMMANDS
from exporter.flags import Flag

PAGE = Path(__file__).with_name("flags.md")

_HEAD = """\
<!-- Written by `make generated` from exporter/flags.py; a test compares. -->

# Flags

A value comes from the command line; if it is not there, from the environment; otherwise the default
counts. A switch takes no value; its variable is `true` or `false`. The variable of a repeatable
flag has its values separated by commas. Every command also has `--version` and `--help`.

`docspace-exporter` without a command means `docspace-exporter serve`.
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
