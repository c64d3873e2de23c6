"""The status page: each portal, its state, its keys by urgency, and what expires next.

It shows the results of the last scrape and sends no requests to portals. Every value is escaped. If
one were not, the Content-Security-Policy still would not let the browser run or load anything.
"""

import base64
import hashlib
from collections.abc import Callable
from functools import cached_property

import jinja2
from markupsafe import Markup

from exporter.clock import Clock
from exporter.docspace.fleet import Fleet
from exporter.httpserver.message import Reply, Request
from exporter.version import VERSION
from exporter.web.page.overview import overview


class StatusPage:
    """The handler of ``/``.

    ``fleet`` returns the portals of the configuration in force, ``telemetry_path`` is the path of
    the metrics. Links are relative, because a reverse proxy may serve the exporter below a path.
    Without ``docs_url`` there is no link to the documentation.
    """

    def __init__(
        self,
        fleet: Callable[[], Fleet],
        clock: Clock,
        telemetry_path: str = "/metrics",
        docs_url: str = "",
    ) -> None:
        self._fleet = fleet
        self._clock = clock
        self._links = {"metrics": telemetry_path.lstrip("/"), "docs": docs_url}

    def __call__(self, _: Request) -> Reply:
        """The page at this moment."""
        page = overview(self._fleet().portals, self._clock.now())
        body = self._template.render(page=page, links=self._links, style=self._style)
        return Reply(body.encode(), "text/html; charset=utf-8", headers=self._headers)

    @cached_property
    def _environment(self) -> jinja2.Environment:
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("exporter.web.page"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals["version"] = VERSION
        return environment

    @cached_property
    def _template(self) -> jinja2.Template:
        return self._environment.get_template("status.html")

    @cached_property
    def _style(self) -> Markup:
        """The style sheet, a fixed file without any value of a portal."""
        return Markup(self._environment.get_template("status.css").render())  # noqa: S704, a file of the package

    @cached_property
    def _headers(self) -> dict[str, str]:
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        return {
            "Content-Security-Policy": (
                f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
