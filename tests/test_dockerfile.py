"""Facts of the Dockerfile that can be told without building it."""

import json
import re
import subprocess
import sys
from pathlib import Path

from support.demo import Demo
from support.process import ExporterProcess
from support.tools import ROOT

from exporter import flags

#: Instruction and the rest of its line, continuation lines joined.
Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    """The Dockerfile, without comments."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    logical = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in logical if line)]


def arguments(name: str) -> list[str]:
    """What follows every instruction of a name."""
    return [rest for instruction, rest in instructions() if instruction == name]


def commands() -> list[str]:
    """Every command of the RUN instructions."""
    return [part.strip() for rest in arguments("RUN") for part in rest.split("&&")]


def last_stage() -> list[Instruction]:
    """The instructions that make the image itself."""
    found = instructions()
    start = max(index for index, (name, _) in enumerate(found) if name == "FROM")
    return found[start:]


def health_check() -> list[str]:
    """The command of the health check."""
    (check,) = arguments("HEALTHCHECK")
    command: list[str] = json.loads(check.partition(" CMD ")[2])
    return command


def copied() -> set[str]:
    """What the Dockerfile takes from the checkout."""
    sources = [rest.split()[:-1] for rest in arguments("COPY") if not rest.startswith("--from")]
    return {name for names in sources for name in names}


def test_every_stage_has_the_same_base_pinned_to_a_minor_version() -> None:
    """The environment is made in one and runs in the other, so their Python must be one."""
    (base,) = {rest.split()[0] for rest in arguments("FROM")}
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", base)


def test_every_package_comes_by_hash_or_is_our_own() -> None:
    installs = [
        command for command in commands() if re.search(r"\bpip\b.* (install|wheel)", command)
    ]
    assert len(installs) == 4
    for install in installs:
        own = "--no-deps" in install and (
            "--no-build-isolation" in install or "--no-index" in install
        )
        assert own or "--require-hashes" in install


def test_what_builds_the_package_is_cut_from_the_lock_with_its_hashes(tmp_path: Path) -> None:
    (cut,) = (command for command in commands() if command.startswith("sed "))
    subprocess.run(
        ["sh", "-c", cut.replace("build.lock", str(tmp_path / "build.lock"))], cwd=ROOT, check=True
    )
    lines = (tmp_path / "build.lock").read_text().splitlines()
    assert re.fullmatch(r"setuptools==[\d.]+ \\", lines[0])
    hashes = [line for line in lines[1:] if line.lstrip().startswith("--hash=sha256:")]
    assert hashes
    assert len(lines) == 1 + len(hashes) + 1


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    (user,) = (rest for name, rest in last_stage() if name == "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


def test_nothing_is_installed_as_root_after_the_user_is_set() -> None:
    names = [name for name, _ in last_stage()]
    assert {"RUN", "COPY"}.isdisjoint(names[names.index("USER") :])


def test_no_variable_or_argument_holds_a_secret() -> None:
    text = " ".join(arguments("ENV") + arguments("ARG"))
    names = re.findall(r"(\w+)(?==| |$)", text)
    assert "REVISION" in names
    assert not re.search(r"API_KEY|SECRET|TOKEN|PASSWORD|sk-", text)


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied()


def test_everything_it_copies_is_in_the_checkout() -> None:
    assert [name for name in copied() if not (ROOT / name).exists()] == []


def test_the_revision_is_written_where_the_exporter_looks_for_it() -> None:
    assert 'echo "$REVISION" > exporter/REVISION' in commands()
    assert "exporter/REVISION" in (ROOT / ".dockerignore").read_text().splitlines()


def test_the_image_finds_its_configuration() -> None:
    (variable,) = re.findall(rf"{flags.CONFIG_FILE.variable}=(\S+)", " ".join(arguments("ENV")))
    assert "config.yaml /etc/docspace-exporter/" in arguments("COPY")
    assert variable == "/etc/docspace-exporter/config.yaml"


def test_it_starts_the_exporter_and_takes_another_command() -> None:
    assert [json.loads(rest) for rest in arguments("ENTRYPOINT")] == [["docspace-exporter"]]
    assert [json.loads(rest) for rest in arguments("CMD")] == [["serve"]]


def test_the_port_is_the_exporters_own() -> None:
    (flag,) = (flag for flag in flags.SERVE if flag.name == "--web.listen-address")
    assert [f":{port}" for port in arguments("EXPOSE")] == [flag.default]
    assert f"'localhost', {flag.default[1:]}," in health_check()[-1]


def test_the_health_check_tells_a_running_exporter_from_none(demo: Demo, tmp_path: Path) -> None:
    """Also where HTTP_PROXY names a proxy that could not know this host."""
    python, option, code = health_check()
    assert (python, option) == ("python", "-c")

    def healthy(port: str) -> bool:
        check = [sys.executable, "-c", code.replace("10180", port)]
        env = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
        return subprocess.run(check, env=env, capture_output=True, check=False).returncode == 0

    with ExporterProcess(tmp_path, demo.config()) as exporter:
        port = exporter.url.rpartition(":")[2]
        assert healthy(port)
    assert not healthy(port)
