"""`docspace-exporter textfile`, as a process: the content of the file, and how it is written."""

import errno
import os
import pwd
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from support.demo import Demo
from support.process import Process, run

from exporter.commands.hints import write_hint


def textfile(folder: Path, config: str, output: Path | str, *flags: str) -> "CompletedProcess[str]":
    """Run it on a configuration."""
    file = folder / "config.yaml"
    file.write_text(config, encoding="utf-8")
    return run("textfile", f"--config.file={file}", f"--output={output}", *flags, cwd=folder)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A path in an empty folder."""
    folder = tmp_path / "textfile"
    folder.mkdir()
    return folder / "docspace.prom"


def until(seen: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until the function returns true."""
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(0.02)


# What is in the file.


def test_it_holds_every_portal_and_promtool_has_no_complaint(
    demo: Demo, tmp_path: Path, output: Path, promtool: Path
) -> None:
    result = textfile(tmp_path, demo.config(), output)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    content = output.read_text()
    for name in demo.portals:
        assert f'docspace_up{{portal="{name}"}} 1.0' in content
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=content, text=True, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_it_holds_only_metrics_of_the_portals(demo: Demo, tmp_path: Path, output: Path) -> None:
    """node_exporter has process metrics itself, and refuses a family that it has already."""
    textfile(tmp_path, demo.config(), output)
    samples = [line for line in output.read_text().splitlines() if not line.startswith("#")]
    assert all(line.startswith("docspace_") and "{" in line for line in samples)


def test_it_holds_no_timestamps(demo: Demo, tmp_path: Path, output: Path) -> None:
    """node_exporter refuses a file with any."""
    textfile(tmp_path, demo.config("initech"), output)
    for line in output.read_text().splitlines():
        if not line.startswith("#"):
            assert len(line.rpartition("}")[2].split()) == 1


def test_a_portal_that_fails_is_0_in_the_file_and_named_in_the_log(
    demo: Demo, tmp_path: Path, output: Path
) -> None:
    demo.portals["globex"].portal.condition = "unpaid"
    result = textfile(tmp_path, demo.config(), output)
    assert result.returncode == 0
    assert 'docspace_up{portal="globex"} 0.0' in output.read_text()
    assert 'docspace_up{portal="acme"} 1.0' in output.read_text()
    assert "payment_required" in result.stderr


def test_no_key_is_in_the_file_or_the_log(demo: Demo, tmp_path: Path, output: Path) -> None:
    result = textfile(tmp_path, demo.config(), output, "--log.level=debug")
    for portal in demo.portals.values():
        assert portal.exporter_key not in output.read_text() + result.stderr


# How it gets there.


def test_a_new_file_can_be_read_by_everybody(demo: Demo, tmp_path: Path, output: Path) -> None:
    """With any umask, because node_exporter runs as another user."""
    before = os.umask(0o077)
    try:
        textfile(tmp_path, demo.config("initech"), output)
    finally:
        os.umask(before)
    assert stat.S_IMODE(output.stat().st_mode) == 0o644


def test_a_file_that_is_there_keeps_its_mode(demo: Demo, tmp_path: Path, output: Path) -> None:
    output.touch()
    output.chmod(0o640)
    textfile(tmp_path, demo.config("initech"), output)
    assert stat.S_IMODE(output.stat().st_mode) == 0o640
    assert "docspace_up" in output.read_text()


def test_the_file_is_replaced_and_not_rewritten(demo: Demo, tmp_path: Path, output: Path) -> None:
    """A reader that has opened it keeps reading the old one."""
    output.write_text("old")
    with output.open() as reader:
        textfile(tmp_path, demo.config("initech"), output)
        assert reader.read() == "old"


def test_nothing_else_is_left_in_the_folder(demo: Demo, tmp_path: Path, output: Path) -> None:
    textfile(tmp_path, demo.config("initech"), output)
    assert list(output.parent.iterdir()) == [output]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    demo: Demo, tmp_path: Path, output: Path
) -> None:
    """No file may grow past a byte here, as on a full disk."""
    output.write_text("old")
    file = tmp_path / "config.yaml"
    file.write_text(demo.config("initech"), encoding="utf-8")
    command = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))\n"
        "from exporter.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    arguments = ["textfile", f"--config.file={file}", f"--output={output}"]
    done = subprocess.run(
        [sys.executable, "-B", "-c", command, *arguments],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if "COVERAGE" not in name},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert 'error="File too large"' in done.stderr
    assert output.read_text() == "old"
    assert list(output.parent.iterdir()) == [output]


# Outputs that cannot be.


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("docspace.txt", "expected a file such as docspace.prom"),
        ("no-folder/docspace.prom", "no-folder: No such file or directory; expected a folder"),
        ("config.yaml/docspace.prom", "config.yaml: expected a folder"),
        ("folder.prom", "folder.prom: expected a file"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_any_request(
    demo: Demo, tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "folder.prom").mkdir()
    result = textfile(tmp_path, demo.config("acme"), tmp_path / name)
    assert result.returncode == 2
    assert "--output: " in result.stderr
    assert message in result.stderr
    assert not demo.portals["acme"].portal.requests


def test_an_output_must_be_given(demo: Demo, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(demo.config(), encoding="utf-8")
    result = run("textfile", f"--config.file={file}", cwd=tmp_path)
    assert result.returncode == 2
    assert "--output: expected a file" in result.stderr


def test_an_interval_of_nothing_is_refused(demo: Demo, tmp_path: Path, output: Path) -> None:
    assert textfile(tmp_path, demo.config(), output, "--interval=0s").returncode == 2


# At an interval.


def looping(folder: Path, config: str, output: Path, *flags: str) -> Process:
    """Run it at an interval."""
    file = folder / "config.yaml"
    file.write_text(config, encoding="utf-8")
    command = [
        sys.executable, "-m", "exporter", "textfile", f"--config.file={file}",
        f"--output={output}", *flags,
    ]  # fmt: skip
    return Process(command, folder, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_writes_at_each_interval_until_a_signal(
    demo: Demo, tmp_path: Path, output: Path, number: signal.Signals
) -> None:
    portal = demo.portals["initech"].portal
    process = looping(tmp_path, demo.config("initech"), output, "--interval=200ms")
    until(output.exists)
    portal.condition = "broken"
    until(lambda: 'docspace_up{portal="initech"} 0.0' in output.read_text())
    portal.condition = "ok"
    until(lambda: 'docspace_up{portal="initech"} 1.0' in output.read_text())
    assert process.stop(number) == 128 + number
    assert list(output.parent.iterdir()) == [output]


def test_a_signal_ends_a_long_pause_at_once(demo: Demo, tmp_path: Path, output: Path) -> None:
    process = looping(tmp_path, demo.config("initech"), output, "--interval=1h")
    until(output.exists)
    assert process.stop() == 143


def test_a_signal_does_not_wait_for_a_portal(demo: Demo, tmp_path: Path, output: Path) -> None:
    portal = demo.portals["initech"].portal
    portal.delay = 30.0
    process = looping(tmp_path, demo.config("initech"), output, "--interval=1h")
    until(lambda: bool(portal.requests))
    assert process.stop() == 143
    assert not output.exists()


def test_a_write_that_fails_is_tried_again(demo: Demo, tmp_path: Path, output: Path) -> None:
    process = looping(tmp_path, demo.config("initech"), output, "--interval=200ms")
    until(output.exists)
    output.parent.rename(tmp_path / "away")
    process.wait_for('level=error msg="cannot write"')
    output.parent.mkdir()
    until(output.exists)
    assert process.stop() == 143


def test_a_folder_that_must_not_be_written_says_who_must_be_allowed_to(
    demo: Demo, tmp_path: Path, output: Path
) -> None:
    (tmp_path / "config.yaml").write_text(demo.config("initech"))
    # root may write everywhere, unless it lacks the capability.
    bounded = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    output.parent.chmod(0o555)
    ended = subprocess.run(
        [*bounded, sys.executable, "-m", "exporter", "textfile", f"--output={output}"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    output.parent.chmod(0o755)
    assert ended.returncode == 1
    user = pwd.getpwuid(os.geteuid()).pw_name
    advice = f"allow the user {user} to write into the folder {output.parent}"
    assert f'error="Permission denied" hint="{advice}; ' in ended.stderr


def test_a_read_only_file_system_has_a_hint() -> None:
    hint = write_hint(OSError(errno.EROFS, "read-only"), Path("/var/lib/node_exporter"))
    assert "ReadWritePaths=/var/lib/node_exporter" in hint


def test_a_full_disk_speaks_for_itself() -> None:
    assert write_hint(OSError(errno.ENOSPC, "full"), Path("/var")) == ""


def test_sighup_reloads_and_does_not_end_it(tmp_path: Path, demo: Demo) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(demo.config("acme"))
    output = tmp_path / "docspace.prom"
    command = [
        sys.executable, "-m", "exporter", "textfile", f"--config.file={config}",
        f"--output={output}", "--interval=1h", "--log.level=debug",
    ]  # fmt: skip
    with Process(command, tmp_path, "msg=written") as process:
        config.write_text(demo.config("globex"))
        written = len(process.lines)
        process.send(signal.SIGHUP)
        process.wait_for("configuration reloaded", after=written)
        assert process.stop() == 143


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
)
@pytest.mark.parametrize("flags", [(), ("--interval=1h",)], ids=["once", "interval"])
def test_a_signal_ends_it_with_the_code_that_shells_give(
    demo: Demo, tmp_path: Path, output: Path, number: signal.Signals, code: int,
    flags: tuple[str, ...],
) -> None:  # fmt: skip
    portal = demo.portals["initech"].portal
    portal.delay = 30.0
    process = looping(tmp_path, demo.config("initech"), output, *flags)
    until(lambda: bool(portal.requests))
    assert process.stop(number) == code
    assert "Traceback" not in process.stderr


def test_a_storm_of_signals_does_not_stop_it(tmp_path: Path, demo: Demo) -> None:
    """A handler that sets an event can interrupt the wait for it, which then never ends."""
    output = tmp_path / "docspace.prom"
    process = looping(tmp_path, demo.config("acme"), output, "--interval=100ms")
    until(output.exists)
    for _ in range(300):
        process.send(signal.SIGHUP)
    written = output.stat().st_ino
    until(lambda: output.stat().st_ino != written)
    assert process.stop() == 143
