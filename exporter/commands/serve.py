"""``docspace-exporter serve``: the exporter itself, until SIGTERM or SIGINT."""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.config import ConfigError, Settings, load
from exporter.docspace import credential
from exporter.docspace.errors import PortalError
from exporter.docspace.tls import TLSContexts
from exporter.exporter import Exporter
from exporter.flags import FlagError
from exporter.logs import make_log
from exporter.version import HOMEPAGE, VERSION, revision
from exporter.web.activation import inherited_sockets
from exporter.web.app import App, WebOptions
from exporter.web.http import Handler
from exporter.web.landing import landing_page
from exporter.web.page.status import StatusPage
from exporter.web.server import Listener, Server
from exporter.web.toolkit.guard import Guard
from exporter.web.toolkit.tls import ServerTLS
from exporter.web.toolkit.webfile import WebConfigFile


def run(options: argparse.Namespace) -> int:
    """Serve the configured portals, or only check the configuration.

    Raises ConfigError, or FlagError where systemd passes no socket.
    """
    configuration = partial(load, options.config_file, os.environ)
    log = make_log(sys.stderr, options.log_level, options.log_format)
    if options.config_check:
        settings = configuration()
        _check_files(options.config_file, settings)
        ServerTLS.of(WebConfigFile(options.web_config_file, log), log)
        names = ", ".join(portal.name for portal in settings.portals)
        sys.stdout.write(f"{options.config_file}: OK, portals: {names}\n")
        return 0
    return serve(configuration, options, log)


def serve(
    configuration: Callable[[], Settings],
    options: argparse.Namespace,
    log: FilteringBoundLogger,
    ready: Callable[[str], None] = lambda _: None,
) -> int:
    """Serve until a signal ends it; SIGHUP reloads. 1 where an address cannot be listened on.

    ``ready`` is called with the exporter's own URL once it answers. Raises what `run` raises.
    """
    next_signal = _signals()
    sys.unraisablehook = partial(_ignored, log)
    listeners = _listeners(options)
    exporter = Exporter(configuration, Clock(), log)
    servers = _start(exporter, listeners, options, log)
    if servers:
        portals = len(exporter.fleet.portals)
        log.info(
            "docspace-exporter is ready", version=VERSION, revision=revision(), portals=portals
        )
        ready(servers[0].url)
        while next_signal() == signal.SIGHUP:
            with contextlib.suppress(ConfigError):  # logged and counted by reload()
                exporter.reload()
        log.info("ending")
        with ThreadPoolExecutor(len(servers)) as side_by_side:
            side_by_side.map(Server.stop, servers)
    exporter.close()
    return 0 if servers else 1


def _check_files(source: Path, settings: Settings) -> None:
    """Open the files that the portals' settings name. Raises ConfigError for those unfit."""
    problems = []
    for index, portal in enumerate(settings.portals):
        for field, open_it in (
            ("api_key_file", partial(credential.read, portal)),
            ("tls", partial(TLSContexts().get, portal.tls)),
        ):
            try:
                open_it()
            except PortalError as exc:
                problems.append(f"{source}: portals[{index}].{field}: {exc}")
    if problems:
        raise ConfigError(problems)


def _listeners(options: argparse.Namespace) -> Sequence[Listener]:
    """The addresses of the flags, or the sockets that systemd passes."""
    try:
        passed = inherited_sockets(os.environ)
    except ValueError as exc:
        raise FlagError(f"--web.systemd-socket: {exc}") from None
    if not options.web_systemd_socket:
        return tuple(options.web_listen_address)
    if not passed:
        raise FlagError("--web.systemd-socket: expected a socket from systemd, got none")
    return passed


def _start(
    exporter: Exporter,
    listeners: Sequence[Listener],
    options: argparse.Namespace,
    log: FilteringBoundLogger,
) -> list[Server]:
    """A server on each address, all with the same application; none where one cannot be had."""
    file = WebConfigFile(options.web_config_file, log)
    tls = ServerTLS.of(file, log)
    app = Guard(_app(exporter, options, log), file, Clock().monotonic)
    servers: list[Server] = []
    for listener in listeners:
        server = Server(listener, app, log, options.web_max_requests, tls)
        try:
            server.start()
        except OSError as exc:
            log.error("cannot listen", address=str(listener), error=exc.strerror or str(exc))
            for running in servers:
                running.stop()
            return []
        servers.append(server)
        log.info("listening", address=str(server.address), tls=tls is not None)
    return servers


def _app(exporter: Exporter, options: argparse.Namespace, log: FilteringBoundLogger) -> App:
    web = WebOptions(
        telemetry_path=options.web_telemetry_path,
        external_url=options.web_external_url,
        enable_lifecycle=options.web_enable_lifecycle,
        max_requests=options.web_max_requests,
    )
    return App(exporter, _front_page(exporter, options), web, log)


def _front_page(exporter: Exporter, options: argparse.Namespace) -> Handler:
    """What ``/`` shows: the status page, or the plain page without any state."""
    if options.web_disable_status_page:
        return lambda _: landing_page(options.web_telemetry_path)
    return StatusPage(lambda: exporter.fleet, Clock(), options.web_telemetry_path, HOMEPAGE)


def _ignored(log: FilteringBoundLogger, ignored: "sys.UnraisableHookArgs") -> None:
    """Log what Python would print: from 3.13 on, each client that goes away before its answer."""
    log.debug("ignored in a finalizer", error=ignored.exc_type.__name__)


def _signals() -> Callable[[], int]:
    """A function that waits for the next signal that ends or reloads, and returns its number.

    The interpreter writes them into a pipe by itself. A handler that puts them into a queue could
    interrupt the get() of that same queue, which then waits on although there is something in it.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return lambda: os.read(reading, 1)[0]
