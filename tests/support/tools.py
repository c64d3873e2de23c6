"""Programs from Debian's packages: taken from PATH, or unpacked below the project, never installed.

Unpacking needs neither root nor a free port: no service is registered or started.
"""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"


def missing(what: str) -> None:
    """An error in CI, a skip that pytest counts and names elsewhere."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI must have it")
    pytest.skip(f"{what} is missing")


def unavailable(message: str, required: str) -> NoReturn:
    """A failure where a target of the Makefile sets the variable, a counted skip elsewhere."""
    if os.environ.get(required):
        pytest.fail(message)
    pytest.skip(message)


def module(path: Path) -> ModuleType:
    """A Python file outside every package, imported anew."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def find(program: str, package: str) -> Path:
    """The program's path, from PATH or from Debian's package."""
    known = shutil.which(program)
    if known:
        return Path(known)
    unpacked = TOOLS / package / "usr" / "bin" / program
    if not unpacked.exists():
        unpack(package)
    if not unpacked.exists():
        missing(program)
    return unpacked


def unpack(package: str) -> None:
    """Download a package with apt's own client, and unpack it below ``.tools``."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return
    folder = TOOLS / "debs" / package
    folder.mkdir(parents=True, exist_ok=True)
    download = ["apt-get", *_own_state(), "download", package]
    if subprocess.run(download, cwd=folder, check=False, capture_output=True).returncode:
        # Lists may be old or absent on a fresh machine; these are the project's own.
        subprocess.run(
            ["apt-get", *_own_state(), "update"], cwd=folder, check=False, capture_output=True
        )
        subprocess.run(download, cwd=folder, check=False, capture_output=True)
    for archive in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(archive), str(TOOLS / package)], check=True)


def _own_state() -> list[str]:
    """Options of apt for lists and caches below the project, so that no root is needed."""
    state = TOOLS / "apt"
    (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (state / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    return [
        "-o", f"Dir::State={state}",
        "-o", f"Dir::State::lists={state / 'lists'}",
        "-o", f"Dir::Cache={state / 'cache'}",
        "-o", "APT::Sandbox::User=",
    ]  # fmt: skip
