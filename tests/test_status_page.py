"""The status page, over HTTP and in a real browser."""

import base64
import hashlib
import io
import re
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from urllib.parse import quote

import pytest
from support.browser import Browser, browser
from support.demo import Demo

from exporter.clock import Clock
from exporter.config import PortalSettings, Secret, Settings
from exporter.exporter import Exporter
from exporter.httpserver.listen import ListenAddress
from exporter.httpserver.server import Server
from exporter.logs import make_log
from exporter.web.page import timeline
from exporter.web.page.overview import FULL_PORTALS, PAGE_KEYS
from exporter.web.page.status import StatusPage
from exporter.web.page.timeline import DAYS, Mark, draw

DAY = 86400.0
NOW = 1_795_380_000.0
#: Names that a page must show as they are, and survive.
NAMES = (
    "<img src=x onerror=document.title='owned'>",
    "{{ 7 * 7 }} & &lt;b&gt; 'x' \"y\" </title></style></script>",
    "مزامنة الملفات",
    "\u202egnirts",
    "非常に長い名前の鍵" * 6,
    "W" * 120,
)


class Site:
    """The status page of an exporter with some portals, on a port."""

    def __init__(self, portals: tuple[PortalSettings, ...], clock: Clock | None = None) -> None:
        log = make_log(io.StringIO(), "error", "logfmt")
        self.exporter = Exporter(lambda: Settings(portals, concurrency=8), Clock(), log)
        page = StatusPage(lambda: self.exporter.fleet, clock or Clock(), "/metrics", "https://docs")

        listening = ListenAddress("127.0.0.1", 0).bind()
        self.url = ListenAddress.of(listening).url() + "/"
        self._server = Server([listening], page, log, threads=4)
        self._server.start()

    def scrape(self, *names: str) -> None:
        """Observe all portals, or some, as a scrape does."""
        fleet = self.exporter.fleet
        chosen = [portal for portal in fleet.portals if not names or portal.settings.name in names]
        fleet.observe(chosen, 30.0)

    def close(self) -> None:
        """End the server and the exporter."""
        self._server.stop()
        self.exporter.close()

    def request(self, method: str = "GET") -> HTTPResponse:
        """The answer to a request of the page."""
        return urllib.request.urlopen(urllib.request.Request(self.url, method=method), timeout=60)

    def html(self) -> str:
        """The page."""
        with self.request() as answer:
            return answer.read().decode()


def settings(demo: Demo, which: str, name: str = "") -> PortalSettings:
    """One of the demo's portals, under its own or another name; each scrape fetches it again."""
    secret = Secret(demo.portals[which].exporter_key)
    return PortalSettings(name or which, demo.servers[which].url, secret, min_interval=0.0)


@pytest.fixture(scope="module", autouse=True)
def no_proxy_in_this_module() -> Iterator[None]:
    """Fixtures of the module start before the fixture that removes proxies for a single test."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            environment.delenv(name, raising=False)
            environment.delenv(name.upper(), raising=False)
        yield


@pytest.fixture(scope="module")
def running() -> Iterator[Demo]:
    """The demo's portals. Tests stop `initech` only, never `globex`."""
    with Demo() as demo:
        yield demo


@pytest.fixture(scope="module")
def site(running: Demo) -> Iterator[Site]:
    """The three portals of the demo after a scrape; `initech` is down since then."""
    site = Site(tuple(settings(running, name) for name in running.portals))
    site.scrape()
    running.servers["initech"].stop()
    site.scrape("initech")
    running.servers["initech"].start()
    yield site
    site.close()


@pytest.fixture(scope="module")
def named(running: Demo) -> Iterator[Site]:
    """Portals with names that attack the page or are hard to show."""
    site = Site(tuple(settings(running, "acme", name) for name in NAMES))
    site.scrape()
    yield site
    site.close()


@pytest.fixture(scope="module")
def crowd(running: Demo) -> Iterator[Site]:
    """Three hundred portals."""
    three = tuple(running.portals)
    site = Site(
        tuple(settings(running, three[n % 3], f"customer-{n:03}") for n in range(300)),
    )
    site.scrape()
    yield site
    site.close()


@pytest.fixture(scope="module")
def fresh(running: Demo) -> Iterator[Site]:
    """A portal that was not scraped."""
    site = Site((settings(running, "acme"),))
    yield site
    site.close()


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A real browser."""
    with browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


# Over HTTP


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Content-Type", "text/html; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
    ],
)
def test_header_is_sent(site: Site, header: str, value: str) -> None:
    with site.request() as answer:
        assert answer.headers[header] == value


@pytest.mark.parametrize(
    "directive",
    [
        "default-src 'none'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ],
)
def test_policy_allows_nothing_more(site: Site, directive: str) -> None:
    with site.request() as answer:
        policy = answer.headers["Content-Security-Policy"].split("; ")
    assert directive in policy


def test_policy_names_the_hash_of_the_style_sheet(site: Site) -> None:
    with site.request() as answer:
        policy = answer.headers["Content-Security-Policy"]
        (style,) = re.findall(rb"<style>(.*?)</style>", answer.read(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in policy


def test_head_has_the_headers_and_no_body(site: Site) -> None:
    with site.request("HEAD") as answer:
        assert (answer.status, int(answer.headers["Content-Length"]) > 1000) == (200, True)
        assert answer.read() == b""


def test_page_holds_no_key(site: Site, running: Demo) -> None:
    """It has no key of the exporter or of the portals, and no beginning of one."""
    html = site.html()
    secrets = [key.secret for demo in running.portals.values() for key in demo.portal.keys]
    assert [secret for secret in ["sk-", *secrets] if secret in html] == []


def test_page_asks_no_portal(site: Site, running: Demo) -> None:
    before = [portal.portal.requests.copy() for portal in running.portals.values()]
    site.html()
    assert [portal.portal.requests for portal in running.portals.values()] == before


def test_portal_that_is_down_shows_why_and_what_to_do(site: Site) -> None:
    html = site.html()
    assert "Reason <code>connection</code>" in html
    assert "Hint: check the host name and port in <code>url</code>" in html


def test_portal_that_is_down_comes_first(site: Site) -> None:
    names = re.findall(r"<h3[^>]*><bdi>(\w+)</bdi>", site.html())
    assert names == ["initech", "acme", "globex"]


def test_headline_says_what_is_down_and_what_expires(site: Site) -> None:
    html = site.html()
    assert "The keys of \u2068initech\u2069 cannot be read." in html
    assert re.search(r"<span>\d keys expire within 7 days.</span>", html)


def test_headline_says_that_one_key_is_dead_and_when_it_was_tried(running: Demo) -> None:
    site = Site((settings(running, "globex"),))
    site.scrape()
    html = site.html()
    site.close()
    assert "<span>1 key is refused: its creator is gone.</span>" in html
    assert re.search(r"last tried 119 days ago <span class=\"by\"><strong>creator removed", html)


def test_portal_that_was_not_asked_yet_says_so(fresh: Site) -> None:
    assert "No answer yet" in fresh.html()


def test_nothing_is_counted_before_the_first_answer(fresh: Site) -> None:
    """An unknown count is absent, not 0."""
    html = fresh.html()
    assert "Waiting for the first answer." in html
    assert "1 portal, no answer yet." in html
    assert "portal up" not in html
    assert "<svg class" not in html


def test_portals_without_an_answer_are_not_counted_as_down(running: Demo) -> None:
    """The first fetch of one portal may take longer than that of another."""
    site = Site((settings(running, "globex"), settings(running, "acme")))
    site.scrape("globex")
    html = site.html()
    site.close()
    assert "1 of 2 portals up, 1 without an answer yet, " in html


def test_scrape_long_ago_is_questioned(running: Demo) -> None:
    site = Site((settings(running, "globex"),), Clock(now=lambda: time.time() + 3600))
    site.scrape()
    html = site.html()
    site.close()
    assert "Last scrape 60 minutes ago: <strong>is anything still scraping?</strong>" in html


def test_keys_that_expired_since_the_scrape_are_expired(running: Demo) -> None:
    site = Site((settings(running, "globex"),), Clock(now=lambda: time.time() + 300 * DAY))
    site.scrape()
    html = site.html()
    site.close()
    assert "No key expires within 30 days." in html


def test_exporters_own_key_is_named_with_its_expiry(site: Site) -> None:
    html = site.html()
    assert re.search(r'own key here is <bdi class="name">grafana-alerts</bdi>', html)
    assert re.search(r'expires <span class="when week">in \d days</span>', html)


def test_view_of_one_person_is_pointed_out(running: Demo) -> None:
    site = Site((settings(running, "initech"),))
    site.scrape()
    html = site.html()
    site.close()
    assert "This key sees the keys of one person only" in html


def test_clock_that_differs_is_pointed_out(site: Site) -> None:
    assert re.search(
        r"The portal&#39;s clock is \d+ seconds ahead of the exporter&#39;s.", site.html()
    )


@pytest.mark.parametrize("name", NAMES)
def test_link_to_the_probe_has_the_name_encoded(named: Site, name: str) -> None:
    assert f'href="probe?target={quote(name)}"' in named.html()


def test_links_are_relative_but_those_to_other_sites(fresh: Site) -> None:
    links = set(re.findall(r'<a href="([^"]+)"', fresh.html()))
    url = fresh.exporter.fleet.portals[0].settings.url
    expected = {"metrics", "#portals", "-/healthy", "probe?target=acme", "https://docs", url}
    assert links == expected


def test_page_of_300_portals_is_bounded(crowd: Site) -> None:
    html = crowd.html()
    listed = html.count('<td class="use">')
    assert (html.count("<h3"), listed <= PAGE_KEYS, len(html) < 400_000) == (
        FULL_PORTALS,
        True,
        True,
    )


def test_portals_beyond_the_first_have_a_line_each(crowd: Site) -> None:
    _, _, rest = crowd.html().partition('<table class="brief">')
    assert len(re.findall(r"<bdi>customer-\d{3}</bdi>", rest)) == 300 - FULL_PORTALS


# In a browser

PAGES = ("site", "named", "crowd", "fresh")
WIDTHS = (320, 375, 768, 1000, 1440)


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_wider_than_the_window(
    window: Browser, request: pytest.FixtureRequest, page: str
) -> None:
    """With every list open."""
    window.open(request.getfixturevalue(page).url)
    window.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    root = "document.documentElement"
    surplus = {}
    for width in WIDTHS:
        window.resize(width)
        surplus[width] = window.evaluate(f"{root}.scrollWidth - {root}.clientWidth")
    assert surplus == dict.fromkeys(WIDTHS, 0)


@pytest.mark.parametrize("page", PAGES)
def test_console_stays_empty(window: Browser, request: pytest.FixtureRequest, page: str) -> None:
    window.open(request.getfixturevalue(page).url)
    assert window.complaints() == []


@pytest.mark.parametrize("page", PAGES)
def test_nothing_else_is_loaded(window: Browser, request: pytest.FixtureRequest, page: str) -> None:
    url = request.getfixturevalue(page).url
    window.open(url)
    assert window.requests() == [url]


@pytest.mark.parametrize("page", ["site", "named"])
def test_names_with_markup_add_no_element(
    window: Browser, request: pytest.FixtureRequest, page: str
) -> None:
    window.open(request.getfixturevalue(page).url)
    assert window.evaluate("document.querySelectorAll('img, script, bots').length") == 0


def test_names_with_markup_are_shown_as_text(window: Browser, named: Site) -> None:
    window.open(named.url)
    shown = window.evaluate("[...document.querySelectorAll('h3')].map(h => h.textContent)")
    assert set(shown) == set(NAMES)


def test_key_with_markup_is_shown_as_text(window: Browser, site: Site) -> None:
    window.open(site.url)
    names = window.evaluate("[...document.querySelectorAll('.name')].map(n => n.textContent)")
    assert "<script>alert(1)</script>" in names


def test_style_is_applied(window: Browser, site: Site) -> None:
    """The hash in the policy is that of the style sheet."""
    window.open(site.url)
    assert window.evaluate("getComputedStyle(document.body).maxWidth") == "1120px"


def test_lists_open_without_scripts(window: Browser, site: Site) -> None:
    window.open(site.url, scripts=False)
    closed = "document.querySelectorAll('.groups > details:not([open])').length"
    before = window.evaluate(closed)
    window.click(".groups > details:not([open]) > summary")
    assert window.evaluate(closed) == before - 1


def test_urgent_lists_are_open_and_others_closed(window: Browser, site: Site) -> None:
    window.open(site.url)
    opened = window.evaluate(
        "[...document.querySelectorAll('.groups > details[open] .swatch')].map(s => s.className)"
    )
    assert set(opened) == {"swatch orphaned", "swatch week", "swatch month"}


#: Each text with its contrast to what is behind it, by the formula of WCAG 2.
CONTRASTS = """
(() => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map(c => c / 255)
    .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const colour = parse(getComputedStyle(element).backgroundColor);
      if (colour.length === 3) return colour;
    }
    return [255, 255, 255];
  };
  const contrast = (element, property) => {
    const [a, b] = [parse(getComputedStyle(element)[property]), behind(element)].map(light);
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  document.querySelectorAll('details').forEach(d => d.open = true);
  const content = element => [...element.childNodes]
    .some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const texts = [...document.body.querySelectorAll('*')]
    .filter(element => content(element) && !element.closest('title, desc'));
  return texts.map(element => [
    element.textContent.slice(0, 40),
    contrast(element, element.closest('svg') ? 'fill' : 'color'),
  ]);
})()
"""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("page", ["site", "fresh", "crowd"])
def test_text_has_enough_contrast(
    window: Browser, request: pytest.FixtureRequest, page: str, *, dark: bool
) -> None:
    """WCAG 2 AA asks for 4.5 to 1."""
    window.open(request.getfixturevalue(page).url, dark=dark)
    contrasts = window.evaluate(CONTRASTS)
    assert len(contrasts) > 10
    assert [pair for pair in contrasts if pair[1] < 4.5] == []


def test_dark_is_dark(window: Browser, site: Site) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    window.open(site.url, dark=True)
    dark = window.evaluate(colour)
    window.open(site.url)
    assert (dark, window.evaluate(colour)) == ("rgb(19, 21, 24)", "rgb(251, 250, 248)")


#: Pairs of texts of the drawing that touch, and those that reach out of it.
COLLISIONS = """
(() => {
  const frame = document.querySelector('.timeline').getBoundingClientRect();
  const texts = [...document.querySelectorAll('.timeline text')]
    .map(text => [text.textContent, text.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0);
  const meet = (a, b) =>
    a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom;
  const pairs = texts.flatMap(([one, a], i) =>
    texts.slice(i + 1).filter(([, b]) => meet(a, b)).map(([other]) => [one, other]));
  const out = texts.filter(([, b]) => b.left < frame.left - 1 || b.right > frame.right + 1);
  return [texts.length, pairs, out.map(([text]) => text)];
})()
"""


@pytest.mark.parametrize("page", ["site", "named", "crowd"])
def test_texts_of_the_drawing_keep_apart(
    window: Browser, request: pytest.FixtureRequest, page: str
) -> None:
    window.open(request.getfixturevalue(page).url)
    collisions = {}
    for width in WIDTHS:
        window.resize(width)
        count, *collisions[width] = window.evaluate(COLLISIONS)
        assert count > 4
    assert collisions == {width: [[], []] for width in WIDTHS}


def test_a_drawing_is_as_wide_as_its_texts_were_placed_for(window: Browser, site: Site) -> None:
    """On the narrowest phone, and at the least width with the wide text."""
    least = {"narrow": timeline._NARROW.width, "wide": timeline._WIDE.width}
    shown = "getComputedStyle(document.querySelector('.timeline g.wide')).display != 'none'"
    wide = {}
    window.open(site.url)
    for width in range(320, 1101, 20):
        window.resize(width)
        drawn = window.evaluate("document.querySelector('.timeline').getBoundingClientRect().width")
        wide[width] = window.evaluate(shown)
        assert drawn >= least["wide" if wide[width] else "narrow"]
    assert (wide[320], wide[1100]) == (False, True)


def test_every_part_has_a_heading(window: Browser, site: Site) -> None:
    window.open(site.url)
    levels = window.evaluate(
        "[...document.querySelectorAll('h1, h2, h3')].map(h => h.tagName).join(' ')"
    )
    assert levels == "H1 H2 H2 H3 H3 H3"


def test_every_table_has_a_caption(window: Browser, crowd: Site) -> None:
    window.open(crowd.url)
    assert window.evaluate("document.querySelectorAll('table:not(:has(caption))').length") == 0


def test_drawing_has_a_title_and_a_text(window: Browser, site: Site) -> None:
    window.open(site.url)
    described = window.evaluate(
        "document.querySelector('.timeline').getAttribute('aria-labelledby').split(' ')"
        ".map(id => document.getElementById(id).tagName)"
    )
    assert described == ["title", "desc"]


# The drawing


def marks(*lefts: float, name: str = "key") -> list[Mark]:
    return [Mark(left * DAY, "week", name, "") for left in lefts]


def test_each_key_is_a_block_on_its_day() -> None:
    drawing = draw(marks(0.5, 3.1, 3.9), NOW)
    assert [block.x for block in drawing.blocks] == [0.0, 3.33, 3.33]


def test_keys_of_a_day_are_stacked() -> None:
    drawing = draw(marks(3.1, 3.9), NOW)
    lower, upper = drawing.blocks
    assert lower.y > upper.y + upper.height


@pytest.mark.parametrize("left", [-0.1, DAYS, DAYS + 0.5])
def test_what_expires_outside_the_90_days_is_not_drawn(left: float) -> None:
    assert draw(marks(left), NOW).blocks == ()


def test_hundreds_of_keys_on_a_day_are_one_bar() -> None:
    assert len(draw(marks(*[5.5] * 300), NOW).blocks) == 1


def test_flag_of_a_day_says_how_many_more_expire() -> None:
    (flag,) = draw(marks(*[5.5] * 300), NOW).wide.flags
    assert flag.note == "+299"


def test_crowded_day_without_room_for_a_flag_has_its_count() -> None:
    """On a narrow screen, eight long names of earlier days take its space."""
    drawing = draw([*marks(*range(8), name="W" * 30), *marks(*[40.5] * 300)], NOW)
    assert [count.count for count in drawing.narrow.counts] == [300]


def test_last_days_flag_reaches_to_the_left() -> None:
    (flag,) = draw(marks(89.5), NOW).narrow.flags
    assert flag.leftward


def test_height_of_the_drawing_is_bounded() -> None:
    heights = {draw(marks(*[n % 90 for n in range(count)]), NOW).height for count in (900, 9000)}
    assert max(heights) < 400


def test_months_are_named_and_mondays_are_marked() -> None:
    ticks = draw((), NOW).ticks
    assert [tick.label for tick in ticks if tick.label] == ["Dec", "January", "Feb"]
    assert len([tick for tick in ticks if not tick.label]) >= 11
