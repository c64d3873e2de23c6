"""Every query of both dashboards, asked of a real Prometheus that scrapes the demo's portals."""

import time
from collections.abc import Iterator
from pathlib import Path

import dashboards
import pytest
from support.demo import Demo
from support.process import ExporterProcess
from support.prometheus import Prometheus, eventually, scrape_config

#: What rightly shows nothing here, and why.
EMPTY = {"Vanished": "no key is deleted within the seconds that the test waits"}


@pytest.fixture(scope="module")
def server(
    prometheus: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Prometheus, Demo]]:
    """A Prometheus that has scraped the demo several times."""
    folder = tmp_path_factory.mktemp("live")
    with Demo() as demo, ExporterProcess(folder, demo.config()) as exporter:
        target = exporter.url.removeprefix("http://")
        with Prometheus(prometheus, folder, scrape_config([target])) as running:
            eventually(lambda: running.values("count_over_time(up[5m]) >= 5"), bool)
            yield running, demo


def _variables(name: str, demo: Demo) -> dict[str, str]:
    key = next(key for key in demo.keys("acme") if key.expires_at and key.last_used)
    chosen = {"job": "docspace", "portal": ".+", "within": "7d", "__range": "60s"}
    if name == dashboards.ONE_KEY:
        chosen |= {"portal": "acme", "key_id": key.id}
    return dashboards.defaults(dashboards.load(name)) | chosen | {"__rate_interval": "10s"}


@pytest.mark.parametrize("name", [dashboards.MAIN, dashboards.ONE_KEY])
def test_every_query_returns_data(server: tuple[Prometheus, Demo], name: str) -> None:
    """A panel without data fails by its title."""
    running, demo = server
    dashboard = dashboards.load(name)
    now = time.time()
    empty = []
    for title, expression in dashboards.all_queries(dashboard, _variables(name, demo)):
        answer = running.api(
            "query_range", query=expression, start=str(now - 3), end=str(now), step="1"
        )
        if not answer["result"] and title not in EMPTY:
            empty.append(f"{title}: {expression}")
    assert empty == []


def test_every_choice_at_the_top_has_values(server: tuple[Prometheus, Demo]) -> None:
    """Each variable's own query finds something to choose from."""
    running, demo = server
    for name in (dashboards.MAIN, dashboards.ONE_KEY):
        dashboard = dashboards.load(name)
        for variable, selector in dashboards.lookups(dashboard):
            filled = dashboards.fill(selector, _variables(name, demo))
            assert running.query(filled), variable
