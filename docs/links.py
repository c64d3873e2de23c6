"""Hooks for MkDocs: pages from other folders, the list of runbooks, and links to other folders.

GitHub shows the same files, so links are relative to their file. For the site, a link becomes a
link to a page, or to the file in the repository if the site has no such page.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]

#: Files outside docs/ that are pages of the site, with their names there.
PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "grafana/README.md": "dashboards.md",
}

#: Files and folders whose content is on another page of the site.
ELSEWHERE = {"README.md": "index.md", "docs/runbooks": "alerts.md"}

_CODE_OR_TARGET = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)|\]\(([^)\s]+)")
_FENCE = re.compile(r"\s*(```+|~~~+)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Replace patterns in the navigation by the pages that match."""
    config.nav = _expanded(config.nav, Path(config.docs_dir))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from other folders."""
    for source, name in PAGES.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: object) -> str:
    """Translate the links of a page. Raises PluginError if the target of one does not exist."""
    name = page.file.src_uri
    if page.parent is None:  # the only page of its tab
        page.meta["hide"] = ["navigation"]  # not in the file: GitHub shows front matter as a table
    source = next((path for path, page in PAGES.items() if page == name), f"docs/{name}")
    return translated(markdown, source, name, f"{config.repo_url.rstrip('/')}/")


def translated(markdown: str, source: str, page: str, repository: str) -> str:
    """The text of the file ``source`` with the links for the page ``page``."""

    def replaced(match: re.Match[str]) -> str:
        if match[2] is None:  # code
            return match[0]
        return "](" + _link(match[2], source, page, repository)

    return "".join(
        line if code else _CODE_OR_TARGET.sub(replaced, line) for code, line in _lines(markdown)
    )


def _lines(markdown: str) -> Iterator[tuple[bool, str]]:
    """Each line, and whether it belongs to a block of code."""
    fence = ""
    for line in markdown.splitlines(keepends=True):
        found = _FENCE.match(line)
        yield bool(fence or found), line
        if found and not fence:
            fence = found[1]
        elif found and found[1].startswith(fence):
            fence = ""


def _link(target: str, source: str, page: str, repository: str) -> str:
    path, sign, anchor = target.partition("#")
    if not path or path.startswith("/") or re.match(r"[a-z]+:", path):
        return target
    file = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if not (ROOT / file).exists():
        raise PluginError(f"{source}: {target} leads to nothing")
    name = _page(file)
    if name is None:
        kind = "tree" if (ROOT / file).is_dir() else "blob"
        return f"{repository}{kind}/main/{file}{sign}{anchor}"
    return posixpath.relpath(name, posixpath.dirname(page) or ".") + sign + anchor


def _page(file: str) -> str | None:
    """The page of the site for a file of the repository; None without one."""
    if file in ELSEWHERE or file in PAGES:
        return ELSEWHERE.get(file) or PAGES[file]
    inside = file.startswith("docs/") and (ROOT / file).is_file() and not file.endswith(".py")
    return file.removeprefix("docs/") if inside else None


def _expanded(item: Any, docs: Path) -> Any:
    """A part of the navigation, with pages instead of patterns."""
    if isinstance(item, list):
        return [page for each in item for page in _pages(each, docs)]
    if isinstance(item, dict):
        return {title: _expanded(each, docs) for title, each in item.items()}
    return item


def _pages(item: Any, docs: Path) -> list[Any]:
    if isinstance(item, str) and "*" in item:
        return sorted(path.relative_to(docs).as_posix() for path in docs.glob(item))
    return [_expanded(item, docs)]
