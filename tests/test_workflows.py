"""The GitHub workflows: pinned, least privileged, bounded; and the shell of a release."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = {path.name: path for path in sorted(ROOT.glob(".github/workflows/*"))}
USES = re.compile(r"uses: (\S+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)")

every_workflow = pytest.mark.parametrize("name", WORKFLOWS)


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("github-workflows", "workflows/*.yml"),
        ("dependabot", "dependabot.yml"),
        ("github-issue-config", "ISSUE_TEMPLATE/config.yml"),
        ("github-issue-forms", "ISSUE_TEMPLATE/[!c]*.yml"),
    ],
)
def test_github_takes_the_files(schema: str, pattern: str) -> None:
    """By the schemas that come with check-jsonschema."""
    files = sorted(ROOT.joinpath(".github").glob(pattern))
    assert files
    arguments = ["--builtin-schema", f"vendor.{schema}", *map(str, files)]
    checked = CliRunner().invoke(check_jsonschema, arguments)
    assert checked.exit_code == 0, checked.output


def _text(name: str) -> str:
    return WORKFLOWS[name].read_text(encoding="utf-8")


def _parsed(name: str) -> dict[Any, Any]:
    parsed = yaml.safe_load(_text(name))
    assert isinstance(parsed, dict)
    return parsed


def test_zizmor_finds_nothing() -> None:
    """No action without a commit, no permission or credential too many, no run without a limit."""
    zizmor = Path(sys.executable).with_name("zizmor")
    command = [zizmor, "--offline", "--quiet", "--persona=pedantic", ROOT / ".github"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_an_action_has_one_version_in_all_workflows() -> None:
    pinned: dict[str, set[tuple[str, str]]] = {}
    for name in WORKFLOWS:
        for action, commit, version in USES.findall(_text(name)):
            pinned.setdefault(action, set()).add((commit, version))
    assert {action: pins for action, pins in pinned.items() if len(pins) > 1} == {}


@every_workflow
def test_every_job_ends(name: str) -> None:
    assert all(job["timeout-minutes"] <= 60 for job in _parsed(name)["jobs"].values())


@every_workflow
def test_only_the_release_may_write_to_the_repository(name: str) -> None:
    writes = {
        scope
        for job in _parsed(name)["jobs"].values()
        for scope, access in job["permissions"].items()
        if access == "write"
    }
    allowed = {
        "release.yml": {"contents", "packages", "id-token", "attestations"},
        "site.yml": {"pages", "id-token"},
    }
    assert writes == allowed.get(name, set())


@every_workflow
def test_every_make_target_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", ROOT.joinpath("Makefile").read_text(), re.M))
    assert set(re.findall(r"run: make ([a-z-]+)", _text(name))) <= targets


def test_tests_run_on_every_python_that_the_package_names() -> None:
    versions = _parsed("test.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    named = re.findall(r"Python :: (3\.\d+)$", ROOT.joinpath("setup.cfg").read_text(), re.M)
    assert set(named) <= set(versions)
    assert versions[0] == "3.11"


# The shell of a release


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What the first steps of a release read: version 2.1.0, released on a day."""
    tmp_path.joinpath("exporter").mkdir()
    tmp_path.joinpath("exporter", "__init__.py").touch()
    tmp_path.joinpath("exporter", "version.py").write_text('VERSION = "2.1.0"\n')
    tmp_path.joinpath("CHANGELOG.md").write_text(
        "# Changelog\n\n## 2.1.0, 2027-01-31\n\n- New.\n\n## 2.0.0, 2026-12-24\n\n- Old.\n"
    )
    return tmp_path


def _ran(
    job: str, step: str, tree: Path, tag: str, **env: str
) -> "subprocess.CompletedProcess[str]":
    """A step of the release, as the runner starts it."""
    steps = {each.get("name"): each for each in _parsed("release.yml")["jobs"][job]["steps"]}
    bin_folder = tree / "bin"
    bin_folder.mkdir(exist_ok=True)
    bin_folder.joinpath("python").unlink(missing_ok=True)
    bin_folder.joinpath("python").symlink_to(sys.executable)
    bash = [str(shutil.which("bash")), "--noprofile", "--norc", "-eo", "pipefail", "-c"]
    return subprocess.run(
        [*bash, steps[step]["run"]],
        cwd=tree,
        env={
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "GITHUB_REF_NAME": tag,
            "GITHUB_SHA": "0123456789abcdef",
            "GITHUB_OUTPUT": str(tree / "output"),
            "IMAGE": "example.org/image",
            **env,
        },
        capture_output=True,
        text=True,
        check=False,
    )


VERSION_STEP = "Compare the tag with the code and the changelog"


@pytest.mark.parametrize(("tag", "code"), [("v2.1.0", 0), ("v2.0.0", 1), ("2.1.0", 1)])
def test_a_release_is_of_the_version_in_the_code(tree: Path, tag: str, code: int) -> None:
    assert _ran("packages", VERSION_STEP, tree, tag).returncode == code


@pytest.mark.parametrize(
    "title", ["## 2.1.0, unreleased", "## 2.1.00, 2027-01-31", "## 2x1.0, 2027-01-31"]
)
def test_a_release_is_in_the_changelog_with_its_date(tree: Path, title: str) -> None:
    tree.joinpath("CHANGELOG.md").write_text(f"# Changelog\n\n{title}\n")
    assert _ran("packages", VERSION_STEP, tree, "v2.1.0").returncode == 1


def test_the_notes_are_those_of_the_version(tree: Path) -> None:
    _ran("packages", "Notes of this release", tree, "v2.1.0")
    assert tree.joinpath("notes.md").read_text().strip() == "- New."


@pytest.mark.parametrize(
    ("tag", "others", "tags"),
    [
        ("v1.0.0", [], ["1.0.0", "1.0", "latest"]),
        ("v1.3.0", ["v1.2.8", "v1.2.10"], ["1.3.0", "1.3", "latest"]),
        ("v1.10.0", ["v1.9.0"], ["1.10.0", "1.10", "latest"]),
        ("v1.2.9", ["v1.2.8", "v1.3.0"], ["1.2.9", "1.2"]),
        ("v1.2.9", ["v1.2.10", "v1.3.0"], ["1.2.9"]),
        ("v1.2.9", ["v1.20.0"], ["1.2.9", "1.2"]),
        ("v1.2.9", ["v1.3.0rc1"], ["1.2.9", "1.2", "latest"]),
        ("v2.1.0rc1", [], ["2.1.0rc1"]),
        ("v2.1.0rc1", ["v2.0.0"], ["2.1.0rc1"]),
    ],
)
def test_only_the_highest_version_moves_the_tags_that_move(
    tree: Path, tag: str, others: list[str], tags: list[str]
) -> None:
    """Of its minor version, and ``latest`` of all. Release candidates move and stop nothing."""
    assert _tagged(tree, tag, *others) == tags


@pytest.mark.parametrize(
    ("tag", "other", "flags"),
    [
        ("v1.2.9", "v1.2.8", set()),
        ("v1.2.9", "v1.3.0", {"--latest=false"}),
        ("v1.3.0rc1", "v1.2.9", {"--latest=false", "--prerelease"}),
    ],
)
def test_the_release_on_github_is_the_latest_where_the_image_is(
    tree: Path, tag: str, other: str, flags: set[str]
) -> None:
    """GitHub takes a release without flags for the latest one."""
    _tagged(tree, tag, other)
    output = tree.joinpath("output").read_text().splitlines()
    newest = "true" if "newest=true" in output else ""
    gh = tree / "bin" / "gh"
    gh.write_text('#!/bin/sh\necho "$@"\n')
    gh.chmod(0o755)
    ran = _ran("github", "Create the release", tree, tag, NEWEST=newest, GITHUB_REPOSITORY="a/b")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert {"--latest=false", "--prerelease"} & set(ran.stdout.split()) == flags


def _tagged(tree: Path, *tags: str) -> list[str]:
    """The tags of the image that the release of the first of these tags moves."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "--quiet"], ["commit", "--quiet", "--allow-empty", "--message=a"]):
        subprocess.run([*git, *command], cwd=tree, check=True)
    for tag in tags:
        subprocess.run([*git, "tag", tag], cwd=tree, check=True)
    ran = _ran("image", "Tags and revision", tree, tags[0])
    assert (ran.returncode, ran.stderr) == (0, "")
    output = tree.joinpath("output").read_text()
    return re.findall(r"^example\.org/image:(.*)$", output, re.M)
