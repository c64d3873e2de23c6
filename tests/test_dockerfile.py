"""The Dockerfile and compose.yaml without a build; `make image-test` builds and runs the image."""

import re
import subprocess
import sys
from pathlib import Path

import yaml
from support.certificates import Issued
from support.demo import Demo
from support.process import ExporterProcess
from support.tools import ROOT

TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
#: The Dockerfile without comments, continuation lines joined.
LINES = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", TEXT)).splitlines()


def arguments(name: str) -> list[str]:
    """The arguments of every instruction with this name."""
    return [line.partition(" ")[2] for line in LINES if line.startswith(f"{name} ")]


def commands() -> list[str]:
    """Every command of the RUN instructions."""
    return [part.strip() for rest in arguments("RUN") for part in rest.split("&&")]


def copied() -> set[str]:
    """The files and folders that the Dockerfile copies from the checkout."""
    sources = [rest.split()[:-1] for rest in arguments("COPY") if not rest.startswith("--from")]
    return {name for names in sources for name in names}


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_every_package_comes_by_hash_or_is_the_projects_own() -> None:
    installs = [each for each in commands() if re.search(r"\bpip\b.* (install|wheel)", each)]
    assert installs
    for install in installs:
        own = "--no-build-isolation" in install or "--no-index" in install
        assert "--require-hashes" in install or (own and "--no-deps" in install)


def test_the_build_tool_is_cut_from_the_lock_with_its_hashes(tmp_path: Path) -> None:
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
    # Of these folders, only the files for share/.
    partly = {"deploy", "grafana", "prometheus"}
    assert {rule for rule in taken if "/" not in rule} | partly == copied()
    assert {rule.partition("/")[0] for rule in taken if "/" in rule} == partly


def health_check(text: str, port: str) -> bool:
    """Whether the health check in a Compose file passes on this machine, with another port."""
    (_, python, *command) = yaml.safe_load(text)["services"]["exporter"]["healthcheck"]["test"]
    assert python == "python"
    here = [sys.executable, *(part.replace("10180", port) for part in command)]
    return subprocess.run(here, capture_output=True, check=False).returncode == 0


def test_the_health_check_of_compose_asks_the_exporter(demo: Demo, tmp_path: Path) -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    with ExporterProcess(tmp_path, demo.config()) as exporter:
        port = exporter.url.rpartition(":")[2]
        assert health_check(text, port)
    assert not health_check(text, port)


def test_the_documented_health_check_needs_no_certificate_and_no_password(
    demo: Demo, tmp_path: Path, served: Issued
) -> None:
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"(?ms)^```yaml\n(services:\n.*?)^```", page)
    web = tmp_path / "web.yaml"
    web.write_text(
        f"tls_server_config: {{cert_file: {served.cert_file}, key_file: {served.key_file}}}\n"
        "basic_auth_users: {alice: $2y$04$5oLlVLCPAmyFLQLnsSx0Ye4e0z5PZ2lKqQ1D0fUSb7LHcwJ5k7pTe}\n",
        encoding="utf-8",
    )
    with ExporterProcess(tmp_path, demo.config(), f"--web.config.file={web}") as exporter:
        port = exporter.url.rpartition(":")[2]
        assert health_check(text, port)
    assert not health_check(text, port)
