"""``docspace-exporter serve``: serves metrics until SIGTERM or SIGINT."""

import argparse
import functools
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.commands.allocator import use_one_arena
from exporter.commands.hints import listen_hint
from exporter.commands.signals import Signals
from exporter.commands.terminal import emit, shown
from exporter.config import ConfigError, Settings, Source
from exporter.docspace import credential
from exporter.docspace.errors import PortalError
from exporter.docspace.tls import TLSContexts
from exporter.exporter import Exporter
from exporter.flags import FlagError
from exporter.httpserver.activation import inherited_sockets
from exporter.httpserver.listen import ListenAddress
from exporter.httpserver.message import Handler, Request
from exporter.httpserver.server import Server, descriptor_limit
from exporter.httpserver.webfile import WebConfigFile
from exporter.logs import background_log
from exporter.threads import in_thread
from exporter.version import HOMEPAGE, VERSION, revision
from exporter.web.app import App, WebOptions
from exporter.web.landing import landing_page

#: Threads for each scrape of --web.max-requests: scrapes of the same portals count as one there.
WAITING = 5
#: Threads beside those, so that /-/healthy answers under full load.
SPARE_THREADS = 4
#: Descriptors that clients do not get, beside one for each portal's connection.
RESERVED = 48


def run(options: argparse.Namespace) -> int:
    """Serve the configured portals, or only check the configuration.

    Raises ConfigError, and FlagError if systemd should pass a socket and does not.
    """
    configuration = Source(options.config_file, os.environ).load
    with background_log(sys.stderr, options.log_level, options.log_format) as log:
        if not options.config_check:
            return serve(configuration, options, log)
        settings = configuration()
        _check_files(settings)
        WebConfigFile(options.web_config_file, log)
        names = ", ".join(portal.name for portal in settings.portals)
        emit(shown(f"{settings.source}: OK, portals: {names}") + "\n")
        return 0


def serve(
    configuration: Callable[[], Settings],
    options: argparse.Namespace,
    log: FilteringBoundLogger,
    ready: Callable[[str], None] = lambda _: None,
) -> int:
    """Serve until a signal ends it; SIGHUP reloads. 1 if it cannot start, or fails later.

    ``ready`` is called with the exporter's own URL once it answers, and before any portal is asked.
    Raises what `run` and ``ready`` raise.
    """
    use_one_arena(os.environ)
    # Threads that read and write must not wait long for one that computes.
    sys.setswitchinterval(0.001)
    signals = Signals({signal.SIGTERM: 0, signal.SIGINT: 0})
    sys.unraisablehook = partial(_ignored, log)
    failed = threading.Event()

    def served_no_more() -> None:
        failed.set()
        signals.wake()

    # In another thread: signals must not wait for a name that does not resolve.
    starting = in_thread(
        partial(_start, configuration, options, log, served_no_more, ready), "start"
    )
    if signals.ended_before(starting):
        return 0
    try:
        started = starting.result()
    except (OSError, RuntimeError, MemoryError) as exc:
        log.error("cannot start", error=getattr(exc, "strerror", None) or str(exc) or repr(exc))
        return 1
    if started is None:
        return 1
    exporter, server = started
    number = 0
    while not failed.is_set() and not signals.ends(number):
        number = signals.wait()
        if number == signal.SIGHUP:
            number = signals.ended_before(in_thread(partial(_reload, exporter, log), "reload"))
    log.info("ending")
    server.stop()
    exporter.close()
    return 0 if signals.ends(number) else 1


def _reload(exporter: Exporter, log: FilteringBoundLogger) -> None:
    try:
        exporter.reload()
    except ConfigError:
        pass  # logged and counted by reload()
    except Exception as exc:  # noqa: BLE001, the boundary: the old configuration stays in force
        exporter.faults.raise_by_one()
        log.error("cannot reload the configuration", problem=type(exc).__name__)


def _check_files(settings: Settings) -> None:
    """Open the files that the portals' settings name. Raises ConfigError for invalid ones."""
    problems = []
    contexts = TLSContexts()  # portals with the same settings share a context
    for index, portal in enumerate(settings.portals):
        key_field = "api_key" if portal.api_key_file is None else "api_key_file"
        for field, open_it in (
            (key_field, partial(credential.read, portal)),
            ("tls", partial(contexts.get, portal.tls)),
        ):
            try:
                open_it()
            except PortalError as exc:
                problem = str(exc).removeprefix(f"`{field}`: ")
                problems.append(f"{settings.source}: portals[{index}].{field}: {problem}")
    if problems:
        raise ConfigError(problems)


def _sockets(options: argparse.Namespace, log: FilteringBoundLogger) -> list[socket.socket]:
    """Sockets on the addresses of the flags, or the sockets that systemd passes.

    Empty if an address cannot be listened on, which is logged. Raises FlagError.
    """
    if not options.web_systemd_socket:
        sockets = []
        for address in options.web_listen_address:
            try:
                sockets.append(address.bind())
            except OSError as exc:
                hint = {"hint": advice} if (advice := listen_hint(exc, address)) else {}
                error = exc.strerror or str(exc)
                log.error("cannot listen", address=str(address), error=error, **hint)
                return []
        return sockets
    try:
        passed = inherited_sockets(os.environ)
    except ValueError as exc:
        raise FlagError(f"--web.systemd-socket: {exc}") from None
    if not passed:
        raise FlagError("--web.systemd-socket: expected a socket from systemd, got none")
    return passed


def _start(
    configuration: Callable[[], Settings],
    options: argparse.Namespace,
    log: FilteringBoundLogger,
    ended: Callable[[], None],
    ready: Callable[[str], None],
) -> tuple[Exporter, Server] | None:
    """Start to serve; None if it cannot listen.

    Raises what `run` and ``ready`` raise, and OSError or RuntimeError if the system lacks
    something.
    """
    exporter = Exporter(configuration, Clock(), log)
    sockets = _sockets(options, log)
    if not sockets:
        return None
    web = WebConfigFile(options.web_config_file, log)
    tls = web.tls is not None
    portals = len(exporter.fleet.portals)
    front = _front_page(exporter, options)
    reserved = RESERVED + portals
    if _too_few_descriptors(reserved + 2 * options.web_max_requests, log):
        front(Request("GET", "/"))  # opens its files now: later a descriptor may be missing
    server = Server(
        sockets,
        web.guard(_app(exporter, front, options)),
        log,
        threads=options.web_max_requests * WAITING + SPARE_THREADS,
        tls=web.tls,
        reserved=reserved,
        on_fault=exporter.faults.raise_by_one,
        on_end=ended,
    )
    server.start()
    log.info("configuration loaded", source=exporter.source, portals=portals)
    for each in sockets:
        log.info("listening", address=str(ListenAddress.of(each)), tls=tls)
    log.info("docspace-exporter is ready", version=VERSION, revision=revision(), portals=portals)
    ready(ListenAddress.of(sockets[0]).url("https" if tls else "http"))
    exporter.ask_first()
    return exporter, server


def _too_few_descriptors(needed: int, log: FilteringBoundLogger) -> bool:
    if descriptor_limit() >= needed:
        return False
    log.warning(
        "too few descriptors: raise the limit of open files (ulimit -n, LimitNOFILE=)",
        limit=descriptor_limit(),
        expected=needed,
    )
    return True


def _app(exporter: Exporter, front: Handler, options: argparse.Namespace) -> App:
    web = WebOptions(
        telemetry_path=options.web_telemetry_path,
        external_url=options.web_external_url,
        enable_lifecycle=options.web_enable_lifecycle,
        max_requests=options.web_max_requests,
    )
    return App(exporter, front, web)


def _front_page(exporter: Exporter, options: argparse.Namespace) -> Handler:
    """The handler of ``/``: the status page, or the plain landing page."""
    if options.web_disable_status_page:
        return lambda _: landing_page(options.web_telemetry_path)

    @functools.cache
    def page() -> Handler:
        # Imported at the first request: jinja2 would take a tenth of the start.
        from exporter.web.page.status import StatusPage

        return StatusPage(lambda: exporter.fleet, Clock(), options.web_telemetry_path, HOMEPAGE)

    return lambda request: page()(request)


def _ignored(log: FilteringBoundLogger, ignored: "sys.UnraisableHookArgs") -> None:
    """Log what Python would print: since 3.13 each client that closes before its answer is sent."""
    log.debug("ignored in a finalizer", error=ignored.exc_type.__name__)
