"""The plain landing page: links to the exporter's pages."""

import html

from exporter.httpserver.message import Reply
from exporter.version import VERSION

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>docspace-exporter</title>
<h1>docspace-exporter</h1>
<p>Prometheus metrics for the API keys of ONLYOFFICE DocSpace portals. Version {version}.</p>
<ul>
<li><a href="{metrics}">Metrics</a> of the exporter and of every configured portal</li>
<li><code>probe?target=NAME</code>: metrics of one portal</li>
<li><a href="sd">Service discovery</a>: one target for each portal</li>
<li><a href="-/healthy">Healthy</a></li>
<li><a href="-/ready">Ready</a></li>
</ul>
</html>
"""


def landing_page(telemetry_path: str) -> Reply:
    """The page; it shows no portal."""
    page = _PAGE.format(metrics=html.escape(telemetry_path.lstrip("/")), version=VERSION)
    return Reply(page.encode(), "text/html; charset=utf-8")
