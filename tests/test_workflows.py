"""The GitHub workflows: pinned, least privileged, bounded. `make workflows` checks far more."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

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
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    checked = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def _text(name: str) -> str:
    return WORKFLOWS[name].read_text(encoding="utf-8")


def _parsed(name: str) -> dict[Any, Any]:
    parsed = yaml.safe_load(_text(name))
    assert isinstance(parsed, dict)
    return parsed


@every_workflow
def test_every_action_is_pinned_by_commit_and_names_its_version(name: str) -> None:
    used = [line for line in _text(name).splitlines() if re.search(r"\buses:", line)]
    assert [line for line in used if not USES.search(line)] == []


def test_an_action_has_one_version_in_all_workflows() -> None:
    pinned: dict[str, set[tuple[str, str]]] = {}
    for name in WORKFLOWS:
        for action, commit, version in USES.findall(_text(name)):
            pinned.setdefault(action, set()).add((commit, version))
    assert {action: pins for action, pins in pinned.items() if len(pins) > 1} == {}


@every_workflow
def test_nothing_is_permitted_but_what_a_job_asks_for(name: str) -> None:
    assert _parsed(name)["permissions"] == {}
    assert all("permissions" in job for job in _parsed(name)["jobs"].values())


@every_workflow
def test_every_job_ends(name: str) -> None:
    assert all(job["timeout-minutes"] <= 60 for job in _parsed(name)["jobs"].values())


@every_workflow
def test_a_newer_run_replaces_or_awaits_an_older_one(name: str) -> None:
    assert "${{ github.ref }}" in _parsed(name)["concurrency"]["group"]


@every_workflow
def test_no_checkout_leaves_credentials_behind(name: str) -> None:
    for job in _parsed(name)["jobs"].values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


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
