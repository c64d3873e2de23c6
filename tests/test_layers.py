"""Imports point one way: each package knows only what it may know, and importing does nothing."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import exporter

PACKAGE = Path(exporter.__file__).parent
EVERYTHING = ("exporter",)

# Package or module: what it may import of the package beside itself. The longest name counts.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "exporter": (),
    "exporter.__main__": ("exporter.cli",),
    "exporter.cli": EVERYTHING,
    "exporter.flags": EVERYTHING,
    "exporter.commands": EVERYTHING,
    "exporter.clock": (),
    "exporter.threads": (),
    "exporter.version": (),
    "exporter.formatting": (),
    "exporter.logs": (),
    "exporter.yamlfile": (),
    "exporter.config": ("exporter.yamlfile",),
    "exporter.httpserver": ("exporter.yamlfile",),
    "exporter.docspace": (
        "exporter.yamlfile",
        "exporter.config",
        "exporter.clock",
        "exporter.threads",
        "exporter.version",
    ),
    "exporter.check": (
        "exporter.docspace",
        "exporter.config",
        "exporter.clock",
        "exporter.threads",
        "exporter.formatting",
    ),
    "exporter.metrics": (
        "exporter.config",
        "exporter.clock",
        "exporter.docspace.model",
        "exporter.docspace.state",
        "exporter.docspace.snapshot",
        "exporter.docspace.observation",
        "exporter.docspace.errors",
        "exporter.docspace.wire",
    ),
    "exporter.exporter": (
        "exporter.config",
        "exporter.docspace",
        "exporter.metrics",
        "exporter.clock",
        "exporter.version",
    ),
    "exporter.web": (
        "exporter.config",
        "exporter.version",
        "exporter.exporter",
        "exporter.metrics.exposition",
        "exporter.docspace.portal",
        "exporter.httpserver",
    ),
    "exporter.web.page": (
        "exporter.httpserver.message",
        "exporter.clock",
        "exporter.version",
        "exporter.formatting",
        # Plain types, nothing that fetches or reads JSON.
        "exporter.docspace.state",
        "exporter.docspace.snapshot",
        "exporter.docspace.model",
        "exporter.docspace.observation",
        "exporter.docspace.portal",
        "exporter.docspace.fleet",
    ),
    # Writes the JSON of Prometheus' service discovery; reads none.
    "exporter.web.discovery": ("exporter.web", "exporter.httpserver", "exporter.config"),
    "exporter.demo": ("exporter.httpserver",),
}

# Libraries that would let a package do the work of another.
MUST_NOT_IMPORT: dict[str, set[str]] = {
    "exporter.config": {"requests", "urllib3", "http", "socket", "tornado", "prometheus_client"},
    "exporter.httpserver": {"requests", "urllib3", "prometheus_client", "msgspec", "jinja2"},
    "exporter.docspace": {"tornado", "prometheus_client", "jinja2", "rich"},
    "exporter.metrics": {"requests", "urllib3", "http", "socket", "json", "msgspec", "tornado"},
    "exporter.exporter": {"requests", "urllib3", "http", "socket", "json", "msgspec", "tornado"},
    "exporter.web": {"requests", "urllib3", "json", "msgspec", "prometheus_client"},
    "exporter.web.discovery": {"requests", "urllib3", "msgspec", "prometheus_client"},
}

# What one command needs must not cost the others their start.
HEAVY = {"rich", "jinja2", "bcrypt", "tornado", "requests", "exporter.demo"}


def module_name(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file): file for file in sorted(PACKAGE.rglob("*.py"))}


def within(module: str, owner: str) -> bool:
    return module == owner or module.startswith(f"{owner}.")


def owner_of(module: str) -> str:
    return max((owner for owner in MAY_IMPORT if within(module, owner)), key=len)


def imports(source: str) -> Iterator[str]:
    """The full name of every module that a source imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


def climbs(module: str, imported: str) -> bool:
    owner = owner_of(module)
    if not within(imported, "exporter"):
        return imported.partition(".")[0] in MUST_NOT_IMPORT.get(owner, set())
    return not any(within(imported, known) for known in (owner, *MAY_IMPORT[owner]))


@pytest.mark.parametrize("module", MODULES)
def test_no_import_climbs(module: str) -> None:
    found = imports(MODULES[module].read_text(encoding="utf-8"))
    assert [imported for imported in found if climbs(module, imported)] == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("exporter.config.load", "from exporter.docspace import wire"),
        ("exporter.docspace.portal", "import exporter.metrics.catalogue"),
        ("exporter.docspace.portal", "from exporter import exporter"),
        ("exporter.docspace.fetch", "def f():\n    from exporter.web.app import App"),
        ("exporter.metrics.catalogue", "from exporter.docspace.transport import Transport"),
        ("exporter.metrics.catalogue", "from exporter.docspace import portal"),
        ("exporter.metrics.lines", "import json"),
        ("exporter.metrics.lines", "import urllib3.util"),
        ("exporter.exporter", "from exporter.web.app import App"),
        ("exporter.web.app", "from exporter.docspace import wire"),
        ("exporter.web.app", "from exporter.metrics.catalogue import KEY_ROWS"),
        ("exporter.web.app", "import json"),
        ("exporter.web.page.status", "from exporter.docspace.transport import Response"),
        ("exporter.demo.server", "from exporter.docspace.model import ApiKey"),
        ("exporter.clock", "from exporter.config import Settings"),
    ],
)
def test_an_import_that_climbs_is_found(module: str, source: str) -> None:
    assert [imported for imported in imports(source) if climbs(module, imported)] != []


def test_each_room_exists() -> None:
    assert set(MAY_IMPORT) <= set(MODULES)


def test_front_door_knows_no_metric_name() -> None:
    found = []
    for module, file in MODULES.items():
        if within(module, "exporter.web"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found += [(module, name) for name in re.findall(r"\bdocspace_\w*", node.value)]
    assert found == []


@pytest.mark.parametrize("file", sorted(PACKAGE.glob("*/__init__.py")), ids=lambda f: f.parent.name)
def test_each_room_says_what_it_is(file: Path) -> None:
    assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))


# Importing does nothing


def in_a_fresh_python(script: str) -> list[str]:
    """What a script of a new interpreter prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    found: list[str] = json.loads(done.stdout)
    return found


def test_command_line_loads_no_library_that_its_command_may_not_need() -> None:
    loaded = in_a_fresh_python(
        "import json, sys, exporter.cli; print(json.dumps(list(sys.modules)))"
    )
    assert HEAVY & set(loaded) == set()


def test_importing_starts_no_thread_and_writes_no_file() -> None:
    modules = [module for module in MODULES if module != "exporter.__main__"]
    script = f"""
import importlib, json, os, sys, threading
seen = []
def audit(event, arguments):
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        seen.append(f"open {{arguments[0]}}")
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen"):
        seen.append(event)
sys.addaudithook(audit)
for module in {modules!r}:
    importlib.import_module(module)
seen += [thread.name for thread in threading.enumerate()[1:]]
print(json.dumps(seen))
"""
    assert in_a_fresh_python(script) == []
