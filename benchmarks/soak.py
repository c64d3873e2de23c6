"""Scrapes for a long time, with faults mixed in: memory, threads and descriptors stay flat.

    python benchmarks/soak.py [MINUTES]

The portals of the demo fail in turns, clients are slow, silent or gone, and the configuration is
reloaded, while the exporter is scraped about twenty times a second. What the process holds is
printed each tenth of the time; the run ends with 1 where the last tenth holds more than a tenth
above the third.
"""

import itertools
import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

from support.demo import Demo
from support.process import ExporterProcess

_CONDITIONS = ("ok", "broken", "ok", "html", "unpaid", "ok", "bad_gateway")


def held(pid: int) -> dict[str, int]:
    """Memory in KiB, threads and descriptors of a process."""
    process = Path(f"/proc/{pid}")
    resident = int(process.joinpath("statm").read_text().split()[1])
    return {
        "KiB": resident * os.sysconf("SC_PAGE_SIZE") // 1024,
        "threads": len(list(process.joinpath("task").iterdir())),
        "descriptors": len(list(process.joinpath("fd").iterdir())),
    }


def disturb(turn: int, demo: Demo, exporter: ExporterProcess) -> None:
    """Something that goes wrong in the life of an exporter, another one each time."""
    names = list(demo.portals)
    portal = demo.portals[names[turn % len(names)]].portal
    portal.condition = _CONDITIONS[turn % len(_CONDITIONS)]  # type: ignore[assignment]  # one of them
    if turn % 50 == 0:
        exporter.send(signal.SIGHUP)
    address = ("127.0.0.1", int(exporter.url.rpartition(":")[2]))
    with socket.create_connection(address, timeout=5) as sock:
        sock.sendall((b"", b"G", b"\x16\x03", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")[turn % 4])


def main(minutes: float) -> int:
    """Print what the exporter holds; 1 where it grows."""
    seen: list[dict[str, int]] = []
    with tempfile.TemporaryDirectory() as folder, Demo() as demo:
        config = "scrape: {min_interval: 0s}\n" + demo.config()
        with ExporterProcess(Path(folder), config) as exporter:
            began = time.monotonic()
            for turn in itertools.count():
                disturb(turn, demo, exporter)
                exporter.get(("/metrics", "/probe?target=acme", "/", "/-/healthy")[turn % 4])
                passed = (time.monotonic() - began) / (minutes * 60)
                if passed * 10 >= len(seen) + 1:
                    seen.append(held(exporter.pid))
                    print(f"{passed:4.0%} after {turn + 1} requests: {seen[-1]}", flush=True)
                if len(seen) == 10:
                    break
                time.sleep(0.02)
            if exporter.stop() or "Traceback" in exporter.stderr:
                print("it did not end in order")
                return 1
    grown = [name for name, value in seen[-1].items() if value > seen[2][name] * 1.1 + 2]
    print("flat" if not grown else f"grown: {', '.join(grown)}")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if sys.argv[1:] else 10.0))
