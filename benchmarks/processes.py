"""Processes of a benchmark, what they have used so far, and a client that asks as Prometheus."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

from benchmarks.portal import SECRET

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
#: What Prometheus sends by default.
PROMETHEUS = {
    "Accept": "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3",
    "Accept-Encoding": "gzip",
    "X-Prometheus-Scrape-Timeout-Seconds": "60",
}
#: The exporter listens on its port as soon as it has this in its log.
_LISTENING = re.compile(r"listening .*address=(\S+)|address=(\S+).* listening")


class Client:
    """A connection that is kept."""

    def __init__(self, port: int, path: str, headers: dict[str, str]) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=120)
        self._path = path
        self._headers = headers

    def __call__(self) -> bytes:
        """One answer. Raises AssertionError where it is no 200."""
        try:
            response = self._exchange()
        except ConnectionError:  # closed while it was idle: as Prometheus does, once more
            response = self._exchange()
        body = response.read()
        assert response.status == 200, (response.status, body[:200])
        return body

    def _exchange(self) -> HTTPResponse:
        self._connection.request("GET", self._path, headers=self._headers)
        return self._connection.getresponse()


class Process:
    """One that runs, with the port on which it answers."""

    def __init__(self, process: "subprocess.Popen[str]", ports: Sequence[int]) -> None:
        self._process = process
        self.ports = ports

    @property
    def cpu(self) -> float:
        """Seconds of CPU so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * _TICK

    @property
    def memory(self) -> float:
        """MiB resident."""
        return int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * _PAGE / 2**20

    def peak(self) -> float:
        """MiB resident at most since the last call."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")
        found = re.search(r"VmHWM:\s+(\d+)", status)
        assert found is not None
        return int(found[1]) / 1024


@contextlib.contextmanager
def portals(keys: int, count: int = 1, seconds: float = 0.0, *kind: str) -> Iterator[Process]:
    """So many portals with so many keys each, of the ``kind`` that `benchmarks.portal` names."""
    command = ["-m", "benchmarks.portal", str(count), str(keys), str(seconds), *kind]
    with _running(command, subprocess.PIPE) as (process, line):
        yield Process(process, [int(port) for port in line.split()])


@contextlib.contextmanager
def plain(portal: int) -> Iterator[Process]:
    """The exporter that a user would write."""
    command = ["-m", "benchmarks.plain", f"http://127.0.0.1:{portal}", SECRET]
    with _running(command, subprocess.PIPE) as (process, line):
        yield Process(process, [int(line)])


@contextlib.contextmanager
def exporter(portals: Sequence[int]) -> Iterator[Process]:
    """The exporter, as it is installed, for portals on these ports."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "exporter", f"--config.file={configuration(folder, portals)}",
                   "--web.listen-address=127.0.0.1:0", "--log.level=info"]  # fmt: skip
        with _running(command, None) as (process, line):
            assert process.stderr is not None
            while (found := _LISTENING.search(line)) is None:
                assert line, "the exporter ended before it listened"
                line = process.stderr.readline()
            port = (found[1] or found[2]).rpartition(":")[2]
            yield Process(process, [int(port)])


def configuration(folder: str, portals: Sequence[int]) -> Path:
    """A configuration with these portals, whose observations are never older than a scrape."""
    listed = "".join(
        f"  - {{name: p{number}, url: 'http://127.0.0.1:{port}', api_key: {SECRET}}}\n"
        for number, port in enumerate(portals)
    )
    scrape = (
        "scrape: {min_interval: 0s, timeout: 60s, max_response_size: 512MiB, max_keys: 1000000}"
    )
    file = Path(folder, "config.yaml")
    file.write_text(f"{scrape}\nportals:\n{listed}")
    return file


def ran(arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds that a command of the exporter takes from start to end, and its CPU."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "exporter", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return time.perf_counter() - began, used.ru_utime + used.ru_stime


@contextlib.contextmanager
def _running(
    arguments: Sequence[str], stdout: int | None
) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A Python process, once it has written its first line; that of its log without ``stdout``."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE if stdout is None else None,
        text=True,
    )
    stream = process.stdout if stdout is not None else process.stderr
    assert stream is not None
    try:
        yield process, stream.readline()
    finally:
        process.terminate()
        process.communicate()
