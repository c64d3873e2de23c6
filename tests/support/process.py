"""The exporter as its users run it: a process, started and ended by the test."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from types import TracebackType
from typing import Self
from unittest.mock import patch

from exporter.cli import main

#: Seconds after which what has not come counts as hanging; a busy machine may take some.
PATIENCE = 60.0


class Process:
    """A process, and the lines that it writes to stderr.

    ``ready`` is a pattern: the process has started when a line of stderr matches it. ``env`` is
    added to the environment, without variables for proxies: its servers are on loopback.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        cwd: Path,
        ready: str,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.lines: list[str] = []
        self._ready = re.compile(ready)
        self._process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env={**_without_proxies(), **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=pass_fds,
        )
        self.out = ""
        self._readers = [
            threading.Thread(target=self._read_errors, daemon=True),
            threading.Thread(target=self._read_out, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        self.wait_for(self._ready.pattern)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self.stop()

    @property
    def stderr(self) -> str:
        """All lines of stderr so far."""
        return "\n".join(self.lines)

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def wait_for(self, pattern: str, seconds: float = PATIENCE, after: int = 0) -> re.Match[str]:
        """The first match of a pattern in the lines of stderr, from line ``after`` on.

        AssertionError if no line matches within ``seconds``, or before the process ends.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in self.lines[after:]:
                match = re.search(pattern, line)
                if match:
                    return match
            if self._process.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError(f"no line matches {pattern!r} in:\n{self.stderr}")

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = PATIENCE) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        self._process.send_signal(number)
        return self.wait(seconds)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Wait for the end, and return the exit code."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        for reader in self._readers:
            reader.join(PATIENCE)
        return code

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                self.lines.append(line.rstrip("\n"))

    def _read_out(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            self.out = stream.read()


def _without_proxies() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }


def serving(*flags: str) -> list[str]:
    """The command that serves on a free port."""
    return [sys.executable, "-m", "exporter", "--web.listen-address=127.0.0.1:0", *flags]


class ExporterProcess(Process):
    """``docspace-exporter serve`` on a free port."""

    def __init__(
        self,
        folder: Path,
        config: str,
        *flags: str,
        env: Mapping[str, str] | None = None,
        address: str = "127.0.0.1:0",
    ) -> None:
        file = folder / "config.yaml"
        file.write_text(config, encoding="utf-8")
        command = [
            sys.executable, "-m", "exporter",
            f"--config.file={file}", f"--web.listen-address={address}", *flags,
        ]  # fmt: skip
        super().__init__(command, folder, r"docspace-exporter is ready", env)

    @property
    def url(self) -> str:
        """Its URL."""
        listening = self.wait_for(r"msg=listening address=(\S+)|\"address\": \"([^\"]+)\"")
        return f"http://{listening[1] or listening[2]}"

    def get(self, path: str = "/metrics", headers: Mapping[str, str] | None = None) -> str:
        """The body of the answer. Raises HTTPError for any status but 200."""
        request = urllib.request.Request(self.url + path, headers=dict(headers or {}))
        with urllib.request.urlopen(request, timeout=120) as answer:
            body: bytes = answer.read()
        return body.decode()


def call(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None
) -> CompletedProcess[str]:
    """Run a command in this process, and return its exit code and what it wrote.

    It takes a tenth of the time that `run` takes. `run` is for what belongs to a process: signals,
    the state of its streams, commands that serve, and portals that hang.
    """
    output, errors = io.BytesIO(), io.BytesIO()
    with (
        contextlib.chdir(cwd),
        patch.dict(os.environ, env or {}),
        io.TextIOWrapper(output, "utf-8", write_through=True) as stdout,
        io.TextIOWrapper(errors, "utf-8", write_through=True) as stderr,
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        try:
            code = main([str(part) for part in arguments])
        except SystemExit as exc:
            if not isinstance(exc.code, int):
                raise
            code = exc.code
        out, err = _text(output), _text(errors)
    return CompletedProcess(arguments, code, out, err)


def _text(written: io.BytesIO) -> str:
    """The text with each line end as a newline, as subprocess returns it."""
    return written.getvalue().decode().replace("\r\n", "\n").replace("\r", "\n")


def run(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None
) -> CompletedProcess[str]:
    """Run a command in a process of its own, and return its exit code and what it wrote."""
    return subprocess.run(
        [sys.executable, "-m", "exporter", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
