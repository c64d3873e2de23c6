"""The routes. A client's mistake is a 400, a portal's failure is data, an internal error a 500."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from exporter.config import ConfigError
from exporter.docspace.portal import Portal
from exporter.exporter import Exporter
from exporter.httpserver.accept import accepts_gzip
from exporter.httpserver.message import Handler, Reply, Request
from exporter.web.discovery import discovery
from exporter.web.negotiation import exposition, scrape_seconds
from exporter.web.sharing import SharedPlaces

#: The values of `collect[]`.
SECTIONS = frozenset({"exporter", "portals"})

READING = ("GET", "HEAD")
WRITING = ("POST", "PUT")

_HEADERS = {"Vary": "Accept, Accept-Encoding"}


@dataclass(frozen=True, slots=True)
class WebOptions:
    """The values of the web flags. ``external_url`` has no trailing slash."""

    telemetry_path: str = "/metrics"
    external_url: str | None = None
    enable_lifecycle: bool = False
    max_requests: int = 40


class App:
    """The handler of all requests. ``front_page`` is the handler of ``/``."""

    def __init__(
        self,
        exporter: Exporter,
        front_page: Handler,
        options: WebOptions,
    ) -> None:
        self._exporter = exporter
        self._options = options
        self._places = SharedPlaces(options.max_requests)
        self._prefix = urlsplit(options.external_url or "").path
        self._routes: Mapping[str, tuple[Handler, tuple[str, ...]]] = {
            "/": (self._bounded(front_page), READING),
            "/probe": (self._bounded(self._probe), READING),
            "/sd": (self._discovery, READING),
            "/-/healthy": (lambda _: Reply.text("docspace-exporter is healthy."), READING),
            "/-/ready": (lambda _: Reply.text("docspace-exporter is ready."), READING),
            "/-/reload": (self._reload, WRITING),
            options.telemetry_path: (self._bounded(self._metrics), READING),
        }

    def __call__(self, request: Request) -> Reply:
        """Answer one request. Raises internal errors only."""
        reply = self._route(request)
        return replace(reply, headers={**_HEADERS, **reply.headers})

    def _route(self, request: Request) -> Reply:
        handler, methods = self._routes.get(self._path(request), (None, ()))
        if handler is None:
            where = self._options.telemetry_path
            return Reply.text(f"no such page; the metrics are at {where}", 404)
        if request.method not in methods:
            allowed = ", ".join(methods)
            return Reply.text(f"expected one of {allowed}", 405, Allow=allowed)
        return handler(request)

    def _path(self, request: Request) -> str:
        """The path without that of the external URL, which a proxy may or may not have removed."""
        path = request.path
        if self._prefix and (path + "/").startswith(self._prefix + "/"):
            path = path.removeprefix(self._prefix)
        return path or "/"

    def _bounded(self, handler: Handler) -> Handler:
        """The handler; it answers 503 to too many different requests at the same time."""

        def bounded(request: Request) -> Reply:
            query = ((name, tuple(values)) for name, values in request.query.items())
            subject = request.path, tuple(query)
            if not self._places.take(request.client, subject):
                self._exporter.rejected.raise_by_one()
                return Reply.text("too many scrapes at once, try again later", 503)
            try:
                return handler(request)
            finally:
                self._places.give_back(subject)

        return bounded

    def _metrics(self, request: Request) -> Reply:
        sections = set(request.query.get("collect[]", SECTIONS))
        if not sections <= SECTIONS:
            return Reply.text("collect[]: expected exporter or portals", 400)
        portals = self._exporter.fleet.portals if "portals" in sections else ()
        return self._expose(request, portals, own="exporter" in sections)

    def _probe(self, request: Request) -> Reply:
        targets = request.query.get("target", [])
        portal = self._exporter.fleet.named(targets[0]) if len(targets) == 1 else None
        if portal is None:
            return Reply.text("target: expected the name of one configured portal", 400)
        return self._expose(request, (portal,), own=False)

    def _expose(self, request: Request, portals: tuple[Portal, ...], *, own: bool) -> Reply:
        wanted = exposition(request.header("Accept"))
        seconds = scrape_seconds(request.header("X-Prometheus-Scrape-Timeout-Seconds"))
        gzip = accepts_gzip(request.header("Accept-Encoding"))
        body = self._exporter.expose(portals, seconds, wanted.format, own=own, compressed=gzip)
        return Reply(body, wanted.content_type, encoding="gzip" if gzip else "identity")

    def _discovery(self, request: Request) -> Reply:
        settings = [portal.settings for portal in self._exporter.fleet.portals]
        targets = [(each.name, each.labels) for each in settings]
        return discovery(request, targets, self._options.external_url)

    def _reload(self, _: Request) -> Reply:
        if not self._options.enable_lifecycle:
            return Reply.text("reloading by HTTP needs --web.enable-lifecycle", 403)
        try:
            self._exporter.reload()
        except ConfigError as exc:
            return Reply.text("\n".join(("the configuration stays as it was:", *exc.problems)), 500)
        return Reply.text("configuration reloaded")
