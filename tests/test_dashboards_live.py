"""The queries of both dashboards in a real Prometheus, on the demo and on a test's own series."""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import dashboards
import pytest
import yaml
from dashboards import MAIN, ONE_KEY
from support.demo import Demo
from support.process import ExporterProcess
from support.prometheus import Prometheus, eventually, scrape_config

#: What rightly shows nothing here, and why.
EMPTY = {"Vanished": "no key is deleted within the seconds that the test waits"}

#: A name with every character that a query could stumble over, but the backtick.
ODD = 'it\'s "a.b" (c)\n\\d/[e]'


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
    if name == ONE_KEY:
        chosen |= {"portal": "acme", "key_id": key.id}
    return dashboards.defaults(dashboards.load(name)) | chosen | {"__rate_interval": "10s"}


@pytest.mark.parametrize("name", [MAIN, ONE_KEY])
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
    for name in (MAIN, ONE_KEY):
        dashboard = dashboards.load(name)
        for variable, selector in dashboards.lookups(dashboard):
            filled = dashboards.fill(selector, _variables(name, demo))
            assert running.query(filled), variable


class Bench:
    """Evaluates one query at one moment, on series as promtool's unit tests write them."""

    def __init__(self, promtool: Path, folder: Path) -> None:
        self.promtool = promtool
        self.folder = folder

    def expect(
        self, samples: Mapping[str, float], expr: str, at: str, series: Mapping[str, str]
    ) -> None:
        """Fails with promtool's account where the query gives other samples at that moment."""
        inputs = [{"series": name, "values": values} for name, values in series.items()]
        wanted = [{"labels": labels, "value": value} for labels, value in samples.items()]
        case = {"expr": expr, "eval_time": at, "exp_samples": wanted}
        test = {"interval": "1m", "input_series": inputs, "promql_expr_test": [case]}
        file = self.folder / "case.yml"
        file.write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}))
        command = [self.promtool, "test", "rules", file]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def bench(promtool: Path, tmp_path: Path) -> Bench:
    """A bench of this test's own."""
    return Bench(promtool, tmp_path)


def _filled(name: str, title: str, ref: str = "A", **variables: str) -> str:
    dashboard = dashboards.load(name)
    expr = dashboards.query(dashboard, title, ref)
    return dashboards.fill(expr, dashboards.defaults(dashboard) | variables)


def _mark(name: str, step: str, milliseconds: str) -> str:
    dashboard = dashboards.load(MAIN)
    variables = {"__interval": step, "__interval_ms": milliseconds}
    return dashboards.fill(
        dashboards.mark(dashboard, name), dashboards.defaults(dashboard) | variables
    )


def _key(metric: str, **labels: str) -> str:
    """A series of the job docspace; JSON and PromQL spell strings alike."""
    every = {"job": "docspace", "portal": "acme", "key_id": "k", "key_name": "ci"} | labels
    pairs = ",".join(f"{label}={json.dumps(value)}" for label, value in every.items())
    return f"{metric}{{{pairs}}}"


@pytest.mark.parametrize(("at", "marks"), [("120m", 0), ("240m", 1), ("360m", 0)])
def test_a_vanished_key_is_marked_once_however_long_the_step(
    bench: Bench, at: str, marks: int
) -> None:
    """Annotations over 7 days may come in steps of 2 hours; this key goes amid one."""
    info = _key("docspace_api_key_info", key_postfix="12e4")
    series = {
        _key("docspace_up", key_id="", key_name=""): "1x600",
        _key("docspace_api_key_active"): "1x190 stale",
        info: "1x190 stale",
    }
    labels = '{portal="acme", key_id="k", key_name="ci", key_postfix="12e4"}'
    expr = _mark("Vanished", "2h", "7200000")
    bench.expect({labels: 1} if marks else {}, expr, at, series)


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("Created", "docspace_api_key_created_timestamp_seconds"),
        ("Expired", "docspace_api_key_expiry_timestamp_seconds"),
    ],
)
def test_moments_of_keys_are_marked_however_long_the_step(
    bench: Bench, name: str, metric: str
) -> None:
    """Over a year a step may be 4 days; this moment is 3 days before one."""
    series = {
        _key(metric): "604800x15000",
        _key("docspace_api_key_info", key_postfix="12e4"): "1x15000",
    }
    labels = '{portal="acme", key_id="k", key_name="ci", key_postfix="12e4"}'
    expr = _mark(name, "4d", "345600000")
    bench.expect({labels: 604800000}, expr, "240h", series)


@pytest.mark.parametrize(
    "part", ["", "IT'S", '"a', "a.b", "(c)", "\n", "\\d/", "[e]", ODD], ids=ascii
)
def test_a_key_of_any_name_is_counted_and_found_by_any_part_of_it(bench: Bench, part: str) -> None:
    series = {_key("docspace_api_key_active", key_name=ODD): "1x10"}
    bench.expect({"{}": 1}, _filled(MAIN, "Active keys by time left", "H", key=part), "5m", series)


def test_the_name_filter_takes_its_text_for_no_pattern(bench: Bench) -> None:
    series = {_key("docspace_api_key_active", key_name="axb"): "1x10"}
    bench.expect({"{}": 0}, _filled(MAIN, "Active keys by time left", "H", key="a.b"), "5m", series)


def test_a_portal_of_any_name_can_be_chosen(bench: Bench) -> None:
    """On the main dashboard and on that of one key."""
    series = {
        _key("docspace_up", portal=ODD, key_id="", key_name=""): "1x10",
        _key("docspace_api_key_active", portal=ODD): "1x10",
    }
    bench.expect({"{}": 1}, _filled(MAIN, "Portals", portal=ODD), "5m", series)
    bench.expect({"{}": 1}, _filled(ONE_KEY, "State", portal=ODD, key_id="k"), "5m", series)


def test_an_outage_between_two_steps_is_drawn(bench: Bench) -> None:
    series = {_key("docspace_up", key_id="", key_name=""): "1x25 0x5 1x30"}
    expr = _filled(MAIN, "Portal up", __rate_interval="20m", __range="3600s")
    bench.expect({'{portal="acme"}': 0}, expr, "40m", series)
