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

#: Queries that return nothing here, and the reason.
EMPTY = {
    "Vanished": "no key is deleted within the seconds that the test waits",
    "Alerts that fire: since": "no rules are loaded",
    "Portals that were down: B": "no portal is down",
    "Portals that were down: C": "an exporter is scraped",
    "Active keys by time left: L": "portals answer",
    "Failed scrapes by reason: A": "no scrape fails",
    "State over time: B": "the key is listed",
    "Created": "returned at the last steps of Grafana's range only",
    "Expired": "returned at the last steps of Grafana's range only",
}

#: A name with all characters that could break a query, except the backtick.
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
    """The failure has the title of each panel without data."""
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
    """The query of each variable returns something."""
    running, demo = server
    for name in (MAIN, ONE_KEY):
        dashboard = dashboards.load(name)
        for variable, selector in dashboards.lookups(dashboard):
            filled = dashboards.fill(selector, _variables(name, demo))
            assert running.query(filled), variable


class Bench:
    """Evaluates one query at one time, on series in the notation of promtool's unit tests."""

    def __init__(self, promtool: Path, folder: Path) -> None:
        self.promtool = promtool
        self.folder = folder

    def expect(
        self, samples: Mapping[str, float], expr: str, at: str, series: Mapping[str, str]
    ) -> None:
        """Fail with promtool's message if the query returns other samples at that time."""
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
    """A bench for one test."""
    return Bench(promtool, tmp_path)


def _filled(name: str, title: str, ref: str = "A", **variables: str) -> str:
    dashboard = dashboards.load(name)
    expr = dashboards.query(dashboard, title, ref)
    return dashboards.fill(expr, dashboards.defaults(dashboard) | variables)


def _mark(name: str, step: str, milliseconds: str, **more: str) -> str:
    dashboard = dashboards.load(MAIN)
    variables = {"__interval": step, "__interval_ms": milliseconds, **more}
    return dashboards.fill(
        dashboards.mark(dashboard, name), dashboards.defaults(dashboard) | variables
    )


def _key(metric: str, **labels: str) -> str:
    """A series of the job docspace. JSON and PromQL write strings alike."""
    every = {"job": "docspace", "portal": "acme", "key_id": "k", "key_name": "ci"} | labels
    pairs = ",".join(f"{label}={json.dumps(value)}" for label, value in every.items())
    return f"{metric}{{{pairs}}}"


UP = _key("docspace_up", key_id="", key_name="")


@pytest.mark.parametrize(("at", "marks"), [("120m", 0), ("240m", 1), ("360m", 0)])
def test_a_vanished_key_is_marked_once_however_long_the_step(
    bench: Bench, at: str, marks: int
) -> None:
    """Over 7 days the step may be 2 hours; this key vanishes between two steps."""
    info = _key("docspace_api_key_info", key_postfix="12e4")
    series = {
        _key("docspace_up", key_id="", key_name=""): "1x600",
        _key("docspace_api_key_active"): "1x190 stale",
        info: "1x190 stale",
    }
    labels = '{portal="acme", key_id="k", key="ci …12e4"}'
    expr = _mark("Vanished", "2h", "7200000")
    bench.expect({labels: 1} if marks else {}, expr, at, series)


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("Created", "docspace_api_key_created_timestamp_seconds"),
        ("Expired", "docspace_api_key_expiry_timestamp_seconds"),
    ],
)
@pytest.mark.parametrize(("since", "marks"), [("5", 1), ("7", 0)])
def test_moments_within_the_range_are_marked_at_its_end(
    bench: Bench, name: str, metric: str, since: str, marks: int
) -> None:
    """The event is on day 7 of ten; the range starts on day 5, or after the event."""
    series = {
        _key(metric): "604800x15000",
        _key("docspace_api_key_info", key_postfix="12e4"): "1x15000",
    }
    labels = '{portal="acme", key_id="k", key="ci …12e4"}'
    begin = str(int(since) * 86400 * 1000 + 1)
    span = {"__from": begin, "__to": str(10 * 86400 * 1000)}
    expr = _mark(name, "4h", "14400000", **span)
    bench.expect({labels: 604800000} if marks else {}, expr, "240h", series)


def test_a_moment_is_returned_at_the_last_steps_only(bench: Bench) -> None:
    """Else Prometheus would return 10,000 keys at each of 1,600 steps."""
    series = {
        _key("docspace_api_key_created_timestamp_seconds"): "604800x15000",
        _key("docspace_api_key_info", key_postfix="12e4"): "1x15000",
    }
    span = {"__from": "0", "__to": str(10 * 86400 * 1000)}
    bench.expect({}, _mark("Created", "4h", "14400000", **span), "230h", series)


@pytest.mark.parametrize(
    "part", ["", "IT'S", '"a', "a.b", "(c)", "\n", "\\d/", "[e]", ODD], ids=ascii
)
def test_a_key_of_any_name_is_counted_and_found_by_any_part_of_it(bench: Bench, part: str) -> None:
    series = {UP: "1x10", _key("docspace_api_key_active", key_name=ODD): "1x10"}
    bench.expect({"{}": 1}, _filled(MAIN, "Active keys by time left", "H", key=part), "5m", series)


def test_the_name_filter_takes_its_text_for_no_pattern(bench: Bench) -> None:
    series = {UP: "1x10", _key("docspace_api_key_active", key_name="axb"): "1x10"}
    bench.expect({"{}": 0}, _filled(MAIN, "Active keys by time left", "H", key="a.b"), "5m", series)


def test_a_portal_of_any_name_can_be_chosen(bench: Bench) -> None:
    """On the main dashboard and on that of one key."""
    series = {
        _key("docspace_up", portal=ODD, key_id="", key_name=""): "1x10",
        _key("docspace_api_key_active", portal=ODD): "1x10",
    }
    bench.expect({"{}": 1}, _filled(MAIN, "Portals and keys", portal=ODD), "5m", series)
    last_used = _filled(ONE_KEY, "Last used", portal=ODD, key_id="k")
    bench.expect({"{}": 0}, last_used, "5m", series)


def test_an_outage_between_two_steps_is_drawn(bench: Bench) -> None:
    series = {UP: "1x25 0x5 1x30"}
    variables = {"__interval": "20m", "__range": "3600s"}
    expr = _filled(MAIN, "Portals that were down", "B", **variables)
    bench.expect({'{portal="acme"}': 0}, expr, "40m", series)


def test_portals_that_were_never_down_are_counted_in_one_line(bench: Bench) -> None:
    others = {_key("docspace_up", portal=f"p{n}", key_id="", key_name=""): "1x60" for n in range(7)}
    expr = _filled(MAIN, "Portals that were down", "A", __range="3600s")
    bench.expect({'{all="7"}': 1}, expr, "60m", {UP: "1x25 0x5 1x30", **others})


TILES = ["Failing now", "Expiring within $within_days days"]


@pytest.mark.parametrize("title", TILES)
@pytest.mark.parametrize(
    ("up", "value"), [("1x10", 0), ("0x10", -1), ("_x10", -2)], ids=["read", "down", "not scraped"]
)
def test_zero_stands_only_where_a_portal_was_read(
    bench: Bench, title: str, up: str, value: float
) -> None:
    """Otherwise the panel's mappings show unknown, or not scraped."""
    bench.expect({"{}": value}, _filled(MAIN, title), "5m", {UP: up})


@pytest.mark.parametrize(
    ("up", "sentence"),
    [
        ({"acme": "1x10"}, "No key fails now"),
        ({"acme": "1x10", "globex": "0x10"}, "No key fails now on the portals that answer"),
        ({"acme": "0x10"}, "No portal answers"),
        ({}, "No exporter is scraped"),
    ],
    ids=["read", "in part", "down", "not scraped"],
)
def test_a_table_without_rows_says_what_that_means(
    bench: Bench, up: dict[str, str], sentence: str
) -> None:
    series = {
        _key("docspace_up", portal=name, key_id="", key_name=""): values
        for name, values in up.items()
    }
    expr = _filled(MAIN, "Keys that fail now", "used")
    bench.expect({f'{{note="{sentence}"}}': -1e18}, expr, "5m", series)


NOW = 10 * 86400  # seconds
DAY = 86400


def _one_key(**values: float | str) -> dict[str, str]:
    """The series of one key, at NOW; `values` has the suffixes of metrics and their values."""
    creator = str(values.pop("creator_status", "active"))
    name = str(values.pop("key_name", "ci"))
    info = {"key_postfix": "12e4", "creator": "Ada", "creator_status": creator}
    scopes = {"access": "limited", "permissions": "files:read"}
    portal = {"url": "https://acme.example", "visibility": "all", "version": "3.7.1"}
    series = {
        UP: "1",
        _key("docspace_portal_info", key_id="", key_name="", **portal): "1",
        _key("docspace_api_key_info", key_name=name, **info, **scopes): "1",
    }
    for metric, value in {"active": 1, "superseded": 0, **values}.items():
        suffix = "" if metric in {"active", "superseded", "orphaned"} else "_timestamp_seconds"
        series[_key(f"docspace_api_key_{metric}{suffix}", key_name=name)] = f"{value:.0f}"
    return {labels: f"_x14390 {value}x20" for labels, value in series.items()}


@pytest.mark.parametrize(
    ("why", "fails", "key"),
    [
        ("its creator is gone and it was tried", 1, {"orphaned": 1, "last_used": NOW - 60}),
        ("it was not tried", 0, {"orphaned": 1, "last_used": NOW - 2 * DAY}),
        ("the status of its creator is unknown", 0, {"last_used": NOW - 60}),
        ("it is switched off", 0, {"orphaned": 1, "active": 0, "last_used": NOW - 60}),
        ("it expired in use", 1, {"active": 0, "expiry": NOW - 60, "last_used": NOW - 90}),
        ("it expired unused", 0, {"expiry": NOW - 60, "last_used": NOW - 8 * DAY}),
        ("it expired long ago", 0, {"expiry": NOW - 8 * DAY, "last_used": NOW - 8 * DAY}),
        ("it was rotated", 0, {"expiry": NOW - 60, "last_used": NOW - 90, "superseded": 1}),
    ],
)
def test_a_key_fails_now_if_something_uses_it_and_the_portal_refuses_it(
    bench: Bench, why: str, fails: int, key: dict[str, float]
) -> None:
    bench.expect({"{}": fails}, _filled(MAIN, "Failing now"), "240h", _one_key(**key))


@pytest.mark.parametrize(
    ("why", "expires", "key"),
    [
        ("it expires in a day", 1, {"expiry": NOW + DAY, "created": 0}),
        ("it expires later", 0, {"expiry": NOW + 8 * DAY, "created": 0}),
        ("it was rotated", 0, {"expiry": NOW + DAY, "created": 0, "superseded": 1}),
        ("it is refused already", 0, {"expiry": NOW + DAY, "created": 0, "orphaned": 1}),
        ("it has a short life", 0, {"expiry": NOW + 20 * 3600, "created": NOW - 4 * 3600}),
        ("its short life is over soon", 1, {"expiry": NOW + 4 * 3600, "created": NOW - 20 * 3600}),
        ("its age is unknown", 1, {"expiry": NOW + DAY}),
    ],
)
def test_a_key_expires_next_if_its_end_breaks_something(
    bench: Bench, why: str, expires: int, key: dict[str, float]
) -> None:
    expr = _filled(MAIN, "Expiring within $within_days days")
    bench.expect({"{}": expires}, expr, "240h", _one_key(**key))


@pytest.mark.parametrize("name", ["", "ci"])
def test_a_key_without_a_name_is_called_by_its_postfix(bench: Bench, name: str) -> None:
    """The configuration can withhold names."""
    series = _one_key(key_name=name, orphaned=1, creator_status="removed", last_used=NOW - 60)
    labels = {
        "portal": "acme",
        "key_id": "k",
        "key": f"{name} …12e4",
        "why": "refused removed",
        "creator": "Ada",
        "creator_status": "removed",
        "access": "limited",
        "permissions": "files:read",
        "url": "https://acme.example",
    }
    pairs = ",".join(f'{label}="{value}"' for label, value in labels.items())
    expr = _filled(MAIN, "Keys that fail now", "used")
    bench.expect({f"{{{pairs}}}": (NOW - 60) * 1000}, expr, "240h", series)


def test_labels_of_the_configuration_change_nothing(bench: Bench) -> None:
    """A portal may have labels such as team on each of its series."""
    plain = _one_key(orphaned=1, creator_status="disabled", last_used=NOW - 60)
    series = {labels[:-1] + ',team="payments"}': values for labels, values in plain.items()}
    bench.expect({"{}": 1}, _filled(MAIN, "Failing now"), "240h", series)
    count = f"count({_filled(MAIN, 'Keys that fail now', 'used')})"
    bench.expect({"{}": 1}, count, "240h", series)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("failing now", {"orphaned": 1, "last_used": NOW - 60}),
        ("creator gone", {"orphaned": 1}),
        ("expired", {"active": 0, "expiry": NOW - 60}),
        ("disabled", {"active": 0}),
        ("rotated", {"superseded": 1}),
        ("active without expiry", {}),
        ("active but never used", {}),
    ],
)
def test_keys_of_each_state_can_be_listed(bench: Bench, kind: str, key: dict[str, float]) -> None:
    (show,) = (v for v in dashboards.load(MAIN)["templating"]["list"] if v["name"] == "show")
    chosen = {option["text"]: option["value"] for option in show["options"]}
    expr = _filled(MAIN, "Keys: ${show:text}", "age", show=chosen[kind])
    bench.expect({"{}": 1}, f"count({expr} != 1e18)", "240h", _one_key(**key))
    other = _filled(MAIN, "Keys: ${show:text}", "age", show=chosen["active with full access"])
    bench.expect({'{note="No such key"}': 1e18}, other, "240h", _one_key(**key))


def test_a_last_use_in_the_future_is_shown_as_now(bench: Bench) -> None:
    series = _one_key(last_used=NOW + 90)
    expr = _filled(ONE_KEY, "Last used", portal="acme", key_id="k")
    bench.expect({"{}": NOW * 1000}, expr, "240h", series)


@pytest.mark.parametrize(
    ("value", "state", "key"),
    [
        (0, "It is switched off.", {"active": 0}),
        (1, "It is active.", {}),
        (2, "It has expired.", {"active": 0, "expiry": NOW - 60}),
        (3, "The portal refuses it, since its creator was disabled or removed.", {"orphaned": 1}),
        (4, "It was rotated: a newer key of its name outlives it.", {"superseded": 1}),
    ],
)
def test_the_dashboard_of_a_key_says_it_in_a_sentence(
    bench: Bench, value: int, state: str, key: dict[str, float]
) -> None:
    """The value decides the colour."""
    expr = _filled(ONE_KEY, "This key", portal="acme", key_id="k")
    text = f"ci …12e4 on acme, created by Ada, may do some things. {state}"
    bench.expect({f'{{text="{text}"}}': value}, expr, "240h", _one_key(**key))
