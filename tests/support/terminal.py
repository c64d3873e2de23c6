"""Run the exporter on a terminal of a given width, and read what it shows."""

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

#: Escape sequences that rich sends to a terminal: colours, and movements of the cursor.
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_COLOUR = re.compile(r"\x1b\[(?:\d+;)*3\d(?:;\d+)*m")

#: Variables of the environment that change the output.
_STEERING = frozenset({"NO_COLOR", "FORCE_COLOR", "COLORTERM", "COLUMNS", "LINES"})


@dataclass(frozen=True)
class Screen:
    """The output of a process on its terminal, and its exit code."""

    raw: str
    code: int

    @property
    def text(self) -> str:
        """The text without escape sequences, and without the progress, which rich erases."""
        return _SEQUENCE.sub("", self.raw.rpartition("\x1b[2K")[2]).replace("\r", "")

    @property
    def lines(self) -> list[str]:
        """The lines that are not empty."""
        return [line for line in self.text.split("\n") if line.strip()]

    @property
    def coloured(self) -> bool:
        """Whether it contains any colour."""
        return _COLOUR.search(self.raw) is not None


def on_terminal(
    *arguments: str | Path, columns: int, cwd: Path, env: Mapping[str, str] | None = None
) -> Screen:
    """Run a command to its end. Its three standard streams are a terminal."""
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
    with contextlib.suppress(OSError):  # EIO: the process has ended
        while chunk := os.read(ours, 65536):
            written += chunk
    os.close(ours)
    return Screen(written.decode(), process.wait(60))
