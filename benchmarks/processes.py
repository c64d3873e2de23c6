"""The processes of the benchmark, what they cost, and a client that asks as Prometheus does."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from portal import KEY

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE.parent)}
#: What Prometheus 3 sends with each scrape.
PROMETHEUS = {
    "Accept": "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
    "Accept-Encoding": "gzip",
    "User-Agent": "Prometheus/3.5.0",
    "X-Prometheus-Scrape-Timeout-Seconds": "60",
}


class Process:
    """A process under measurement. CPU is seconds of all its threads, memory MiB."""

    def __init__(self, command: Sequence[str], folder: Path, *, errors: bool = False) -> None:
        where = "stderr" if errors else "stdout"
        self.began = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            text=True,
            **{where: subprocess.PIPE},
        )
        self.pid = self._process.pid
        self._lines = self._process.stderr if errors else self._process.stdout

    def line(self, pattern: str = r"(\d+)") -> str:
        """The group of the first line that matches."""
        assert self._lines is not None
        for line in self._lines:
            if found := re.search(pattern, line):
                # What it writes from now on must not fill the pipe.
                threading.Thread(target=self._lines.read, daemon=True).start()
                return found[1]
        raise SystemExit("a process of the benchmark has ended")

    @property
    def cpu(self) -> float:
        """CPU seconds so far: what /proc/PID/stat counts, by the clock behind it."""
        return time.clock_gettime(~self.pid << 3 | 2)  # clock_getcpuclockid(3)

    @property
    def resident(self) -> float:
        """Resident memory."""
        return self._status("VmRSS")

    @property
    def peak(self) -> float:
        """The most resident memory so far."""
        return self._status("VmHWM")

    def _status(self, field: str) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(rf"{field}:\s+(\d+)", status)[0]) / 1024

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


class Client:
    """A kept connection. Raises AssertionError for what is not a 200."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._path = parts.path + (f"?{parts.query}" if parts.query else "")
        self._headers = PROMETHEUS if headers is None else headers
        self._connection = HTTPConnection(parts.hostname, parts.port or 80, timeout=120)

    def get(self) -> bytes:
        """The answer as it came."""
        self._connection.request("GET", self._path, headers=self._headers)
        with self._connection.getresponse() as response:
            body = response.read()
            assert response.status == 200, (self._path, response.status, body[:200])
        return body

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def is_up(body: bytes) -> bool:
    """Whether an exposition, as gzip, says that its first portal is up."""
    start = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body, 4096)
    return re.search(rb"^docspace_up\{[^}]*\} 1(\.0)?$", start, re.MULTILINE) is not None


@contextlib.contextmanager
def portals(folder: Path) -> Iterator[str]:
    """The address below which all portals are."""
    process = Process([sys.executable, str(HERE / "portal.py")], folder)
    try:
        yield f"http://127.0.0.1:{process.line()}"
    finally:
        process.end()


def asking(portal: str) -> Client:
    """A client that asks a portal for its keys as the exporter does."""
    headers = {"Authorization": f"Bearer {KEY}", "Accept-Encoding": "gzip"}
    return Client(f"{portal}/api/2.0/keys", headers)


def configuration(folder: Path, urls: Sequence[str]) -> Path:
    """A configuration of portals that are asked at each scrape."""
    lines = ["scrape: {min_interval: 0s, max_response_size: 256MiB, timeout: 60s}", "portals:"]
    lines += [f"  - {{name: p{n}, url: '{url}', api_key: {KEY}}}" for n, url in enumerate(urls)]
    file = folder / "config.yaml"
    file.write_text("\n".join(lines) + "\n")
    return file


class Exporter:
    """The exporter on some portals. Used as a context manager, it is ended."""

    def __init__(self, folder: Path, urls: Sequence[str]) -> None:
        config = configuration(folder, urls)
        command = [sys.executable, "-m", "exporter", f"--config.file={config}"]
        self.process = Process([*command, "--web.listen-address=127.0.0.1:0"], folder, errors=True)
        self.url = "http://" + self.process.line(r"address=(\S+)")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.end()

    def client(self, path: str = "/metrics") -> Client:
        """A client of it."""
        return Client(self.url + path)


@contextlib.contextmanager
def plain(folder: Path, portal: str) -> Iterator[tuple[Process, Client]]:
    """The peer of `plain`, and a client of it."""
    process = Process([sys.executable, str(HERE / "plain.py"), portal, KEY], folder)
    try:
        yield process, Client(f"http://127.0.0.1:{process.line()}/metrics")
    finally:
        process.end()


@contextlib.contextmanager
def json_exporter(folder: Path, portal: str) -> Iterator[tuple[Process, Client] | None]:
    """json_exporter and a client of it; None where it is not on PATH.

    It makes fewer series: what takes a comparison of keys, or a date as a number, it cannot.
    """
    path = shutil.which("json_exporter")
    if path is None:
        yield None
        return
    config = folder / "json_exporter.yaml"
    config.write_text(_JSON_EXPORTER % KEY)
    command = [path, f"--config.file={config}", "--web.listen-address=127.0.0.1:0"]
    process = Process(command, folder, errors=True)
    try:
        address = process.line(r"Listening on.*address=(\S+)")
        yield process, Client(f"http://{address}/probe?target={portal}/api/2.0/keys")
    finally:
        process.end()


_JSON_EXPORTER = """
modules:
  default:
    headers: {Authorization: "Bearer %s"}
    metrics:
      - name: docspace_api_key
        type: object
        path: "{ .response[*] }"
        help: Of an API key.
        labels: {portal: bench, key_id: "{ .id }", key_name: "{ .name }"}
        values: {active: "{ .isActive }", superseded: 0, orphaned: 0}
      - name: docspace_api_key
        type: object
        path: "{ .response[*] }"
        help: An API key.
        labels:
          portal: bench
          key_id: "{ .id }"
          key_name: "{ .name }"
          key_postfix: "{ .keyPostfix }"
          creator: "{ .createBy.displayName }"
          permissions: "{ .permissions }"
        values: {info: 1}
"""
