"""Fixtures that several files use."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import tools
from support.demo import Demo


@pytest.fixture(scope="session")
def prometheus() -> Path:
    """The path of the program prometheus."""
    return tools.find("prometheus", "prometheus")


@pytest.fixture(scope="session")
def promtool() -> Path:
    """The path of the program promtool."""
    return tools.find("promtool", "prometheus")


@pytest.fixture
def demo() -> Iterator[Demo]:
    """The demo's three portals, running."""
    demo = Demo()
    for server in demo.servers.values():
        server.start()
    yield demo
    for server in demo.servers.values():
        server.stop()
