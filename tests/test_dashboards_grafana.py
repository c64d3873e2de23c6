"""Both dashboards as a real Grafana draws them, from a real Prometheus, in a real browser.

`make grafana-test` runs this module and fails without a Grafana; `make test` then skips it. The
screenshots are in `.tools/grafana`.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import dashboards
import pytest
from dashboards import MAIN, ONE_KEY
from support import grafana
from support.browser import Browser, browser
from support.demo import Demo
from support.grafana import Grafana
from support.process import ExporterProcess
from support.prometheus import Prometheus, eventually, scrape_config
from support.synthetic import DAY, SyntheticKey, SyntheticPortal, synthetic

SHOTS = dashboards.ROOT / ".tools" / "grafana"
RULES = dashboards.ROOT / "prometheus" / "rules" / "*.yml"
HEIGHTS = {MAIN: 4300, ONE_KEY: 1200}
#: More than a minute of scrapes: the minimum step of the graphs.
ENOUGH = "count_over_time(up[5m]) >= 40"
#: A name that breaks code without escapes.
ODD = 'it\'s "a" <b>x</b>\n$job {{y}} ${portal}'
ONE = SyntheticPortal(
    "tiny",
    [
        SyntheticKey("own", "prometheus", "d0c5", access="read", expires=200 * DAY),
        SyntheticKey("odd", ODD, "77fe", expires=90 * DAY),
    ],
)
MANY = [
    SyntheticPortal(
        f"portal-{n:03}",
        [SyntheticKey(f"{n}-{k}", f"key {k}", expires=(20 + n + k) * DAY) for k in range(3)],
        up=n % 40 != 39,
    )
    for n in range(200)
]
#: Grafana's own texts for a panel without data.
ITS_OWN_WORDS = re.compile(r"^No data$|Data is missing|does not have|Unable to|Failed to|NaN")


@dataclass(frozen=True)
class Scene:
    """A Prometheus with its targets, and the portal and key to show of them."""

    prometheus: Prometheus
    portal: str
    key: str


@dataclass(frozen=True)
class Stage:
    """A Grafana with one data source for each scene, and a browser."""

    grafana: Grafana
    browser: Browser
    scenes: Mapping[str, Scene]

    def open(
        self, file: str, scene: str, *, width: int = 1600, dark: bool = True, **variables: str
    ) -> None:
        """Open a dashboard and wait until all panels are loaded."""
        uid = dashboards.load(file)["uid"]
        theme = "dark" if dark else "light"
        chosen = {"from": "now-1h", "to": "now", **variables}
        pairs = "".join(f"&{name}={quote(value, safe='')}" for name, value in chosen.items())
        url = f"{self.grafana.url}/d/{uid}/{uid}?var-datasource={scene}&theme={theme}{pairs}"
        self.browser.open(url, width, height=HEIGHTS[file], dark=dark)
        eventually(lambda: self.browser.evaluate(QUIET), bool, 60.0)
        time.sleep(1.0)  # panels are drawn after the last answer
        eventually(lambda: self.browser.evaluate(QUIET), bool, 60.0)

    def panels(self) -> dict[str, str]:
        """The text of each panel by its title."""
        found: dict[str, str] = self.browser.evaluate(PANELS)
        return found

    def links(self, title: str) -> dict[str, str]:
        """Text and address of the links in a panel."""
        found: dict[str, str] = self.browser.evaluate(LINKS % json.dumps(title))
        return found


#: Selectors for Grafana 10 and newer, then for 9.
SECTION = 'section[data-testid*="Panel header"], section.panel-container'
CONTENT = '[data-testid="data-testid panel content"], .panel-content'
LOADING = '[aria-label="Panel loading bar"], .panel-loading'
FAILED = '[data-testid="data-testid Panel status error"], [aria-label="Panel header error"]'
#: No panel is loading, and there are panels.
QUIET = f"""
document.querySelectorAll('{SECTION}').length > 0
&& !document.querySelector('{LOADING}')
&& !document.querySelector('[data-testid="data-testid Refresh picker cancel button"]')
&& ![...document.querySelectorAll('button')].some((b) => b.innerText === 'Cancel')
"""
PANELS = f"""
Object.fromEntries([...document.querySelectorAll('{SECTION}')].map(
  (panel) => [
    panel.querySelector('h2, h6')?.innerText ?? '',
    panel.querySelector('{CONTENT}')?.innerText ?? '',
  ]))
"""
LINKS = f"""
Object.fromEntries([...document.querySelectorAll('{SECTION}')]
  .filter((panel) => panel.querySelector('h2, h6')?.innerText === %s)
  .flatMap((panel) => [...(panel.querySelector('{CONTENT}')?.querySelectorAll('a') ?? [])])
  .map((link) => [link.innerText, link.href]))
"""
ERRORS = f"""
[...document.querySelectorAll('{FAILED}')].map(
  (mark) => mark.closest('section')?.querySelector('h2, h6')?.innerText)
"""


@pytest.fixture(scope="module")
def stage(prometheus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Grafana, the browser, and five Prometheus servers that have scraped several times."""
    grafana.find()
    folder = tmp_path_factory.mktemp("stage")

    def subfolder(name: str) -> Path:
        (folder / name).mkdir()
        return folder / name

    with ExitStack() as running:
        demo = running.enter_context(Demo())
        exporter = running.enter_context(ExporterProcess(subfolder("exporter"), demo.config()))
        down = SyntheticPortal("down", up=False, answered=False)
        key = next(key for key in demo.keys("acme") if key.name == "zapier")
        targets = {
            "demo": ([exporter.url.removeprefix("http://")], "acme", key.id),
            "nothing": ([], "", ""),
            "healthy": ([running.enter_context(synthetic([ONE]))], "tiny", "odd"),
            "down": ([running.enter_context(synthetic([down]))], "down", ""),
            "many": ([running.enter_context(synthetic(MANY))], "portal-001", "1-1"),
        }
        scenes = {}
        for name, (addresses, portal, key_id) in targets.items():
            config = f"rule_files: [{RULES}]\n" + scrape_config(addresses, "2s")
            server = running.enter_context(Prometheus(prometheus, subfolder(name), config))
            scenes[name] = Scene(server, portal, key_id)
        for name, (addresses, *_) in targets.items():
            if addresses:
                look = scenes[name].prometheus
                eventually(lambda look=look: look.values(ENOUGH), bool, 180.0)
        urls = {name: scene.prometheus.url for name, scene in scenes.items()}
        server = running.enter_context(Grafana(subfolder("grafana"), urls))
        window = running.enter_context(browser(subfolder("profile")))
        SHOTS.mkdir(parents=True, exist_ok=True)
        yield Stage(server, window, scenes)


def _variables(file: str, scene: Scene) -> dict[str, str]:
    if file == ONE_KEY:
        return {"var-portal": scene.portal, "var-key_id": scene.key}
    return {}


SCENES = ["demo", "nothing", "healthy", "down", "many"]


# Each scene wide and dark, and narrow and light; the demo in all four ways.
VIEWS = [("demo", 1100, True), ("demo", 1600, False)]
VIEWS += [(scene, width, width == 1600) for scene in SCENES for width in (1600, 1100)]


@pytest.mark.parametrize(("scene", "width", "dark"), VIEWS)
@pytest.mark.parametrize("file", [MAIN, ONE_KEY])
def test_every_panel_is_drawn(stage: Stage, file: str, scene: str, width: int, dark: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    """With data or its own text, without a failed request and without an error in the console."""
    variables = _variables(file, stage.scenes[scene])
    stage.open(file, scene, width=width, dark=dark, **variables)
    drawn = stage.panels()
    name = f"{Path(file).stem}-{scene}-{'dark' if dark else 'light'}-{width}.png"
    (SHOTS / name).write_bytes(stage.browser.screenshot(whole=False))
    assert len(drawn) == len(dashboards.panels(dashboards.load(file)))
    its_own = {
        title: line
        for title, text in drawn.items()
        for line in text.splitlines()
        if ITS_OWN_WORDS.search(line)
    }
    assert its_own == {}
    assert stage.browser.evaluate(ERRORS) == []
    assert stage.browser.failures() == []
    assert stage.browser.errors() == []


@pytest.mark.parametrize("span", ["1h", "24h", "7d", "30d"])
@pytest.mark.parametrize("scene", ["demo", "down"])
def test_the_numbers_are_those_of_this_moment_at_every_range(
    stage: Stage, span: str, scene: str
) -> None:
    """Grafana shows the numbers that Prometheus returns now."""
    words = {-1.0: "unknown", -2.0: "not scraped"}
    dashboard = dashboards.load(MAIN)
    titles = ["Failing now", "Portals that do not answer"]
    variables = dashboards.defaults(dashboard)

    def now(title: str) -> str:
        expr = dashboards.fill(dashboards.query(dashboard, title), variables)
        ((_, value),) = stage.scenes[scene].prometheus.query(expr)
        return words.get(value, f"{value:,.0f}")

    before = [now(title) for title in titles]
    stage.open(MAIN, scene, **{"from": f"now-{span}"})
    drawn = stage.panels()
    after = [now(title) for title in titles]
    for title, *allowed in zip(titles, before, after, strict=True):
        assert drawn[title].strip() in allowed, title


def test_choices_at_the_top_narrow_the_tables(stage: Stage) -> None:
    stage.open(MAIN, "demo", **{"var-portal": "globex"})
    keys = stage.panels()["Keys: all"]
    assert "globex" in keys
    assert "acme" not in keys


def test_the_name_filter_finds_a_key_by_a_part_of_its_name(stage: Stage) -> None:
    stage.open(MAIN, "healthy", **{"var-key": '"A" <B>'})
    assert list(stage.links("Keys: all")) == [f"{' '.join(ODD.split())} …77fe", "tiny"]


@pytest.mark.parametrize(
    ("kind", "name"), [("expired", "stale-dashboards"), ("creator gone", "zapier")]
)
def test_a_tile_leads_to_the_keys_that_it_counts(stage: Stage, kind: str, name: str) -> None:
    """The link has the value of the variable."""
    dashboard = dashboards.load(MAIN)
    links = [
        each["value"][0]["url"]
        for panel in dashboards.panels(dashboard)
        for override in panel["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == "links" and override["matcher"]["options"] == kind
    ]
    (chosen,) = (unquote(found) for url in links for found in re.findall("var-show=([^&]+)", url))
    stage.open(MAIN, "demo", **{"var-show": chosen})
    listed = stage.panels()[f"Keys: {kind}"]
    assert name in listed
    assert "billing-export" not in listed


def test_a_key_of_any_name_leads_to_its_own_dashboard(stage: Stage) -> None:
    stage.open(MAIN, "healthy")
    links = stage.links("Keys: all")
    (url,) = (url for text, url in links.items() if "77fe" in text)
    assert "var-key_id=odd" in unquote(url)
    stage.browser.open(url, 1600, height=1200)
    eventually(lambda: stage.browser.evaluate(QUIET), bool, 60.0)
    eventually(lambda: "77fe on tiny" in stage.panels().get("This key", ""), bool, 20.0)


def test_a_portal_leads_to_its_list_of_keys(stage: Stage) -> None:
    stage.open(MAIN, "healthy")
    links = stage.links("Keys: all")
    assert links["tiny"] == "https://tiny.example/developer-tools/api-keys"


def test_an_alert_leads_to_its_runbook(stage: Stage) -> None:
    firing = 'ALERTS{alertname="DocSpaceKeyRefused", alertstate="firing"}'
    look = stage.scenes["demo"].prometheus
    eventually(lambda: look.values(firing), bool, 300.0)
    stage.open(MAIN, "demo")
    links = stage.links("Alerts that fire")
    assert "KeyRefused" in links
    for name, url in links.items():
        page = url.rpartition("/")[2]
        assert page == f"DocSpace{name}.md"
        assert (dashboards.ROOT / "docs" / "runbooks" / page).exists()


#: Options of tables that a release saves under its own name only.
RENAMED = {"custom.displayMode", "custom.cellOptions", "custom.hideFrom"}
#: The dashboard as Grafana would save it, in 12 and in 9.
SAVED = """
JSON.stringify(window.__grafanaSceneContext?.getSaveModel()
  ?? window.grafanaRuntime.getDashboardSaveModel())
"""


@pytest.mark.parametrize("file", [MAIN, ONE_KEY])
def test_a_first_save_changes_nothing_that_matters(stage: Stage, file: str) -> None:
    """Queries, places, options of panels and variables stay; Grafana may add defaults."""
    stage.open(file, "healthy", **_variables(file, stage.scenes["healthy"]))
    saved, ours = json.loads(stage.browser.evaluate(SAVED)), dashboards.load(file)
    pairs = zip(dashboards.panels(saved), dashboards.panels(ours), strict=True)
    changed = {
        f"{old['title']}: {name}": (was, is_now)
        for new, old in pairs
        for (name, is_now), was in zip(_essence(new).items(), _essence(old).values(), strict=True)
        if was != is_now
    }
    assert changed == {}
    lists = [
        [(each["name"], each["type"], _text(each["query"])) for each in model["templating"]["list"]]
        for model in (saved, ours)
    ]
    assert lists[0] == lists[1]


def _text(query: str | dict[str, str]) -> str:
    """A variable's query: Grafana 9 saves it with a name beside it."""
    return query if isinstance(query, str) else query["query"]


def _essence(panel: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a panel that must not change."""
    asked = ("refId", "expr", "legendFormat", "instant", "format")
    config = panel["fieldConfig"]
    return {
        **{name: panel.get(name) for name in ("title", "type", "gridPos", "description")},
        "targets": [[each.get(name) for name in asked] for each in panel.get("targets", [])],
        "unit": config["defaults"].get("unit"),
        "overrides": [
            (each["matcher"], [one["id"] for one in each["properties"] if one["id"] not in RENAMED])
            for each in config["overrides"]
        ],
    }
