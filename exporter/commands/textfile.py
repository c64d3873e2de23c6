"""``docspace-exporter textfile``: the portals' metrics in a file for node_exporter.

node_exporter has process metrics of its own, so the exporter's stay out of the file; and it refuses
timestamps: how old the file is shows in its `node_textfile_mtime_seconds`.
"""

import argparse
import contextlib
import math
import os
import secrets
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.commands.terminal import interrupted
from exporter.config import ConfigError, load
from exporter.exporter import Exporter
from exporter.flags import FlagError
from exporter.logs import make_log

#: Mode of a new file: node_exporter runs as another user.
_MODE = 0o644


def run(options: argparse.Namespace) -> int:
    """Write the file, once or at each interval until SIGTERM or SIGINT.

    A portal that fails is data in the file. 1 where that cannot be written; with an interval this
    is logged, and tried again. Raises ConfigError, and FlagError for an output that cannot be.
    """
    output = _checked(options.output)
    log = make_log(sys.stderr, options.log_level, options.log_format)
    exporter = Exporter(partial(load, options.config_file, os.environ), Clock(), log)
    # As Ctrl-C does: it interrupts whatever is waited for, be it portals or the next turn.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.interval is None:
            return 0 if _scrape(exporter, output, log) else 1
        _repeat(exporter, partial(_scrape, exporter, output, log), options.interval)
    except KeyboardInterrupt:
        log.info("ending")
    finally:
        exporter.close()
    return interrupted() if options.interval is None else 0


def _checked(output: Path | None) -> Path:
    """The output, if a file can be put there."""
    if output is None:
        raise FlagError("--output: expected a file such as /var/lib/node_exporter/docspace.prom")
    try:
        folder = output.parent.stat()
        there = output.stat() if output.exists() else None
    except OSError as exc:
        raise FlagError(f"--output: {output.parent}: {exc.strerror}; expected a folder") from exc
    if not stat.S_ISDIR(folder.st_mode):
        raise FlagError(f"--output: {output.parent}: expected a folder")
    if there is not None and not stat.S_ISREG(there.st_mode):
        raise FlagError(f"--output: {output}: expected a file, or nothing there yet")
    return output


def _repeat(exporter: Exporter, scrape: Callable[[], object], interval: float) -> NoReturn:
    """Scrape at each interval; a turn that is missed is left out. SIGHUP reloads in between."""
    hung_up = threading.Event()
    signal.signal(signal.SIGHUP, lambda *_: hung_up.set())
    turn = time.monotonic()
    while True:
        scrape()
        missed = (time.monotonic() - turn) // interval
        turn += interval * (missed + 1)
        while hung_up.wait(max(turn - time.monotonic(), 0.0)):
            hung_up.clear()
            with contextlib.suppress(ConfigError):  # logged by reload()
                exporter.reload()


def _scrape(exporter: Exporter, output: Path, log: FilteringBoundLogger) -> bool:
    """Scrape all portals, each with its own timeout, into the file; whether it was written."""
    content = exporter.expose(exporter.fleet.portals, math.inf, "text", own=False)
    try:
        _replace(output, content)
    except OSError as exc:
        log.error("cannot write", file=str(output), error=exc.strerror)
        return False
    log.debug("written", file=str(output), bytes=len(content))
    return True


def _replace(output: Path, content: bytes) -> None:
    """Replace the file as a whole; a reader finds the old one or the new one, never a part.

    A file that is there hands its mode on, and its owner where that is allowed.
    """
    # Not *.prom: node_exporter would read it.
    temporary = output.with_name(f".{output.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            _inherit(file.fileno(), output)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)


def _inherit(descriptor: int, output: Path) -> None:
    mode = _MODE
    with contextlib.suppress(FileNotFoundError):
        there = output.stat()
        mode = stat.S_IMODE(there.st_mode)
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, there.st_uid, there.st_gid)
    os.fchmod(descriptor, mode)
