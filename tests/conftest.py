"""Fixtures that several modules use, and the order of the modules."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support import tools
from support.certificates import Issued, issue
from support.demo import Demo

# What makes dashboards and rules is in the checkout; the exporter is the one that is installed.
sys.path.append(str(Path(__file__).resolve().parents[1]))

# A shell that runs the tests in the background makes them ignore SIGINT; processes inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A slow machine is not a failure. EXAMPLES=1000 tries more inputs in each property.
settings.register_profile(
    "project",
    deadline=None,
    max_examples=int(os.environ.get("EXAMPLES", "20")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("project")

#: The modules that take longest, the longest first.
LONGEST = (
    "test_status_page",
    "test_rules",
    "test_dashboards_live",
    "test_attacks",
    "test_serve",
    "test_chart_rendered",
    "test_answer_cost",
    "test_readme",
    "test_packages",
    "test_textfile_command",
    "test_keys_command",
    "test_discovery",
    "test_workflows",
    "test_site",
    "test_renderer",
    "test_prometheus",
    "test_web_prometheus",
    "test_orphaned_live",
    "test_rules_live",
    "test_sdk",
    "test_check_command",
    "test_config",
    "test_portal",
    "test_key_list_reader",
    "test_source",
    "test_reload",
    "test_http",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest modules first: at the end no worker is left alone with one of them."""
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture(scope="session")
def prometheus() -> Path:
    """The path of the program prometheus."""
    return tools.find("prometheus", "prometheus")


@pytest.fixture(scope="session")
def promtool() -> Path:
    """The path of the program promtool."""
    return tools.find("promtool", "prometheus")


@pytest.fixture(autouse=True)
def no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connect to the servers of the tests without the proxy of the machine."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def demo() -> Iterator[Demo]:
    """The demo's three portals, running in this process."""
    with Demo() as demo:
        yield demo


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for certificates that the tests of a module share."""
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(certificates: Path) -> Issued:
    """A private certificate authority."""
    return issue(certificates, "ca")


@pytest.fixture(scope="module")
def served(certificates: Path, authority: Issued) -> Issued:
    """A certificate for 127.0.0.1 that the authority signed."""
    return issue(certificates, "server", authority)
