"""``docspace-exporter serve``: the exporter itself, until SIGTERM or SIGINT."""

import argparse
import contextlib
import os
import queue
import signal
import sys
from collections.abc import Callable
from functools import partial

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.config import ConfigError, Settings, load
from exporter.logs import make_log
from exporter.service import Exporter
from exporter.version import VERSION, revision
from exporter.web.app import App, WebOptions
from exporter.web.landing import landing_page
from exporter.web.server import Server


def run(options: argparse.Namespace) -> int:
    """Serve the configured portals, or only check the configuration. Raises ConfigError."""
    configuration = partial(load, options.config_file, os.environ)
    if options.config_check:
        names = ", ".join(portal.name for portal in configuration().portals)
        sys.stdout.write(f"{options.config_file}: OK, portals: {names}\n")
        return 0
    log = make_log(sys.stderr, options.log_level, options.log_format)
    return serve(configuration, options, log)


def serve(
    configuration: Callable[[], Settings],
    options: argparse.Namespace,
    log: FilteringBoundLogger,
    ready: Callable[[str], None] = lambda _: None,
) -> int:
    """Serve until a signal ends it; SIGHUP reloads. 1 where an address cannot be listened on.

    ``ready`` is called with the exporter's own URL once it answers. Raises ConfigError where the
    configuration cannot be used at the start.
    """
    signals = _signals()
    exporter = Exporter(configuration, Clock(), log)
    servers = _start(_app(exporter, options, log), options, log)
    if servers:
        portals = len(exporter.fleet.portals)
        log.info(
            "docspace-exporter is ready", version=VERSION, revision=revision(), portals=portals
        )
        ready(servers[0].address.url)
        while signals.get() == signal.SIGHUP:
            with contextlib.suppress(ConfigError):  # logged and counted by reload()
                exporter.reload()
        log.info("ending")
    for server in servers:
        server.stop()
    exporter.close()
    return 0 if servers else 1


def _app(exporter: Exporter, options: argparse.Namespace, log: FilteringBoundLogger) -> App:
    web = WebOptions(
        telemetry_path=options.web_telemetry_path,
        external_url=options.web_external_url,
        enable_lifecycle=options.web_enable_lifecycle,
        max_requests=options.web_max_requests,
    )
    return App(exporter, lambda _: landing_page(web.telemetry_path), web, log)


def _start(app: App, options: argparse.Namespace, log: FilteringBoundLogger) -> list[Server]:
    """A server on each address; none at all where one cannot be had."""
    servers: list[Server] = []
    for address in options.web_listen_address:
        server = Server(address, app, log, options.web_max_requests)
        try:
            server.start()
        except OSError as exc:
            log.error("cannot listen", address=str(address), error=exc.strerror or str(exc))
            for running in servers:
                running.stop()
            return []
        servers.append(server)
        log.info("listening", address=str(server.address))
    return servers


def _signals() -> "queue.SimpleQueue[int]":
    """The signals that end or reload, as they come."""
    arrived: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: arrived.put(number))
    return arrived
