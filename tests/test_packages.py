"""The source distribution and the wheel: what is in them, and that a build can be repeated."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DATA = "docspace_exporter-1.0.0.data/data/share/docspace-exporter"
#: So that a process leaves no files in the folder that it runs in.
NO_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}


def build(source: Path, folder: Path, umask: int) -> tuple[Path, Path]:
    """The source distribution and the wheel, built as a person with this umask would."""
    environment = {**os.environ, **NO_BYTECODE, "SOURCE_DATE_EPOCH": "1700000000"}
    ran = subprocess.run(
        [sys.executable, "-m", "release.build", folder],
        cwd=source, env=environment, umask=umask, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    distribution, wheel = map(Path, ran.stdout.splitlines())
    return distribution, wheel


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A source distribution and a wheel."""
    return build(ROOT, tmp_path_factory.mktemp("built"), 0o022)


@pytest.fixture(scope="module")
def unpacked(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that is in the source distribution."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(built[0]) as archive:
        archive.extractall(folder, filter="data")
    (only,) = folder.iterdir()
    yield only
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def wheel(built: tuple[Path, Path]) -> Iterator[zipfile.ZipFile]:
    """The wheel, open."""
    with zipfile.ZipFile(built[1]) as archive:
        yield archive


def test_two_builds_give_the_same_bytes(built: tuple[Path, Path], unpacked: Path) -> None:
    """The second from the first one's source distribution, elsewhere, later, with another umask."""
    again = build(unpacked, unpacked.parent / "again", 0o077)
    assert [file.name for file in again] == [file.name for file in built]
    assert [file.read_bytes() for file in again] == [file.read_bytes() for file in built]


def test_the_source_distribution_is_the_repository(unpacked: Path) -> None:
    """Every file that git tracks, and no other but what the build adds."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:  # these tests run in a source distribution themselves
        pytest.skip("there is no checkout to compare with")
    tracked = set(listed.stdout.split("\0")[:-1])
    there = {str(file.relative_to(unpacked)) for file in unpacked.rglob("*") if file.is_file()}
    added = {file for file in there if ".egg-info/" in file}
    assert there - added - tracked == {"PKG-INFO", "exporter/REVISION"}
    assert {file for file in tracked - there if not file.startswith(".")} == set()


def test_the_source_distribution_has_no_links(built: tuple[Path, Path]) -> None:
    """The built-in configuration is a link in a checkout; some file systems have none."""
    with tarfile.open(built[0]) as archive:
        assert {member.type for member in archive} == {tarfile.REGTYPE, tarfile.DIRTYPE}


def test_the_tests_run_in_the_source_distribution(unpacked: Path, tmp_path: Path) -> None:
    """On its own package, not on an installed one."""
    tests = ["tests/test_source.py", "tests/test_units.py"]
    options = ["-q", "-k", "not every_command and not fetch", "-p", "no:cacheprovider"]
    # Coverage would look for the source of this package when the folder is gone.
    uncovered = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
    own = {"PYTHONPATH": str(unpacked), "HYPOTHESIS_STORAGE_DIRECTORY": f"{tmp_path}/examples"}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--basetemp={tmp_path}/base", *tests],
        cwd=unpacked, env={**uncovered, **NO_BYTECODE, **own},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_wheel_has_the_built_in_configuration(wheel: zipfile.ZipFile) -> None:
    assert wheel.read("exporter/config/default.yaml") == (ROOT / "config.yaml").read_bytes()


def test_the_wheel_says_that_it_is_typed(wheel: zipfile.ZipFile) -> None:
    assert "exporter/py.typed" in wheel.namelist()


def shared() -> dict[str, Path]:
    """Each file below share/docspace-exporter, and the one of the repository that it is."""
    found = {"config.yaml": ROOT / "config.yaml"}
    for place, folder, pattern in (
        ("grafana", "grafana", "*.json"),
        ("prometheus", "prometheus", "*.yml"),
        ("prometheus/kubernetes", "prometheus/kubernetes", "*.yaml"),
        ("prometheus/rules", "prometheus/rules", "*.yml"),
        ("systemd", "deploy/systemd", "*"),
    ):
        found |= {f"{place}/{file.name}": file for file in (ROOT / folder).glob(pattern)}
    return found


def test_links_of_the_description_lead_from_anywhere(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    targets = re.findall(r"\]\(([^)\s]+)", wheel.read(metadata).decode())
    assert len(targets) > 10
    assert [each for each in targets if not each.startswith(("https://", "http://", "#"))] == []


def test_rules_dashboards_and_units_are_installed_below_share(wheel: zipfile.ZipFile) -> None:
    installed = {
        name.removeprefix(f"{DATA}/"): wheel.read(name)
        for name in wheel.namelist()
        if name.startswith(DATA)
    }
    assert installed == {name: file.read_bytes() for name, file in shared().items()}


def test_the_rules_that_the_installed_example_names_are_beside_it() -> None:
    files = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())["rule_files"]
    assert {f"prometheus/{name}" for name in files} <= set(shared())


def test_no_file_of_a_wheel_is_kept_from_other_users(wheel: zipfile.ZipFile) -> None:
    """A person with a strict umask built it, and root installs it for all."""
    modes = {info.external_attr >> 16 & 0o777 for info in wheel.infolist()}
    assert modes <= {0o644, 0o664}


def test_an_old_python_gets_the_version_that_is_needed() -> None:
    """setup.py runs before an old pip looks at dependencies; here a version is pretended."""
    script = "import sys; sys.version_info = (3, 9, 18); exec(open('setup.py').read())"
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "docspace-exporter needs Python 3.11 or newer, and this is Python 3.9. " in ran.stderr
    assert "python3.11 -m venv docspace" in ran.stderr
