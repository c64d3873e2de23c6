"""The dashboard files: their layout, and whether their queries use metrics that exist."""

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import dashboards
import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner
from dashboards import MAIN, ONE_KEY, ROOT, Dashboard, Panel
from support.synthetic import REASONS

# Panels that come with Grafana: an import needs no plugin.
CORE = {"bargauge", "piechart", "stat", "state-timeline", "table", "timeseries"}
# Not `short`, which draws 1,499 keys as 1 K.
UNITS = {
    "bytes",
    "dateTimeFromNow",
    "locale",
    "none",
    "percentunit",
    "s",
    "suffix:days",
    "time:YYYY-MM-DD HH:mm",
}
# Labels of the queries of tables.
KEY_COLUMNS = {"key_id", "key_name", "key_postfix", "creator", "creator_status", "access"}
KEY_COLUMNS |= {"permissions", "url"}
# Panels with instant queries: the last step over a range may be half an hour old.
MOMENT = {"bargauge", "piechart", "stat", "table"}
# Labels that Prometheus adds to each series.
ADDED = {"job", "instance"}
# Labels of the series that Prometheus writes about alerts.
OF_ALERTS = {"alertname", "severity"}


@pytest.fixture(params=[MAIN, ONE_KEY])
def dashboard(request: pytest.FixtureRequest) -> Dashboard:
    """Each dashboard."""
    return dashboards.load(request.param)


def named(panel: Panel, option: str) -> dict[str, Any]:
    """The overrides that set an option, by the name of the field they are for."""
    return {
        override["matcher"]["options"]: each["value"]
        for override in panel["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == option
    }


def arrangement(panel: Panel) -> dict[str, Any]:
    """Order, names and exclusions of a table's columns."""
    found: dict[str, Any] = panel["transformations"][-1]["options"]
    return found


def tables(dashboard: Dashboard) -> list[Panel]:
    return [panel for panel in dashboards.panels(dashboard) if panel["type"] == "table"]


def test_the_files_are_what_the_code_builds(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grafana.dashboard", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True)
    built = {name: (tmp_path / name).read_text("utf-8") for name in (MAIN, ONE_KEY)}
    kept = {name: (dashboards.GRAFANA / name).read_text("utf-8") for name in (MAIN, ONE_KEY)}
    assert kept == built, "run `python -m grafana.dashboard`"


def test_uids_are_stable() -> None:
    uids = [dashboards.load(name)["uid"] for name in (MAIN, ONE_KEY)]
    assert uids == ["docspace-api-keys", "docspace-api-key"]


def test_rows_ask_their_questions_from_top_to_bottom() -> None:
    rows = [panel for panel in dashboards.load(MAIN)["panels"] if panel["type"] == "row"]
    assert [row["title"] for row in sorted(rows, key=lambda row: row["gridPos"]["y"])] == [
        "Are we fine?",
        "What fails now, what fails next?",
        "What is dangerous?",
        "What changed?",
        "Which keys are there?",
        "Can we trust this page?",
    ]


def test_panel_ids_are_unique(dashboard: Dashboard) -> None:
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


def test_panels_lie_on_the_grid_without_overlap(dashboard: Dashboard) -> None:
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


def test_the_grid_has_no_holes(dashboard: Dashboard) -> None:
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    covered = sum(place["w"] * place["h"] for place in places)
    assert covered == 24 * max(place["y"] + place["h"] for place in places)


def test_only_panels_that_come_with_grafana_are_used(dashboard: Dashboard) -> None:
    assert {panel["type"] for panel in dashboards.panels(dashboard)} <= CORE


def test_each_panel_has_title_and_description(dashboard: Dashboard) -> None:
    assert all(panel["title"] and panel["description"] for panel in dashboards.panels(dashboard))


def test_each_panel_has_a_text_for_nothing_to_show(dashboard: Dashboard) -> None:
    texts = [p["fieldConfig"]["defaults"].get("noValue") for p in dashboards.panels(dashboard)]
    assert all(texts)


def test_no_data_source_is_hard_coded(dashboard: Dashboard) -> None:
    def sources(node: Any) -> list[Any]:
        if isinstance(node, dict):
            mine = [node["datasource"]] if "datasource" in node else []
            return mine + [found for value in node.values() for found in sources(value)]
        return [found for each in node for found in sources(each)] if isinstance(node, list) else []

    assert all("datasource" in panel for panel in dashboards.panels(dashboard))
    assert {source["uid"] for source in sources(dashboard)} == {"${datasource}"}


def test_each_field_has_unit_and_thresholds(dashboard: Dashboard) -> None:
    for panel in dashboards.panels(dashboard):
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["thresholds"]["steps"][0]["value"] is None, panel["title"]
        expected = {"string"} if panel["type"] == "table" else UNITS
        assert defaults["unit"] in expected, panel["title"]
        assert set(named(panel, "unit").values()) <= UNITS, panel["title"]


def test_numbers_and_tables_are_of_this_moment(dashboard: Dashboard) -> None:
    for panel, target in dashboards.targets(dashboard):
        moment = panel["type"] in MOMENT
        assert (target["instant"], target["range"]) == (moment, not moment), panel["title"]


def test_no_zero_is_made_up(dashboard: Dashboard) -> None:
    """Not before the first sample, and not if no portal answers."""
    assert not re.search(r"or vector\(0\)", json.dumps(dashboard))


def test_keys_are_never_chosen_by_the_name_of_a_person(dashboard: Dashboard) -> None:
    queries = dashboards.all_queries(dashboard, dashboards.defaults(dashboard))
    for title, expr in queries + dashboards.lookups(dashboard):
        assert not any("creator" in labels for _, labels in dashboards.selectors(expr)), title


def test_rates_reach_over_two_scrapes_every_two_minutes(dashboard: Dashboard) -> None:
    """The panel has the minimum step: some releases use that of a query as the step itself."""
    for panel, target in dashboards.targets(dashboard):
        if "$__rate_interval" in target["expr"]:
            assert panel["interval"] == "4m", panel["title"]
        assert "interval" not in target, panel["title"]


def test_provisioned_source_knows_the_scrape_interval() -> None:
    file = dashboards.GRAFANA / "provisioning/datasources/prometheus.yaml"
    source = yaml.safe_load(file.read_text())["datasources"][0]
    scraping = yaml.safe_load((ROOT / "prometheus/prometheus.yml").read_text())["global"]
    assert source["jsonData"]["timeInterval"] == scraping["scrape_interval"]


def test_names_of_any_spelling_stand_in_raw_strings(dashboard: Dashboard) -> None:
    """Between double quotes a quote or a backslash in a name would break the query."""
    texts = [target["expr"] for _, target in dashboards.targets(dashboard)]
    texts += [mark["expr"] for mark in dashboard["annotations"].get("list", [])]
    texts += [v["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"]
    for text in texts:
        outside = re.sub(r"=~`[^`]*\$\{(?:portal|key|key_id):regex\}[^`]*`", "", text)
        assert not re.search(r"\$\{?(?:portal|key|key_id)\b", outside), text


def test_key_names_with_line_breaks_can_be_chosen() -> None:
    choices = {v["name"]: v for v in dashboards.load(ONE_KEY)["templating"]["list"]}
    pattern = choices["key_id"]["regex"].strip("/").replace("(?<", "(?P<")
    found = re.search(pattern, '{key="two\n"lines" …12e4", key_id="1"} 1 1700000000000')
    assert found
    assert found.groupdict() == {"value": "1", "text": 'two\n"lines" …12e4'}


def test_each_metric_and_label_is_in_the_contract(dashboard: Dashboard) -> None:
    known = dashboards.contract()
    every_label = set().union(*known.values()) | ADDED | OF_ALERTS
    queries = dashboards.all_queries(dashboard, {**dashboards.defaults(dashboard)})
    for name, expr in queries + dashboards.lookups(dashboard):
        for metric, labels in dashboards.selectors(expr):
            assert metric in known, (name, metric)
            assert labels <= known[metric] | ADDED, (name, metric)
        made = dashboards.made_labels(expr)
        assert dashboards.grouping_labels(expr) <= every_label | made, name


def test_each_selector_is_narrowed_to_the_chosen_jobs(dashboard: Dashboard) -> None:
    for panel, target in dashboards.targets(dashboard):
        for metric, labels in dashboards.selectors(target["expr"]):
            assert "job" in labels, (panel["title"], metric)


def test_counters_are_only_seen_through_their_increase(dashboard: Dashboard) -> None:
    for panel, target in dashboards.targets(dashboard):
        for use in re.finditer(r"(\w+)\((\w+_total)\b", target["expr"]):
            assert use[1] in {"rate", "increase"}, panel["title"]
        assert not re.search(r"(?<!\()\b\w+_total\b", target["expr"]), panel["title"]


def test_prometheus_parses_each_query(dashboard: Dashboard, promtool: Path, tmp_path: Path) -> None:
    variables = {**dashboards.defaults(dashboard), "key": "a.b (c)"}
    queries = dashboards.all_queries(dashboard, variables) + [
        (name, dashboards.fill(expr, variables)) for name, expr in dashboards.lookups(dashboard)
    ]
    rules = [{"record": f"query:{i}", "expr": expr} for i, (_, expr) in enumerate(queries)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    command = [promtool, "check", "rules", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_query_over_time_returns_every_key() -> None:
    """10,000 keys would be 10,000 lines."""
    for panel, target in dashboards.targets(dashboards.load(MAIN)):
        assert not (target.get("range") and "key_id" in target["expr"]), panel["title"]


def test_tables_are_limited_and_say_so() -> None:
    for panel in tables(dashboards.load(MAIN)):
        limits = {
            limit
            for target in panel["targets"]
            for limit in re.findall(r"(?:top|bottom)k\((\d+),", target["expr"])
        }
        assert len(limits) == 1, panel["title"]
        assert f"Lists at most {limits.pop()} " in panel["description"]


def test_tables_ask_for_one_moment_and_merge(dashboard: Dashboard) -> None:
    for panel in tables(dashboard):
        forms = {(target["format"], target["instant"]) for target in panel["targets"]}
        assert forms == {("table", True)}
        assert [step["id"] for step in panel["transformations"]] == ["merge", "organize"]


def test_each_table_has_several_queries(dashboard: Dashboard) -> None:
    """With one query, Grafana names the column `Value`, without the name of the query."""
    assert all(len(panel["targets"]) > 1 for panel in tables(dashboard))


def test_a_lone_value_is_no_column_in_grafana_9() -> None:
    """If only one query has a result, as the row with a sentence, its column has no other name."""
    for name in (MAIN, ONE_KEY):
        assert all(arrangement(p)["excludeByName"]["Value"] for p in tables(dashboards.load(name)))


def test_colours_follow_schemes_that_grafana_9_has(dashboard: Dashboard) -> None:
    """A panel with another scheme stops loading there."""
    modes = {
        p["fieldConfig"]["defaults"].get("color", {}).get("mode")
        for p in dashboards.panels(dashboard)
    }
    assert modes <= {None, "palette-classic", "thresholds", "fixed"}


def test_each_reason_of_a_failed_scrape_has_its_own_colour() -> None:
    (panel,) = (
        p
        for p in dashboards.panels(dashboards.load(MAIN))
        if p["title"].startswith("Failed scrapes")
    )
    colors = {name: each["fixedColor"] for name, each in named(panel, "color").items()}
    assert set(REASONS) <= set(colors)
    assert len(set(colors.values())) == len(colors)


def test_spans_of_numbers_have_two_ends(dashboard: Dashboard) -> None:
    """Grafana 9 reads an open end as 0 and shows the number in place of its text."""
    spans = re.findall(r'"from": ([^,]+), "to": ([^,}]+)', json.dumps(dashboard))
    assert spans
    assert "null" not in {end for span in spans for end in span}


def test_each_column_of_a_table_has_a_name_and_a_place(dashboard: Dashboard) -> None:
    for panel in tables(dashboard):
        options = arrangement(panel)
        values = {f"Value #{target['refId']}" for target in panel["targets"]}
        labels = set(options["indexByName"]) - values
        hidden = set(named(panel, "custom.hidden"))
        assert options["excludeByName"]["Time"] is True
        assert not set(options["excludeByName"]) & set(options["indexByName"])
        assert set(options["renameByName"]) == values | labels - hidden
        assert all(title[0].isupper() for title in options["renameByName"].values())
        joined = " ".join(target["expr"] for target in panel["targets"])
        made = dashboards.made_labels(joined)
        assert labels <= dashboards.grouping_labels(joined) | made, panel["title"]


def test_no_label_of_a_key_or_an_alert_leaks_into_a_column(dashboard: Dashboard) -> None:
    leaking = KEY_COLUMNS | OF_ALERTS
    for panel in tables(dashboard):
        options = arrangement(panel)
        assert leaking <= set(options["excludeByName"]) | set(options["indexByName"])


def test_tables_fit_a_screen_of_1100_pixels(dashboard: Dashboard) -> None:
    """The margins of the page take 32 pixels, those of a panel 18."""
    for panel in tables(dashboard):
        widths = named(panel, "custom.width") | named(panel, "custom.minWidth")
        assert set(widths) == set(arrangement(panel)["renameByName"].values()), panel["title"]
        available = (1100 - 32) * panel["gridPos"]["w"] / 24 - 18
        assert sum(widths.values()) <= available, panel["title"]


def test_the_number_that_a_table_is_for_stands_beside_the_name() -> None:
    """The tables of keys are sorted by it."""
    for panel in tables(dashboards.load(MAIN)):
        titles = list(arrangement(panel)["renameByName"].values())
        (sort,) = panel["options"]["sortBy"]
        if titles[0] == "Key" and panel["title"] != "Keys: ${show:text}":
            assert sort["displayName"] in titles[1:3], panel["title"]


def test_time_left_is_coloured_in_old_and_new_grafana() -> None:
    (panel,) = (p for p in tables(dashboards.load(MAIN)) if p["title"] == "Keys that expire next")
    assert named(panel, "custom.cellOptions")["Time left"]["type"] == "color-background"
    assert named(panel, "custom.displayMode")["Time left"] == "color-background-solid"


def test_overrides_and_sorting_name_columns_that_exist(dashboard: Dashboard) -> None:
    for panel in tables(dashboard):
        options = arrangement(panel)
        columns = set(options["renameByName"].values()) | set(named(panel, "custom.hidden"))
        overrides = panel["fieldConfig"]["overrides"]
        names = {o["matcher"]["options"] for o in overrides if o["matcher"]["id"] == "byName"}
        assert names <= columns, panel["title"]
        assert {each["displayName"] for each in panel["options"]["sortBy"]} <= columns


def test_overrides_name_series_that_exist(dashboard: Dashboard) -> None:
    """Except in panels whose legends come from labels."""
    for panel in dashboards.panels(dashboard):
        legends = {target["legendFormat"] for target in panel["targets"]}
        if panel["type"] != "table" and not any("{{" in legend for legend in legends):
            overrides = panel["fieldConfig"]["overrides"]
            matched = {o["matcher"]["options"] for o in overrides if o["matcher"]["id"] == "byName"}
            assert matched <= legends, panel["title"]


def test_links_use_columns_of_their_table(dashboard: Dashboard) -> None:
    for panel in tables(dashboard):
        fields = set(arrangement(panel)["indexByName"])
        for links in named(panel, "links").values():
            for link in links:
                used = set(re.findall(r"__data\.fields\.(\w+)", link["url"]))
                assert used <= fields, panel["title"]


def test_every_key_leads_to_its_portal_and_its_own_dashboard() -> None:
    one_key = dashboards.load(ONE_KEY)
    variables = {variable["name"] for variable in one_key["templating"]["list"]}
    key_tables = [p for p in tables(dashboards.load(MAIN)) if "Key" in named(p, "links")]
    assert len(key_tables) == 6
    for panel in key_tables:
        links = named(panel, "links")
        assert links["Portal"][0]["url"].endswith("/developer-tools/api-keys")
        url = links["Key"][0]["url"]
        assert url.startswith(f"/d/{one_key['uid']}/")
        passed = re.findall(r"var-(\w+)=", url) + re.findall(r"\$\{(\w+):queryparam\}", url)
        assert set(passed) == variables
        assert "${__url_time_range}" in url


def test_tiles_lead_to_the_table_that_lists_what_they_count() -> None:
    main = dashboards.load(MAIN)
    titles = {panel["id"]: panel["title"] for panel in dashboards.panels(main)}
    (show,) = (v for v in main["templating"]["list"] if v["name"] == "show")
    kinds = {option["value"] for option in show["options"]}
    led = {}
    for panel in dashboards.panels(main):
        for name, links in named(panel, "links").items():
            found = re.search(r"viewPanel=(\d+)$", links[0]["url"])
            if found:
                led[panel["title"] if name == ".*" else name] = titles[int(found[1])]
                chosen = re.findall(r"var-show=([^&]+)", links[0]["url"])
                assert {unquote(kind) for kind in chosen} <= kinds
    counted = ["keys", "active", "expired", "creator gone", "full access", "never expire"]
    assert led == {
        "Failing now": "Keys that fail now",
        "Expiring within $within_days days": "Keys that expire next",
        "Portals that do not answer": "How well each portal is seen",
        "portals": "How well each portal is seen",
        **dict.fromkeys([*counted, "never used"], "Keys: ${show:text}"),
    }


def test_a_choice_of_keys_is_one_that_grafana_reads_back() -> None:
    """Grafana splits the list at commas that are not escaped, and stops at a line break."""
    (show,) = (v for v in dashboards.load(MAIN)["templating"]["list"] if v["name"] == "show")
    parts = re.findall(r"(?:\\,|[^,])+", show["query"])
    read = [re.fullmatch(r"\s*(.+)\s:\s(.+)", part.replace("\\,", ",")) for part in parts]
    pairs = [(found[1], found[2]) for found in read if found]
    assert pairs == [(option["text"], option["value"]) for option in show["options"]]


def test_no_variable_has_what_only_the_sdk_writes(dashboard: Dashboard) -> None:
    """Grafana up to 10 stores variables by id: with one id for all, only one would be left."""
    for variable in dashboard["templating"]["list"]:
        assert not {"id", "auto", "auto_min", "auto_count"} & set(variable), variable["name"]
        assert variable.get("current") != {"text": "", "value": "", "selected": False}


def test_variables_are_those_that_the_queries_use(dashboard: Dashboard) -> None:
    text = json.dumps({k: v for k, v in dashboard.items() if k != "templating"})
    choices = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    queries = " ".join(str(v["query"]) for v in choices.values() if v["type"] == "query")
    for name in choices:
        assert re.search(rf"\$\{{?{name}\b", text + queries), name


def test_variables_are_queried_again_when_the_time_range_changes(dashboard: Dashboard) -> None:
    asked = [v for v in dashboard["templating"]["list"] if v["type"] == "query"]
    assert {variable["refresh"] for variable in asked} == {2}


def test_jobs_and_portals_can_be_chosen_together() -> None:
    choices = {v["name"]: v for v in dashboards.load(MAIN)["templating"]["list"]}
    for name in ("job", "portal"):
        assert choices[name]["multi"] is True
        assert choices[name]["allValue"] == ".+"


def test_annotations_are_drawn_on_the_panel_of_the_states() -> None:
    main = dashboards.load(MAIN)
    titles = {panel["id"]: panel["title"] for panel in dashboards.panels(main)}
    marks = main["annotations"]["list"]
    assert [mark["name"] for mark in marks] == ["Created", "Expired", "Vanished"]
    assert {titles[i] for mark in marks for i in mark["filter"]["ids"]} == {"Keys by state"}


def test_marks_separate_keys_of_one_name_and_name_the_portal_once() -> None:
    for mark in dashboards.load(MAIN)["annotations"]["list"]:
        assert mark["titleFormat"] == f"{mark['name']}: {{{{key}}}}"
        assert mark["textFormat"] == "{{portal}}"
        assert "tagKeys" not in mark


def test_old_and_new_grafana_read_the_same_annotation() -> None:
    for mark in dashboards.load(MAIN)["annotations"]["list"]:
        assert mark["target"]["expr"] == mark["expr"]
        assert mark["target"]["interval"] == mark["step"]


def test_compose_file_is_true_to_the_specification() -> None:
    arguments = ["--builtin-schema", "vendor.compose-spec", str(ROOT / "compose.yaml")]
    checked = CliRunner().invoke(check_jsonschema, arguments)
    assert checked.exit_code == 0, checked.output


def test_compose_mounts_files_that_exist_where_they_are_looked_for() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    mounts = [
        volume.split(":") for service in services.values() for volume in service.get("volumes", [])
    ]
    assert all((ROOT / mount[0]).exists() for mount in mounts if mount[0].startswith("."))
    provider = yaml.safe_load(
        (dashboards.GRAFANA / "provisioning/dashboards/docspace.yaml").read_text()
    )["providers"][0]
    inside = {mount[1] for mount in mounts}
    for name in (MAIN, ONE_KEY):
        assert f"{provider['options']['path']}/{name}" in inside


def test_provisioned_source_is_the_prometheus_of_the_compose_file() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    file = dashboards.GRAFANA / "provisioning/datasources/prometheus.yaml"
    source = yaml.safe_load(file.read_text())["datasources"][0]
    host = re.fullmatch(r"http://(\w+):9090", source["url"])
    assert host
    assert host[1] in services
