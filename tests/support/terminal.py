"""The exporter on a terminal of a given width, seen as the person before it sees it."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: What rich sends to a terminal: colours, and moves of the progress.
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_COLOUR = re.compile(r"\x1b\[(?:\d+;)*3\d(?:;\d+)*m")

#: What of the machine's environment would change the look.
_STEERING = frozenset({"NO_COLOR", "FORCE_COLOR", "COLORTERM", "COLUMNS", "LINES"})


@dataclass(frozen=True)
class Screen:
    """What a process wrote to its terminal, and its exit code."""

    raw: str
    code: int

    @property
    def text(self) -> str:
        """The text alone, without the progress that was there before and is gone."""
        return _SEQUENCE.sub("", self.raw.rpartition("\x1b[2K")[2]).replace("\r", "")

    @property
    def lines(self) -> list[str]:
        """The lines that are not empty."""
        return [line for line in self.text.split("\n") if line.strip()]

    @property
    def coloured(self) -> bool:
        """Whether there is any colour."""
        return _COLOUR.search(self.raw) is not None


def on_terminal(
    *arguments: str | Path, columns: int, cwd: Path, env: Mapping[str, str] | None = None
) -> Screen:
    """Run a command of the exporter to its end, all three streams being a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    known = {name: value for name, value in os.environ.items() if name not in _STEERING}
    process = subprocess.Popen(
        [sys.executable, "-m", "exporter", *map(str, arguments)],
        cwd=cwd,
        env={**known, "TERM": "xterm-256color", **(env or {})},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = bytearray()
    with contextlib.suppress(OSError):  # EIO: the other side has ended
        while chunk := os.read(ours, 65536):
            written += chunk
    os.close(ours)
    return Screen(written.decode(), process.wait(60))
