"""The units of ``deploy/systemd``, as systemd's own analysis sees them."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support import tools
from support.process import call, run

from exporter import flags
from exporter.config import load

UNITS = tools.ROOT / "deploy" / "systemd"
SERVICE = UNITS / "docspace-exporter.service"
SOCKET = UNITS / "docspace-exporter.socket"
SOCKET_ACTIVATION = UNITS / "socket-activation.conf"
PROGRAM = "/opt/docspace-exporter/bin/docspace-exporter"
MAX_EXPOSURE = 1.5

#: What systemd-analyze needs of its package's dependencies and a slim system does not have.
LIBRARIES = ("libsystemd-shared", "libapparmor1", "libip4tc2", "libkmod2")

Analyze = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def unpacked() -> dict[str, str]:
    """Variables with which a systemd-analyze that was only unpacked finds libraries and units."""
    if not tools.find("systemd-analyze", "systemd").is_relative_to(tools.TOOLS):
        return {"SYSTEMD_UNIT_PATH": ""}
    for package in LIBRARIES:
        if not (tools.TOOLS / package).exists():
            tools.unpack(package)
    folders = {
        str(file.parent)
        for package in ("systemd", *LIBRARIES)
        for file in (tools.TOOLS / package).rglob("*.so*")
    }
    (units,) = (tools.TOOLS / "systemd").rglob("systemd/system/sysinit.target")
    return {
        "LD_LIBRARY_PATH": ":".join(sorted(folders)),
        "SYSTEMD_UNIT_PATH": f"{units.parent}:",
    }


@pytest.fixture
def analyze(tmp_path: Path, unpacked: dict[str, str]) -> Analyze:
    """Runs systemd-analyze on units of ``tmp_path``, which go before the system's own."""
    program = tools.find("systemd-analyze", "systemd")
    env = {**os.environ, **unpacked}
    # The empty entry that is left at the end stands for the system's own folders.
    env["SYSTEMD_UNIT_PATH"] = f"{tmp_path}:{unpacked['SYSTEMD_UNIT_PATH']}"

    def started(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [program, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False
        )

    if started("--version").returncode:
        tools.missing("systemd-analyze")
    return started


def installed(folder: Path, *units: Path) -> None:
    """Copy units into a folder; ``true`` stands in for programs that are not installed here."""
    for unit in units:
        text = unit.read_text().replace(PROGRAM, "/bin/true").replace("=kill ", "=/bin/true ")
        (folder / unit.name).write_text(text)


def settings(unit: Path, name: str) -> list[str]:
    """The values of a setting, in the order of the file."""
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


def test_verify_has_nothing_to_say_of_the_service(analyze: Analyze, tmp_path: Path) -> None:
    installed(tmp_path, SERVICE)
    done = analyze("verify", SERVICE.name)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_verify_has_nothing_to_say_of_socket_activation(analyze: Analyze, tmp_path: Path) -> None:
    installed(tmp_path, SERVICE, SOCKET)
    drop_ins = tmp_path / f"{SERVICE.name}.d"
    drop_ins.mkdir()
    installed(drop_ins, SOCKET_ACTIVATION)
    done = analyze("verify", SERVICE.name, SOCKET.name)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_verify_sees_the_drop_in(analyze: Analyze, tmp_path: Path) -> None:
    """So that the test above cannot pass by overlooking it."""
    installed(tmp_path, SERVICE)
    drop_ins = tmp_path / f"{SERVICE.name}.d"
    drop_ins.mkdir()
    (drop_ins / SOCKET_ACTIVATION.name).write_text("[Service]\nNoSuchSetting=1\n")
    assert "NoSuchSetting" in analyze("verify", SERVICE.name).stderr


def test_the_exposure_of_the_service_is_low(analyze: Analyze) -> None:
    done = analyze("security", "--offline=true", "--no-pager", str(SERVICE))
    score = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert score is not None, done.stderr
    assert float(score[1]) <= MAX_EXPOSURE


def test_the_command_of_the_service_is_one_the_exporter_takes(tmp_path: Path) -> None:
    (command,) = settings(SERVICE, "ExecStart")
    program, *arguments = command.split()
    assert program == PROGRAM
    assert arguments == ["--config.file=/etc/docspace-exporter/config.yaml"]
    arguments = [f"--config.file={UNITS / 'config.yaml'}", "--config.check"]
    (tmp_path / "docspace-api-key").write_text("sk-x\n")
    done = call(*arguments, cwd=tmp_path, env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")


def test_the_configuration_reads_the_key_that_the_service_loads() -> None:
    (credential,) = settings(SERVICE, "LoadCredential")
    name, _, source = credential.partition(":")
    assert source == f"/etc/docspace-exporter/{name}", "as check and keys find it by hand"
    (portal,) = load(UNITS / "config.yaml", {"CREDENTIALS_DIRECTORY": "/run/credentials/x"}).portals
    assert portal.api_key_file == Path("/run/credentials/x") / name


def test_a_configuration_that_cannot_be_used_is_not_tried_again(tmp_path: Path) -> None:
    (code,) = settings(SERVICE, "RestartPreventExitStatus")
    (tmp_path / "config.yaml").write_text("portals: 1\n")
    assert run("--config.file=config.yaml", cwd=tmp_path).returncode == int(code)


def test_socket_activation_sets_a_flag_of_the_exporter() -> None:
    (assignment,) = settings(SOCKET_ACTIVATION, "Environment")
    switches = [f"{flag.variable}=true" for flag in flags.SERVE if flag.parse is None]
    assert assignment in switches


def test_the_socket_listens_where_the_exporter_would() -> None:
    (flag,) = (flag for flag in flags.SERVE if flag.name == "--web.listen-address")
    assert settings(SOCKET, "ListenStream") == [flag.default.removeprefix(":")]


def test_the_documentation_names_every_file() -> None:
    text = (tools.ROOT / "docs" / "deployment.md").read_text()
    assert [file.name for file in UNITS.iterdir() if file.name not in text] == []
