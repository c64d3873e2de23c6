"""Grafana Labs' own linter on the dashboards, where it can be had."""

import os
import shutil
import subprocess
from pathlib import Path

import dashboards
import pytest
from support.tools import TOOLS

MODULE = "github.com/grafana/dashboard-linter@latest"


@pytest.fixture(scope="module")
def linter() -> Path:
    """From PATH, or built by Go below the project.

    Not a tool that CI must have: module proxies are known to refuse this one. The rules that
    matter most are tests of their own in test_dashboards.py.
    """
    known = shutil.which("dashboard-linter")
    if known:
        return Path(known)
    program = TOOLS / "bin" / "dashboard-linter"
    if not program.exists() and shutil.which("go"):
        env = {**os.environ, "GOBIN": str(program.parent)}
        subprocess.run(["go", "install", MODULE], env=env, check=False, capture_output=True)
    if not program.exists():
        pytest.skip("dashboard-linter is not in PATH, and Go could not install it")
    return program


@pytest.mark.parametrize("name", [dashboards.MAIN, dashboards.ONE_KEY])
def test_the_linter_has_nothing_left_that_is_not_excused(linter: Path, name: str) -> None:
    command = [str(linter), "lint", "--strict", str(dashboards.GRAFANA / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
