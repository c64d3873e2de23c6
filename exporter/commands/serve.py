"""``docspace-exporter serve``: the exporter itself, until SIGTERM or SIGINT."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.config import Settings, load
from exporter.logs import make_log
from exporter.service import Exporter
from exporter.version import VERSION, revision
from exporter.web.app import App
from exporter.web.listen import ListenAddress
from exporter.web.server import Server

#: Scrapes at once, as in Prometheus' own exporters.
MAX_REQUESTS = 40


def run(options: argparse.Namespace) -> int:
    """Serve the configured portals, or only check the configuration. Raises ConfigError."""
    settings = load(options.config_file, os.environ)
    if options.config_check:
        names = ", ".join(portal.name for portal in settings.portals)
        sys.stdout.write(f"{options.config_file}: OK, portals: {names}\n")
        return 0
    log = make_log(sys.stderr, options.log_level, options.log_format)
    return serve(settings, options.web_listen_address, log)


def serve(settings: Settings, addresses: Sequence[ListenAddress], log: FilteringBoundLogger) -> int:
    """Serve until a signal ends it; 1 where an address cannot be listened on."""
    done = _until_signal()
    exporter = Exporter(settings, Clock(), log)
    app = App(exporter, log, MAX_REQUESTS)
    servers = []
    for address in addresses:
        server = Server(address, app, log, MAX_REQUESTS)
        try:
            server.start()
        except OSError as exc:
            log.error("cannot listen", address=str(address), error=exc.strerror or str(exc))  # noqa: TRY400, one line says it all
            return 1
        servers.append(server)
        log.info("listening", address=str(server.address))
    names = len(settings.portals)
    log.info("docspace-exporter is ready", version=VERSION, revision=revision(), portals=names)
    done.wait()
    log.info("ending")
    for server in servers:
        server.stop()
    exporter.close()
    return 0


def _until_signal() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    return done
