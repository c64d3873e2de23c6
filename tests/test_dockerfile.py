"""Facts of the Dockerfile that need no build; `make image-test` builds and runs it."""

import json
import re
import subprocess
import sys
from pathlib import Path

from support.demo import Demo
from support.process import ExporterProcess
from support.tools import ROOT

TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
#: The Dockerfile without comments, continuation lines joined.
LINES = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", TEXT)).splitlines()


def arguments(name: str) -> list[str]:
    """What follows every instruction of a name."""
    return [line.partition(" ")[2] for line in LINES if line.startswith(f"{name} ")]


def commands() -> list[str]:
    """Every command of the RUN instructions."""
    return [part.strip() for rest in arguments("RUN") for part in rest.split("&&")]


def copied() -> set[str]:
    """What the Dockerfile takes from the checkout."""
    sources = [rest.split()[:-1] for rest in arguments("COPY") if not rest.startswith("--from")]
    return {name for names in sources for name in names}


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_every_stage_has_the_same_base_which_an_argument_names() -> None:
    """The environment is made in one and runs in the other, so their Python must be one."""
    assert {rest.split()[0] for rest in arguments("FROM")} == {"${BASE}"}
    assert arguments("ARG")[0].startswith("BASE=")


def test_every_package_comes_by_hash_or_is_the_projects_own() -> None:
    installs = [each for each in commands() if re.search(r"\bpip\b.* (install|wheel)", each)]
    assert len(installs) == 4
    for install in installs:
        own = "--no-build-isolation" in install or "--no-index" in install
        assert "--require-hashes" in install or (own and "--no-deps" in install)


def test_what_builds_the_package_is_cut_from_the_lock_with_its_hashes(tmp_path: Path) -> None:
    (cut,) = (command for command in commands() if command.startswith("sed "))
    subprocess.run(
        ["sh", "-c", cut.replace("build.lock", str(tmp_path / "build.lock"))], cwd=ROOT, check=True
    )
    lines = (tmp_path / "build.lock").read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(r"setuptools==[\d.]+ \\", lines[0])
    hashes = [line for line in lines[1:] if line.lstrip().startswith("--hash=sha256:")]
    assert hashes
    assert len(lines) == 1 + len(hashes) + 1


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    taken = {rule[1:] for rule in rules if rule.startswith("!")}
    assert rules[1] == "*"
    # Of these folders only what is installed below share.
    partly = {"deploy", "grafana", "prometheus"}
    assert {rule for rule in taken if "/" not in rule} | partly == copied()
    assert {rule.partition("/")[0] for rule in taken if "/" in rule} == partly


def test_the_health_check_separates_a_running_exporter_from_none(
    demo: Demo, tmp_path: Path
) -> None:
    """Also where HTTP_PROXY names a proxy that could not know this host."""
    (check,) = arguments("HEALTHCHECK")
    _python, *command = json.loads(check.partition(" CMD ")[2])

    def healthy(port: str) -> bool:
        here = [sys.executable, *(part.replace("10180", port) for part in command)]
        env = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
        return subprocess.run(here, env=env, capture_output=True, check=False).returncode == 0

    with ExporterProcess(tmp_path, demo.config()) as exporter:
        port = exporter.url.rpartition(":")[2]
        assert healthy(port)
    assert not healthy(port)
