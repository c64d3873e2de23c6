"""The routes. A caller's mistake is a 400, a portal's failure is data, a fault of ours is a 500."""

import threading
import traceback
from collections.abc import Iterable, Mapping
from wsgiref.types import StartResponse, WSGIEnvironment

from structlog.typing import FilteringBoundLogger

from exporter.docspace.portal import Portal
from exporter.metrics.exposition import CONTENT_TYPES
from exporter.service import Exporter
from exporter.web.http import Handler, Reply, Request, send
from exporter.web.landing import landing_page
from exporter.web.negotiation import exposition_format, scrape_seconds

#: Parts of /metrics that `collect[]` chooses from.
SECTIONS = frozenset({"exporter", "portals"})


class App:
    """The WSGI application. ``max_requests`` bounds the scrapes under way at once."""

    def __init__(self, exporter: Exporter, log: FilteringBoundLogger, max_requests: int) -> None:
        self._exporter = exporter
        self._log = log
        self._scrapes = threading.Semaphore(max_requests)
        self._routes: Mapping[str, Handler] = {
            "/": lambda _: landing_page(),
            "/metrics": self._bounded(self._metrics),
            "/probe": self._bounded(self._probe),
            "/-/healthy": lambda _: Reply.text("docspace-exporter is healthy."),
            "/-/ready": lambda _: Reply.text("docspace-exporter is ready."),
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, as WSGI wants it."""
        request = Request.of(environ)
        try:
            reply = self._route(request)
        except Exception as exc:  # noqa: BLE001, the boundary: a fault of ours is a 500 and counted
            self._exporter.faults.raise_by_one()
            last = traceback.extract_tb(exc.__traceback__)[-1]
            place = f"{last.filename}:{last.lineno}"
            self._log.error(
                "request failed", path=request.path, error=type(exc).__name__, place=place
            )
            reply = Reply.text("internal error, see the exporter's log", 500)
        return send(reply, request, start_response)

    def _route(self, request: Request) -> Reply:
        handler = self._routes.get(request.path)
        if handler is None:
            return Reply.text("no such page; the metrics are at /metrics", 404)
        if request.method not in {"GET", "HEAD"}:
            return Reply.text(f"{request.path} answers GET and HEAD only", 405, Allow="GET, HEAD")
        return handler(request)

    def _bounded(self, handler: Handler) -> Handler:
        def bounded(request: Request) -> Reply:
            if not self._scrapes.acquire(blocking=False):
                return Reply.text("too many scrapes at once, try again later", 503)
            try:
                return handler(request)
            finally:
                self._scrapes.release()

        return bounded

    def _metrics(self, request: Request) -> Reply:
        sections = set(request.query.get("collect[]", SECTIONS))
        if not sections <= SECTIONS:
            return Reply.text("collect[]: expected exporter or portals", 400)
        fleet = self._exporter.fleet
        portals = fleet.portals if "portals" in sections else ()
        return self._expose(request, portals, own="exporter" in sections)

    def _probe(self, request: Request) -> Reply:
        targets = request.query.get("target", [])
        if len(targets) != 1:
            return Reply.text("target: expected the name of one portal", 400)
        portal = self._exporter.fleet.named(targets[0])
        if portal is None:
            return Reply.text("target: expected the name of a configured portal", 400)
        return self._expose(request, (portal,), own=False)

    def _expose(self, request: Request, portals: tuple[Portal, ...], *, own: bool) -> Reply:
        form = exposition_format(request.header("Accept"))
        seconds = scrape_seconds(request.header("X-Prometheus-Scrape-Timeout-Seconds"))
        body = self._exporter.expose(portals, seconds, form, own=own)
        return Reply(body, CONTENT_TYPES[form])
