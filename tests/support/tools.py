"""Programs that tests need: taken from PATH, or from Debian's packages unpacked below the project.

A package is unpacked and not installed: that needs no root, and starts no service.
"""

import fcntl
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
    """Fail in CI; elsewhere skip the test, which pytest counts and names."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI must have it")
    pytest.skip(f"{what} is missing")


def unavailable(message: str, required: str) -> NoReturn:
    """Fail if a target of the Makefile has set the variable ``required``; else skip the test."""
    if os.environ.get(required):
        pytest.fail(message)
    pytest.skip(message)


def module(path: Path) -> ModuleType:
    """Import a Python file that belongs to no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def find(program: str, package: str) -> Path:
    """The program's path, from PATH or from Debian's package.

    Fails or skips the test if both are missing.
    """
    known = shutil.which(program)
    if known:
        return Path(known)
    unpacked = TOOLS / package / "usr" / "bin" / program
    unpack(package, unpacked)
    if not unpacked.exists():
        missing(program)
    return unpacked


def unpack(package: str, wanted: Path | None = None) -> None:
    """Download a package with apt's own client, and unpack it below ``.tools``.

    Nothing is done if the file ``wanted`` exists. One process does this at a time: apt refuses a
    second one, and a file that exists must be complete.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return
    folder = TOOLS / "debs" / package
    folder.mkdir(parents=True, exist_ok=True)
    with (TOOLS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if wanted is None or not wanted.exists():
            _download(package, folder)


def _download(package: str, folder: Path) -> None:
    download = ["apt-get", *_own_state(), "download", package]
    if subprocess.run(download, cwd=folder, check=False, capture_output=True).returncode:
        # The lists of packages are old, or missing as on a new machine.
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
