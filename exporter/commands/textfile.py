"""``docspace-exporter textfile``: the portals' metrics in a file for node_exporter.

The exporter's process metrics are not in the file, because node_exporter has the same ones. Samples
have no timestamps, because node_exporter refuses them; it exports `node_textfile_mtime_seconds`.
"""

import argparse
import contextlib
import math
import os
import secrets
import signal
import stat
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.commands.hints import write_hint
from exporter.commands.signals import Signals
from exporter.config import ConfigError, Source
from exporter.exporter import Exporter
from exporter.flags import FlagError
from exporter.logs import background_log
from exporter.threads import in_thread

#: Mode of a new file: node_exporter runs as another user.
_MODE = 0o644


def run(options: argparse.Namespace) -> int:
    """Write the file, once or at each interval; 143 after SIGTERM, 130 after SIGINT.

    A portal that fails is data in the file. 1 if the file cannot be written; with an interval that
    is only logged, and the next interval tries again. Raises ConfigError, and FlagError if
    ``--output`` is missing or not valid.
    """
    signals = Signals({number: 128 + number for number in (signal.SIGTERM, signal.SIGINT)})
    output = _checked(options.output)
    with background_log(sys.stderr, options.log_level, options.log_format) as log:
        return _run(options, output, signals, log)


def _run(
    options: argparse.Namespace, output: Path, signals: Signals, log: FilteringBoundLogger
) -> int:
    exporter = Exporter(Source(options.config_file, os.environ).load, Clock(), log)
    scrape = partial(_scrape, exporter, output, log)
    if options.interval is not None:
        number = _repeat(signals, exporter, scrape, options.interval)
    else:
        # In another thread: this one waits for signals.
        scraping = in_thread(scrape, "scrape")
        number = signals.ended_before(scraping)
        if not number:
            return 0 if scraping.result() else 1
    log.info("ending")
    exporter.close()
    return 128 + number


def _checked(output: Path | None) -> Path:
    """The output, if it can be a file. Raises FlagError."""
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


def _repeat(
    signals: Signals, exporter: Exporter, scrape: Callable[[], object], interval: float
) -> int:
    """Scrape at each interval until a signal ends it, and return that signal.

    If a scrape takes longer than the interval, the scrapes due in the meantime are skipped. SIGHUP
    reloads between two scrapes.
    """
    due = time.monotonic()
    while True:
        scraping = in_thread(scrape, "scrape")
        number = signals.ended_before(scraping)
        if number:
            return number
        scraping.result()
        missed = (time.monotonic() - due) // interval
        due += interval * (missed + 1)
        while (pause := due - time.monotonic()) > 0:
            number = signals.wait(pause)
            if number == signal.SIGHUP:
                number = signals.ended_before(in_thread(partial(_reload, exporter), "reload"))
            if signals.ends(number):
                return number


def _reload(exporter: Exporter) -> None:
    with contextlib.suppress(ConfigError):  # logged by reload()
        exporter.reload()


def _scrape(exporter: Exporter, output: Path, log: FilteringBoundLogger) -> bool:
    """Scrape all portals, each with its timeout, into the file; return whether it was written."""
    content = exporter.expose(exporter.fleet.portals, math.inf, "text", own=False)
    try:
        _replace(output, content)
    except OSError as exc:
        hint = {"hint": advice} if (advice := write_hint(exc, output.parent.absolute())) else {}
        log.error("cannot write", file=str(output), error=exc.strerror, **hint)
        return False
    log.debug("written", file=str(output), bytes=len(content))
    return True


def _replace(output: Path, content: bytes) -> None:
    """Replace the file; a reader finds the old or the new content, never a part of it.

    The new file has the mode of an existing one, and its owner if this process may set it.
    """
    # Not *.prom, so that node_exporter does not read it.
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
