"""What a scrape costs beside the portal's own answer, how fast it starts, how much memory it holds.

    python benchmarks/scrape.py [--long] [--plot FILE] [WORD ...]

Portal, exporter and this client are processes of their own, on loopback. The portal's answer, the
scrape and a peer's are timed in turn, so that a busy machine slows all of them. What counts is CPU,
and the ratios and differences of one run. `--long` scrapes 5,000 times to see whether memory grows;
`--plot` draws the run from 10 to 100,000 keys; with WORDs only the parts whose names hold one run.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from plot import Point, draw
from processes import (
    ENVIRONMENT,
    Client,
    Exporter,
    Process,
    asking,
    configuration,
    is_up,
    json_exporter,
    plain,
    portals,
)  # fmt: skip

#: Seconds that clients scrape in a loop.
_LOOP_SECONDS = 6.0
_CLIENTS = 40
_SIZES = (10, 100, 1_000, 10_000, 30_000, 100_000)


@dataclass(frozen=True)
class Row:
    """A line of the table. It is met where ``value`` is at most ``goal``; without, it informs."""

    work: str
    figure: str
    value: float = 0.0
    goal: float | None = None
    unit: str = ""

    def __str__(self) -> str:
        if self.goal is None:
            return f"| {self.work} | {self.figure} | |"
        met = "met" if self.value <= self.goal else "missed"
        return f"| {self.work} | {self.figure} | ≤ {self.goal:g}{self.unit}: {met} |"


@dataclass(frozen=True)
class Bench:
    """What all parts of the benchmark need: the address of the portals, and a folder."""

    base: str
    folder: Path
    scrapes: int

    def portal(self, keys: int, milliseconds: int = 0, name: str = "p") -> str:
        """The address of a portal, whose lists are made by then."""
        url = f"{self.base}/{keys}/{milliseconds}/{name}"
        asking(url).get()
        return url


@dataclass
class Timed:
    """Something to time: seconds of each call, and the CPU seconds of the process behind it."""

    client: Client
    process: Process | None = None
    every: int = 1

    def __post_init__(self) -> None:
        self.seconds: list[float] = []
        self._cpu = 0.0

    def call(self) -> None:
        """Time one more."""
        cpu = self.process.cpu if self.process else 0.0
        began = time.perf_counter()
        self.client.get()
        self.seconds.append(time.perf_counter() - began)
        if self.process:
            time.sleep(0.001)  # what follows an answer belongs to it
            self._cpu += self.process.cpu - cpu

    @property
    def ms(self) -> float:
        """Milliseconds of the quickest call: the least disturbed one."""
        return min(self.seconds) * 1000

    @property
    def median(self) -> float:
        """Milliseconds of a call, the median."""
        return statistics.median(self.seconds) * 1000

    @property
    def cpu(self) -> float:
        """Milliseconds of CPU of a call, on average."""
        return self._cpu / len(self.seconds) * 1000


def in_turn(timed: Sequence[Timed], rounds: int, seconds: float = 15.0) -> None:
    """Time these in turn, so many rounds or seconds; those that are slow now and then only."""
    for each in timed:
        for _ in range(2 if each.every == 1 else 1):
            each.client.get()
    ends = time.monotonic() + seconds
    for number in range(rounds):
        if number >= 5 and time.monotonic() > ends:
            break
        for each in timed:
            if number % each.every == 0:
                each.call()


def warm(bench: Bench) -> Iterator[Row]:
    """Scrapes of one portal, beside its own answer and the peers."""
    goals = {100: (2.5, None, 0.35), 1_000: (7.0, None, None), 10_000: (30.0, 25.0, 0.04)}
    for keys, rounds, seldom in ((100, 200, 2), (1_000, 100, 5), (10_000, 40, 8)):
        url = bench.portal(keys)
        above_goal, cpu_goal, plain_goal = goals[keys]
        with (
            Exporter(bench.folder, [url]) as exporter,
            plain(bench.folder, url) as (process, client),
            json_exporter(bench.folder, url) as other,
        ):
            own = Timed(asking(url))
            scrape = Timed(exporter.client(), exporter.process)
            peer = Timed(client, process, seldom)
            second = [Timed(other[1], other[0], seldom)] if other else []
            in_turn([own, scrape, peer, *second], rounds)
            above = scrape.ms - own.ms
            name = f"{keys:,} keys"
            yield Row(
                f"{name}, above the portal's answer", f"{above:.1f} ms", above, above_goal, " ms"
            )
            figure = f"{scrape.cpu:.1f} ms"
            yield Row(f"{name}, CPU", figure, scrape.cpu, cpu_goal, " ms")
            peer_above = peer.ms - own.ms
            ratio = above / peer_above
            figure = f"{peer_above:.1f} ms, CPU {peer.cpu:.1f}: {1 / ratio:.1f} x ours"
            yield Row(f"{name}, plain exporter", figure, ratio, plain_goal, " of it for ours")
            for each in second:
                figure = f"{each.ms - own.ms:.1f} ms, CPU {each.cpu:.1f}"
                yield Row(f"{name}, json_exporter", figure)


def cold(bench: Bench) -> Iterator[Row]:
    """The first scrape of 10,000 keys."""
    url = bench.portal(10_000)
    own = Timed(asking(url))
    firsts = []
    for _ in range(5):
        with Exporter(bench.folder, [url]) as exporter:
            exporter.client("/-/healthy").get()
            first = Timed(exporter.client(), exporter.process)
            own.call()
            first.call()
            firsts.append(first)
    above = statistics.median(first.ms for first in firsts) - own.ms
    cpu = statistics.median(first.cpu for first in firsts)
    yield Row("10,000 keys, first scrape, CPU", f"{cpu:.0f} ms", cpu, 230, " ms")
    yield Row("10,000 keys, first scrape, above", f"{above:.0f} ms", above, 250, " ms")


def together(bench: Bench) -> Iterator[Row]:
    """Scrapes of 10,000 keys at once."""
    url = bench.portal(10_000)
    with Exporter(bench.folder, [url]) as exporter, ThreadPoolExecutor(_CLIENTS) as pool:
        pair = [exporter.client() for _ in range(2)]
        one = Timed(pair[0], exporter.process)
        spent = 0.0
        rounds = 30
        for number in range(rounds + 3):
            if number == 3:
                one, spent = Timed(pair[0], exporter.process), 0.0
            one.call()
            cpu = exporter.process.cpu
            list(pool.map(Client.get, pair))
            time.sleep(0.001)
            spent += exporter.process.cpu - cpu
        ratio = spent / rounds * 1000 / one.cpu
        yield Row(
            "two scrapes at once, CPU of the pair", f"{ratio:.2f} x one", ratio, 1.6, " x one"
        )
        ends = time.monotonic() + _LOOP_SECONDS
        clients = [exporter.client() for _ in range(_CLIENTS)]
        healthy = list(pool.map(lambda client: _loop(client, ends), clients))
        total, good = (sum(counts) for counts in zip(*healthy, strict=True))
        work = f"{_CLIENTS} clients in a loop"
        yield Row(f"{work}, scrapes that failed", f"{total - good} of {total}", total - good, 0)
        peak = exporter.process.peak
        yield Row(f"{work}, resident at most", f"{peak:.0f} MiB", peak, 300, " MiB")
        _loop(exporter.client("/"), time.monotonic() + 0.2)


def _loop(client: Client, ends: float) -> tuple[int, int]:
    """Scrape until then: how many there were, and how many were healthy."""
    total = good = 0
    while time.monotonic() < ends:
        total += 1
        try:
            good += is_up(client.get())
        except (AssertionError, OSError):
            client.close()
    return total, good


def fleet(bench: Bench) -> Iterator[Row]:
    """Many portals that each take a while."""
    bench.portal(50)
    urls = [f"{bench.base}/50/100/n{number}" for number in range(200)]
    ideal = -(-len(urls) // 32) * 0.1
    with Exporter(bench.folder, urls) as exporter:
        scrape = Timed(exporter.client(), exporter.process)
        in_turn([scrape], 8)
        ratio = scrape.ms / 1000 / ideal
        work = "200 portals x 50 keys, 100 ms each"
        figure = f"{ratio:.2f} x {ideal:.1f} s"
        yield Row(f"{work}, 32 at once", figure, ratio, 1.15, " x ideal")
        yield Row(f"{work}, CPU", f"{scrape.cpu:.0f} ms", scrape.cpu, 250, " ms")


def memory(bench: Bench) -> Iterator[Row]:
    """Resident memory: idle, at 10,000 keys, and after many scrapes."""
    url = bench.portal(10_000)
    with Exporter(bench.folder, [url]) as exporter:
        exporter.client("/-/healthy").get()
        idle = exporter.process.resident
        yield Row("resident, idle", f"{idle:.0f} MiB", idle, 48, " MiB")
        client = exporter.client()
        for _ in range(30):
            client.get()
        early = exporter.process.resident
        yield Row("resident, 10,000 keys", f"{early:.0f} MiB", early, 120, " MiB")
        for _ in range(bench.scrapes):
            client.get()
        late = exporter.process.resident
        figure = f"{late - early:+.1f} MiB"
        yield Row(f"… and {bench.scrapes:,} scrapes later", figure, late - early, 5, " MiB")


def start(bench: Bench) -> Iterator[Row]:
    """How long a start takes."""
    url = bench.portal(5)
    seconds = []
    for _ in range(9):
        with Exporter(bench.folder, [url]) as exporter:
            exporter.client().get()
            seconds.append(time.perf_counter() - exporter.process.began)
    first = statistics.median(seconds)
    yield Row("start to first answer", f"{first:.2f} s", first, 0.35, " s")
    version = _run_seconds(["--version"], 15)
    yield Row("`--version`", f"{version:.2f} s", version, 0.15, " s")


def people(bench: Bench) -> Iterator[Row]:
    """What a person looks at, with 10,000 keys."""
    url = bench.portal(10_000)
    config = configuration(bench.folder, [url])
    seconds = _run_seconds(["keys", f"--config.file={config}"], 5)
    yield Row("`keys`, 10,000 keys", f"{seconds:.2f} s", seconds, 0.5, " s")
    with Exporter(bench.folder, [url]) as exporter:
        exporter.client().get()
        page = Timed(exporter.client("/"), exporter.process)
        in_turn([page], 15)
        figure = f"{page.ms:.0f} ms, CPU {page.cpu:.0f}"
        yield Row("status page, 10,000 keys", figure, page.ms, 50, " ms")


def _run_seconds(arguments: Sequence[str], times: int) -> float:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        command = [sys.executable, "-m", "exporter", *arguments]
        subprocess.run(command, check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def growth(bench: Bench, points: list[Point]) -> Iterator[Row]:
    """From 10 to 100,000 keys."""
    grown: dict[int, tuple[float, float]] = {}
    for keys in _SIZES:
        url = bench.portal(keys)
        with Exporter(bench.folder, [url]) as exporter:
            exporter.client("/-/healthy").get()
            idle = exporter.process.resident
            first = Timed(exporter.client(), exporter.process)
            first.call()
            scrape = Timed(first.client, exporter.process)
            in_turn([scrape], max(6, min(100, 200_000 // keys)))
            held = exporter.process.resident
        points.append(Point(keys, first.cpu, scrape.cpu, held))
        figure = f"CPU {scrape.cpu:.1f} ms, first {first.cpu:.0f} ms, {held:.0f} MiB"
        yield Row(f"{keys:,} keys", figure)
        grown[keys] = scrape.cpu, held - idle
    cpu, mib = (
        large / small / 10 for large, small in zip(grown[100_000], grown[10_000], strict=True)
    )
    yield Row("CPU a key, of 100,000 to of 10,000", f"{cpu:.2f} x", cpu, 1.25, " x")
    yield Row("memory a key, of 100,000 to of 10,000", f"{mib:.2f} x", mib, 1.25, " x")


PARTS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "warm": warm,
    "cold": cold,
    "together": together,
    "fleet": fleet,
    "memory": memory,
    "start": start,
    "people": people,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    points: list[Point] = []
    parts = {**PARTS, "growth": lambda bench: growth(bench, points)}
    began = time.monotonic()
    print("| work | measured | goal |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name, portals(Path(name)) as base:
        bench = Bench(base, Path(name), 5_000 if options.long else 300)
        for part, rows in parts.items():
            if not options.words or any(word in part for word in options.words):
                for row in rows(bench):
                    print(row, flush=True)
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(
        f"\n{time.monotonic() - began:.0f} s on {os.cpu_count()} cores (load {load}), "
        f"Python {platform.python_version()}"
    )
    if options.plot and points:
        options.plot.write_text(draw(points))


if __name__ == "__main__":
    main()
