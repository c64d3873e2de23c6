"""The documentation: the site builds, its links lead somewhere, and GitHub shows the same."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from mkdocs.exceptions import PluginError
from pymdownx.slugs import slugify
from support import tools

ROOT = Path(__file__).resolve().parents[1]
MARKDOWN = sorted(
    [
        *ROOT.glob("*.md"),
        *(path for folder in ("docs", "grafana", "deploy", ".github")
          for path in ROOT.joinpath(folder).rglob("*.md")),
    ]
)  # fmt: skip
REPOSITORY = "https://github.com/docspace-exporter/docspace-exporter/"

#: What a browser fetches by itself.
_LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
_LOADING_LINKS = {"stylesheet", "icon", "preconnect", "preload", "prefetch", "dns-prefetch"}


def _hooks() -> ModuleType:
    return tools.module(ROOT / "docs" / "links.py")


@dataclass
class Document(HTMLParser):
    """A page: where it leads, what it loads, the ids that can be linked to, its paragraphs."""

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    paragraphs: list[str] = field(default_factory=list)
    _open: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        source = found.get(_LOADED.get(tag, ""), "")
        if source and (tag != "link" or _LOADING_LINKS & set(found.get("rel", "").split())):
            self.loaded.append(source)
        if tag == "p":
            self._open = True
            self.paragraphs.append("")

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        if tag == "p":
            self._open = False

    def handle_data(self, data: str) -> None:
        """Text."""
        if self._open:
            self.paragraphs[-1] += data


Site = dict[str, Document]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert built.returncode == 0, built.stdout
    return folder


@pytest.fixture(scope="module")
def site(folder: Path) -> Site:
    """Every page but that of an unknown address, by its path."""
    pages = {}
    for file in folder.rglob("*.html"):
        if file.name != "404.html":
            page = Document()
            page.feed(file.read_text(encoding="utf-8"))
            pages[file.relative_to(folder).as_posix()] = page
    return pages


def test_every_page_of_the_folder_is_in_the_site(site: Site) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
             for path in ROOT.joinpath("docs").rglob("*.md")}  # fmt: skip
    assert pages <= set(site)


def test_every_link_leads_to_a_page_and_an_anchor(site: Site, folder: Path) -> None:
    assert list(_broken(site, folder)) == []


def _broken(site: Site, folder: Path) -> Iterator[str]:
    for name, page in site.items():
        for link in page.links:
            url = urlsplit(urljoin(f"http://site/{name}", link))
            path = unquote(url.path.lstrip("/")) or "index.html"
            if url.netloc != "site" or url.scheme != "http":
                continue
            if not (folder / path).is_file():
                yield f"{name}: {link}"
            elif url.fragment and unquote(url.fragment) not in site[path].ids:
                yield f"{name}: {link}: no such anchor"


def test_every_link_to_the_repository_is_to_a_file_that_is_there(site: Site) -> None:
    for page in site.values():
        for link in page.links:
            found = re.match(re.escape(REPOSITORY) + r"(?:blob|tree)/main/([^#]+)", link)
            assert found is None or (ROOT / found[1]).exists(), link


def test_nothing_is_loaded_from_another_host(site: Site, folder: Path) -> None:
    loaded = {source for page in site.values() for source in page.loaded}
    assert [source for source in loaded if urlsplit(source).netloc] == []
    styles = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import)[\"' ]*(?:https?:)?//", styles) == []


def test_nothing_asks_the_repository_for_its_stars(site: Site, folder: Path) -> None:
    """The theme's script asks api.github.com where a link is marked so."""
    marked = [name for name in site if 'data-md-component="source"' in (folder / name).read_text()]
    assert marked == []


def test_no_list_is_taken_for_a_paragraph(site: Site) -> None:
    """GitHub begins a list without an empty line before it, MkDocs does not."""
    for name, page in site.items():
        for paragraph in page.paragraphs:
            assert not re.search(r"\n\s*(?:[-*]|\d+\.) |\n\|", paragraph), (name, paragraph)


def test_runbooks_are_in_the_navigation(site: Site) -> None:
    links = {urljoin("http://site/", link) for link in site["index.html"].links}
    alerts = urljoin("http://site/", "alerts.html")
    assert alerts in links
    beside = set(site["alerts.html"].links)
    runbooks = {f"runbooks/{path.stem}.html" for path in ROOT.glob("docs/runbooks/*.md")}
    assert runbooks <= beside


def _prose(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return re.sub(r"^\s*(```|~~~).*?^\s*\1|`[^`\n]+`|<!--.*?-->", "", text, flags=re.M | re.S)


def _anchors(path: Path) -> set[str]:
    """What GitHub calls the headings of a file."""
    text = re.sub(r"^(```|~~~).*?^\1", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    make = slugify(case="lower")
    titles = re.findall(r"^#+ +(.+?) *$", text, flags=re.M)
    return {make(re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", title), "-") for title in titles}


@pytest.mark.parametrize("path", MARKDOWN, ids=[str(path.relative_to(ROOT)) for path in MARKDOWN])
def test_relative_links_of_a_file_lead_somewhere(path: Path) -> None:
    """As GitHub shows it."""
    for link in re.findall(r"\]\(([^)\s]+)", _prose(path)):
        url = urlsplit(link)
        if not url.scheme:
            target = path.parent / unquote(url.path) if url.path else path
            assert target.exists(), link
            assert not url.fragment or url.fragment in _anchors(target), link


TRANSLATED = [
    ("docs/faq.md", "faq.md", "metrics.md#keys", "metrics.md#keys"),
    ("docs/faq.md", "faq.md", "../SECURITY.md", "security.md"),
    ("docs/faq.md", "faq.md", "../grafana/README.md#import", "dashboards.md#import"),
    ("docs/faq.md", "faq.md", "../config.yaml", f"{REPOSITORY}blob/main/config.yaml"),
    ("docs/faq.md", "faq.md", "../prometheus/", f"{REPOSITORY}tree/main/prometheus"),
    ("docs/faq.md", "faq.md", "https://example.com/x", "https://example.com/x"),
    ("docs/faq.md", "faq.md", "#anchor", "#anchor"),
    ("docs/runbooks/a.md", "runbooks/a.md", "../../grafana/README.md", "../dashboards.md"),
    ("grafana/README.md", "dashboards.md", "../docs/grafana.png", "grafana.png"),
    ("SECURITY.md", "security.md", "docs/faq.md", "faq.md"),
]


@pytest.mark.parametrize(("source", "page", "written", "shown"), TRANSLATED)
def test_link_is_translated(source: str, page: str, written: str, shown: str) -> None:
    text = f"See [this]({written}), and ![that]({written}).\n"
    expected = f"See [this]({shown}), and ![that]({shown}).\n"
    assert _hooks().translated(text, source, page, REPOSITORY) == expected


@pytest.mark.parametrize("code", ["`[a](../config.yaml)`", "```\n[a](../config.yaml)\n```\n"])
def test_code_stays_as_it_is(code: str) -> None:
    assert _hooks().translated(code, "docs/faq.md", "faq.md", REPOSITORY) == code


def test_link_to_nothing_is_an_error() -> None:
    with pytest.raises(PluginError, match=r"docs/faq\.md: \.\./none\.md leads to nothing"):
        _hooks().translated("[a](../none.md)", "docs/faq.md", "faq.md", REPOSITORY)
