"""Fixtures that several files use."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from support import tools
from support.certificates import Issued, issue
from support.demo import Demo

# What makes dashboards and rules is in the checkout; the exporter is the one that is installed.
sys.path.append(str(Path(__file__).resolve().parents[1]))

# Where a shell put the tests into the background they ignore SIGINT, and so would their processes.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no failure. EXAMPLES=1000 looks longer for what a property does not hold for.
settings.register_profile(
    "project", deadline=None, max_examples=int(os.environ.get("EXAMPLES", "40"))
)
settings.load_profile("project")


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
    """Servers of a test are next door, whatever the machine's own way out is."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def demo() -> Iterator[Demo]:
    """The demo's three portals, running."""
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
