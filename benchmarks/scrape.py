"""What a scrape costs beside the portal's own answer, how fast it starts, how much memory it holds.

    python benchmarks/scrape.py [KEYS ...]

Portal, exporter and this client are three processes on loopback. The portal's answer and the
scrape are timed in turn, so that a noisy machine slows both; the difference of medians counts.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

ROUNDS = 60

_PORTAL = """
import sys, time
from exporter.demo.model import Portal
from exporter.demo.server import DemoServer
portal = Portal(clock=time.time, rate_limit=None)
for n in range(int(sys.argv[1])):
    end = time.time() + 86400 * (n % 300 + 1)
    key = portal.add_key(f"key {n}", permissions=["*:read"], expires_at=end)
with DemoServer(portal) as server:
    print(server.url, key.secret, flush=True)
    sys.stdin.read()
"""


def main(counts: list[int]) -> None:
    """Print one line for each number of keys."""
    for count in counts:
        portal = subprocess.Popen(
            [sys.executable, "-c", _PORTAL, str(count)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert portal.stdout is not None
        url, key = portal.stdout.readline().split()
        try:
            _measure(count, url, key)
        finally:
            portal.terminate()
            portal.wait()


def _measure(count: int, portal: str, key: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.yaml")
        config.write_text(f"portals: [{{name: bench, url: '{portal}', api_key: {key}}}]\n")
        began = time.perf_counter()
        exporter = subprocess.Popen(
            [sys.executable, "-m", "exporter", f"--config.file={config}",
             "--web.listen-address=127.0.0.1:0"],
            cwd=folder, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert exporter.stderr is not None
        address = re.search(r"address=(\S+)", exporter.stderr.readline())
        assert address is not None
        try:
            scrape = _getter(f"http://{address[1]}/metrics?collect[]=portals", {})
            scrape()
            started = time.perf_counter() - began
            idle = _resident_mib(exporter.pid)
            answer = _getter(f"{portal}/api/2.0/keys", {"Authorization": f"Bearer {key}"})
            own, through = _in_turn(answer, scrape)
            print(
                f"{count} keys: portal {own * 1e3:.1f} ms, scrape {through * 1e3:.1f} ms, "
                f"difference {(through - own) * 1e3:.1f} ms, ratio {through / own:.2f}; start to "
                f"first answer {started:.2f} s; resident {idle:.0f} MiB after the first scrape, "
                f"{_resident_mib(exporter.pid):.0f} MiB after {ROUNDS}"
            )
        finally:
            exporter.terminate()
            exporter.wait()
            exporter.stderr.close()


def _getter(url: str, headers: dict[str, str]) -> Callable[[], None]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = HTTPConnection(parts.hostname, parts.port or 80)

    def get() -> None:
        connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
        with connection.getresponse() as response:
            response.read()
            assert response.status == 200

    return get


def _in_turn(first: Callable[[], None], second: Callable[[], None]) -> tuple[float, float]:
    """The median seconds of each."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for call, seconds in zip((first, second), times, strict=True):
            began = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - began)
    return statistics.median(times[0]), statistics.median(times[1])


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main([int(count) for count in sys.argv[1:]] or [100, 1000, 10000])
