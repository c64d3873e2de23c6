"""Attacks on a real exporter, and how many healthy scrapes get through meanwhile.

    python benchmarks/attack.py [WORD ...]

For each attack (those whose names hold a WORD, or all), plain and by TLS, an exporter is started on
demo portals, and attackers from 127.0.0.2 begin. Then a client with Prometheus' headers and a
deadline of ten seconds scrapes each half second, twenty times. All of it stays on this machine.
"""

import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import bcrypt
from support.attackers import PASSWORD, Target
from support.certificates import issue
from support.hostile import SHAPES

SCRAPES = 20
_PAUSE = 0.5
DEADLINE = 10.0
#: Seconds that the attackers have for themselves before the first scrape.
_HEAD_START = 2.0

_PORTAL = """
import sys, time
from exporter.demo.model import Portal
from exporter.demo.server import DemoServer
portal = Portal(clock=time.time, rate_limit=10**9)
for n in range(int(sys.argv[1])):
    end = time.time() + 86400 * (n % 300 + 1)
    key = portal.add_key(f"key {n}", permissions=["*:read"], expires_at=end)
with DemoServer(portal) as server:
    print(server.url, key.secret, flush=True)
    sys.stdin.read()
"""
_ATTACKER = """
import sys, threading
from support.attackers import ATTACKS, Target
ending = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ending.set()), daemon=True).start()
target = Target(int(sys.argv[2]), sys.argv[3] == "tls")
ATTACKS[sys.argv[1]](target, threading.Event(), ending)
"""


@dataclass(frozen=True)
class Outcome:
    """What an attack did: scrapes that got through, and what it cost the exporter."""

    healthy: int
    slowest: float
    lines: int
    mib: float

    def __str__(self) -> str:
        return (
            f"{self.healthy:2} of {SCRAPES} healthy scrapes, slowest {self.slowest:4.1f} s, "
            f"{self.lines} log lines, {self.mib:.0f} MiB at most"
        )


class Exporter:
    """An exporter on a demo portal of so many keys, with a user and perhaps TLS."""

    def __init__(self, folder: Path, *, tls: bool, keys: int = 20, cost: int = 0) -> None:
        self._portal = subprocess.Popen(
            [sys.executable, "-c", _PORTAL, str(keys)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._portal.stdout is not None
        url, key = self._portal.stdout.readline().split()
        config, web = folder / "config.yaml", folder / "web.yml"
        config.write_text(f"portals: [{{name: acme, url: '{url}', api_key: {key}}}]\n")
        web.write_text(_web_config(folder, tls=tls, cost=cost))
        self.log = (folder / "log").open("w+")
        # As many descriptors as a service has by default.
        limited = ["sh", "-c", 'ulimit -n 1024; exec "$0" "$@"']
        self._process = subprocess.Popen(
            [*limited, sys.executable, "-m", "exporter", f"--config.file={config}",
             "--web.enable-lifecycle", "--web.listen-address=127.0.0.1:0",
             f"--web.config.file={web}"],
            cwd=folder, stderr=self.log,
        )  # fmt: skip
        self.target = Target(self._port(), tls)

    def _port(self) -> int:
        for _ in range(200):
            found = re.search(r"address=127\.0\.0\.1:(\d+)", self.logged())
            if found:
                return int(found[1])
            time.sleep(0.1)
        raise AssertionError(self.logged())

    def logged(self) -> str:
        """Everything it logged so far."""
        return Path(self.log.name).read_text()

    def mib(self) -> float:
        """The most memory that it held."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024

    def scrape(self) -> float | None:
        """Seconds of a healthy scrape; None if it failed."""
        began = time.monotonic()
        status = self.target.scrape(DEADLINE)
        took = time.monotonic() - began
        return took if status == 200 and took < DEADLINE else None

    def stop(self) -> None:
        """End it, and its portal."""
        for process in (self._process, self._portal):
            process.terminate()
        for process in (self._process, self._portal):
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.log.close()


def _web_config(folder: Path, *, tls: bool, cost: int) -> str:
    lines = ""
    if tls:
        issued = issue(folder, "server")
        lines += f"tls_server_config: {{cert_file: {issued.cert_file}, "
        lines += f"key_file: {issued.key_file}}}\n"
    if cost:
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(cost)).decode()
        lines += f"basic_auth_users: {{alice: {hashed}}}\n"
    return lines


@dataclass(frozen=True)
class Case:
    """An attack by its name, the size of the portal, and the cost of the user's hash."""

    attack: str
    keys: int = 20
    cost: int = 0

    def __str__(self) -> str:
        return self.attack + (f", bcrypt cost {self.cost}" if self.cost else "")


CASES = (
    Case("60 heads, a byte every 9 s"),
    Case("200 first bytes, then silence"),
    Case("60 bodies, a byte every 2 s"),
    Case("1,024 silent connections"),
    Case("46 slow readers", keys=5000),
    Case("46 slow readers of /probe", keys=5000),
    Case("9 clients with wrong passwords", cost=10),
    Case("9 clients with wrong passwords", cost=12),
    Case("60 clients that scrape in a loop"),
)


def attacked(case: Case, *, tls: bool) -> Outcome:
    """Twenty scrapes while an attack goes on."""
    with tempfile.TemporaryDirectory() as folder:
        exporter = Exporter(Path(folder), tls=tls, keys=case.keys, cost=case.cost)
        command = [case.attack, str(exporter.target.port), "tls" if tls else "plain"]
        attackers = subprocess.Popen(
            [sys.executable, "-c", _ATTACKER, *command], stdin=subprocess.PIPE
        )
        try:
            time.sleep(_HEAD_START)
            with ThreadPoolExecutor(SCRAPES) as side_by_side:
                scrapes = []
                for _ in range(SCRAPES):
                    # Not one after the other: a scrape that hangs must not put off the next.
                    scrapes.append(side_by_side.submit(exporter.scrape))
                    time.sleep(_PAUSE)
                taken = [scrape.result() for scrape in scrapes]
            healthy = [seconds for seconds in taken if seconds is not None]
            slowest = max(healthy, default=DEADLINE)
            return Outcome(len(healthy), slowest, exporter.logged().count("\n"), exporter.mib())
        finally:
            attackers.terminate()
            attackers.wait()
            exporter.stop()


def smuggled(*, tls: bool) -> str:
    """How many requests of hostile shapes are served, or let a hidden request through."""
    with tempfile.TemporaryDirectory() as folder:
        exporter = Exporter(Path(folder), tls=tls)
        try:
            served = [name for name, content in SHAPES.items() if _served(exporter, content)]
            reloads = exporter.logged().count("configuration reloaded")
        finally:
            exporter.stop()
    names = f": {', '.join(served)}" if served else ""
    return f"{len(served)} of {len(SHAPES)} hostile shapes served, {reloads} reloads{names}"


def _served(exporter: Exporter, content: bytes) -> bool:
    received = exporter.target.exchange(content, 12.0)
    return b" 200 " in received or b" 500 " in received or received.count(b"HTTP/1.") > 1


def main(words: list[str]) -> None:
    """Print a line for each attack, plain and by TLS."""
    for case in CASES:
        if not words or any(word in str(case) for word in words):
            print(case, flush=True)
            for tls in (False, True):
                print(f"  {'TLS  ' if tls else 'plain'}  {attacked(case, tls=tls)}", flush=True)
    if not words or "smuggling" in words:
        print("smuggling")
        for tls in (False, True):
            print(f"  {'TLS  ' if tls else 'plain'}  {smuggled(tls=tls)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
