"""Measure, print a table, and draw what grows: ``python -m benchmarks [--full] [PART ...]``.

The parts are those of `PARTS`. With ``--full`` the list grows to 100,000 keys and memory is
measured over 5,000 scrapes; without it all takes some minutes. ``--write`` puts table and plot
into docs/.
"""

import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from benchmarks import processes
from benchmarks.plot import Series, draw
from benchmarks.portal import SECRET
from benchmarks.processes import PROMETHEUS, Client, Process

DOCS = Path(__file__).parent.parent / "docs"

#: Where the table stands in docs/performance.md.
_TABLE_STARTS, _TABLE_ENDS = "<!-- table -->", "<!-- end of table -->"

#: Seconds of CPU that the system counts in; it shows no less.
_TICK = 0.01

#: What was measured, the value, and what it is to be compared with.
Line = tuple[str, str, str]
Extent = Literal["short", "full"]


@cache
def unit() -> float:
    """Seconds of CPU that plain prometheus-client takes for a scrape of 10,000 keys here and now.

    Goals are parts of it, so that they hold on any machine. Each part of the benchmark measures it
    anew, since the speed of a shared machine changes.
    """
    with processes.portals(10_000) as portal, processes.plain(portal.ports[0]) as plain:
        scrape = _metrics(plain)
        scrape()
        return _cpu(plain, scrape, 3)


def scrapes(extent: Extent) -> Iterator[Line]:
    """One scrape at a time, in turn with the portal itself and with the plain exporter."""
    yield ("10,000 keys, plain prometheus-client: CPU", _ms(unit()), "the unit of all goals")
    for keys, rounds in ((100, 200), (1000, 60), (10_000, 25 if extent == "full" else 15)):
        with (
            processes.portals(keys) as portal,
            processes.plain(portal.ports[0]) as plain,
            processes.exporter(portal.ports) as exporter,
        ):
            idle = started()[1]
            calls = _answer(portal), _metrics(exporter), _metrics(plain)
            (own, ours, theirs), spent = _in_turn(calls, rounds, (exporter, plain))
            yield (f"{keys:,} keys: the portal's own answer", _ms(own), "")
            yield ("— above it: this exporter", _ms(ours - own), _times(theirs - own, ours - own))
            yield ("— above it: plain prometheus-client", _ms(theirs - own), "")
            yield ("— CPU: this exporter", _ms(spent[0]), _times(spent[1], spent[0]))
            yield ("— CPU: plain prometheus-client", _ms(spent[1]), "")
            yield ("— resident: idle, then", _mib(idle), _mib(exporter.memory))
            yield ("— answer, gzip", f"{len(calls[1]()) / 1e6:.2f} MB", "")
            first = _first(portal, 7)
            yield ("— first scrape: CPU", _ms(first), _part(first, 0.28 if keys == 10_000 else 0))


def short_keys(_: Extent) -> Iterator[Line]:
    """8 MiB of 100,000 keys that are valid and as short as can be."""
    for kind in ("short", "gzip"):
        for form in ("gzip", "identity"):
            with (
                processes.portals(100_000, 1, 0.0, kind) as portal,
                processes.exporter(portal.ports) as exporter,
            ):
                scrape = Client(exporter.ports[0], "/metrics", {"Accept-Encoding": form})
                scrape()
                cpu = exporter.cpu - started()[0]
                for _round in range(3):
                    scrape()
                more = (exporter.peak() - started()[1]) * 2**20 / 1e6
                asked = "8 MiB of 100,000 keys" + (", gzip" if kind == "gzip" else "")
                yield (f"{asked}; answered {form}: CPU", _ms(cpu), _part(cpu, 1.2))
                yield ("— resident at most, above idle", f"{more:.0f} MB", "goal 150 MB")


def together(extent: Extent) -> Iterator[Line]:
    """Scrapes of 10,000 keys at once."""
    with processes.portals(10_000) as portal, processes.exporter(portal.ports) as exporter:
        clients = [_metrics(exporter) for _ in range(2)]
        clients[0]()
        rounds = 10
        one = _cpu(exporter, clients[0], rounds)
        two = _cpu(exporter, lambda: _at_once(clients), rounds)
        yield ("10,000 keys, two scrapes at once: CPU", _ms(two), f"{two / one:.2f} times one")
        exporter.peak()
        answers: list[int] = []
        ends = time.monotonic() + (20 if extent == "full" else 8)
        many = [threading.Thread(target=_loop, args=(exporter, ends, answers)) for _ in range(40)]
        _all(many)
        yield ("— 40 clients in a loop: answers, all 200", str(len(answers)), "")
        yield ("— resident at most", _mib(exporter.peak()), "")


def many_portals(extent: Extent) -> Iterator[Line]:
    """200 portals, 100 ms each, 32 at once."""
    rounds = 15 if extent == "full" else 5
    with processes.portals(50, 200, 0.1) as portal, processes.exporter(portal.ports) as exporter:
        scrape = _metrics(exporter)
        for _ in range(2):
            scrape()
        cpu = exporter.cpu
        seconds = _median(scrape, rounds)
        cpu = (exporter.cpu - cpu) / rounds
        ideal = -(-200 // 32) * 0.1
        yield (
            "200 portals of 50 keys, 100 ms each",
            _ms(seconds),
            f"{seconds / ideal:.2f} times the ideal, goal 1.15",
        )
        yield ("— CPU", _ms(cpu), _part(cpu, 0.3))


def memory(extent: Extent) -> Iterator[Line]:
    """Memory over many scrapes, while keys are used, and portals that come and go."""
    rounds = 5000 if extent == "full" else 600
    with processes.portals(1000) as portal, processes.exporter(portal.ports) as exporter:
        scrape = _metrics(exporter)
        for _ in range(rounds // 10):
            scrape()
        before = exporter.memory
        for _ in range(rounds):
            scrape()
        yield (f"1,000 keys, {rounds:,} scrapes: resident", _mib(before), _mib(exporter.memory))


def start(_: Extent) -> Iterator[Line]:
    """Starting, and the commands."""
    yield _command("--version", ["--version"], 9)
    with processes.portals(100) as portal:
        took = []
        for _ in range(5):
            began = time.perf_counter()
            with processes.exporter(portal.ports) as exporter:
                _metrics(exporter)()
                took.append((time.perf_counter() - began, exporter.cpu))
        wall, cpu = min(took)
        yield ("start to first answer, 100 keys", _ms(wall), f"CPU {_ms(cpu)}")
    with (
        processes.portals(10_000) as portal,
        tempfile.TemporaryDirectory() as folder,
        processes.exporter(portal.ports) as exporter,
    ):
        file = processes.configuration(folder, portal.ports)
        for form in ("table", "json"):
            keys = ["keys", f"--config.file={file}", f"--format={form}"]
            yield _command(f"keys --format={form}, 10,000 keys", keys, 3, 0.6)
        _metrics(exporter)()
        page = Client(exporter.ports[0], "/", {"Accept-Encoding": "gzip"})
        before = exporter.cpu
        wall = _median(page, 10)
        cpu = (exporter.cpu - before) / 11
        yield ("status page, 10,000 keys", _ms(wall), f"CPU {_ms(cpu)}, {_part(cpu, 0.06)}")


def _command(name: str, arguments: Sequence[str], rounds: int, goal: float = 0) -> Line:
    wall, cpu = min(processes.ran(arguments) for _ in range(rounds))
    part = f", {_part(cpu, goal)}" if goal else ""
    return (name, _ms(wall), f"CPU {_ms(cpu)}{part}")


@cache
def started() -> tuple[float, float]:
    """CPU and MiB of an exporter that has started and answered for a portal of one key."""
    with processes.portals(1) as portal:
        seen = [_answered(portal) for _ in range(7)]
    return min(cpu for cpu, _ in seen), min(mib for _, mib in seen)


def _answered(portal: Process) -> tuple[float, float]:
    with processes.exporter(portal.ports) as exporter:
        _metrics(exporter)()
        return exporter.cpu, exporter.memory


def _first(portal: Process, rounds: int) -> float:
    """The CPU of the fetch at the start and the first scrape, above that for one key."""
    return max(min(_answered(portal)[0] for _ in range(rounds)) - started()[0], _TICK)


def growth(extent: Extent) -> Iterator[Line]:
    """What grows with the number of keys."""
    measured: list[tuple[int, float, float, float]] = []
    for keys in (10, 100, 1000, 10_000, *([30_000, 100_000] if extent == "full" else [])):
        with processes.portals(keys) as portal, processes.exporter(portal.ports) as exporter:
            scrape = _metrics(exporter)
            scrape()
            cold = _first(portal, 3)
            rounds = max(min(30_000 // keys, 100), 8)
            warm = _cpu(exporter, scrape, rounds)
            measured.append((keys, warm * 1e3, cold * 1e3, exporter.memory))
            yield (f"{keys:,} keys: CPU warm, first", _ms(warm), _ms(cold))
            yield ("— resident", _mib(exporter.memory), "")
    if extent == "full" and "--write" in sys.argv:
        names = ("CPU warm, ms", "CPU first scrape, ms", "resident, MiB")
        series = [
            Series(name, [(keys, values[at]) for keys, *values in measured])
            for at, name in enumerate(names)
        ]
        (DOCS / "performance.svg").write_text(draw(series, "keys"), encoding="utf-8")


PARTS: dict[str, Callable[[Extent], Iterator[Line]]] = {
    "scrapes": scrapes,
    "short": short_keys,
    "together": together,
    "portals": many_portals,
    "memory": memory,
    "start": start,
    "growth": growth,
}


def main(arguments: Sequence[str]) -> None:
    """Print the lines of each part as soon as they are there."""
    chosen = [name for name in PARTS if name in arguments] or list(PARTS)
    extent: Extent = "full" if "--full" in arguments else "short"
    lines = []
    for name in chosen:
        unit.cache_clear()
        started.cache_clear()
        for line in PARTS[name](extent):
            lines.append("| " + " | ".join(line) + " |")
            print(lines[-1], flush=True)
    if "--write" in arguments:
        _write(lines, arguments)


def _write(lines: Sequence[str], arguments: Sequence[str]) -> None:
    """Put the table into the documentation, in the place of the last one."""
    page = DOCS / "performance.md"
    before, _, after = page.read_text(encoding="utf-8").partition(_TABLE_STARTS)
    made = (
        f'Made by `make bench ARGS="{" ".join(arguments)}"` on {platform.machine()} with '
        f"{os.cpu_count()} processors and Python {platform.python_version()}."
    )
    table = "\n".join([made, "", "| what | measured | beside |", "|---|---|---|", *lines])
    page.write_text(
        f"{before}{_TABLE_STARTS}\n{table}\n{_TABLE_ENDS}{after.partition(_TABLE_ENDS)[2]}",
        encoding="utf-8",
    )


def _metrics(process: Process) -> Client:
    return Client(process.ports[0], "/metrics", PROMETHEUS)


def _answer(portal: Process) -> Client:
    return Client(portal.ports[0], "/api/2.0/keys", {"Authorization": f"Bearer {SECRET}"})


def _in_turn(
    calls: Sequence[Callable[[], object]], rounds: int, watched: Sequence[Process]
) -> tuple[list[float], list[float]]:
    """The median seconds of each call, and the CPU that each process took for one round."""
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    cpu = [process.cpu for process in watched]
    for _ in range(rounds):
        for call, seconds in zip(calls, times, strict=True):
            began = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - began)
    spent = [(each.cpu - before) / rounds for each, before in zip(watched, cpu, strict=True)]
    return [statistics.median(seconds) for seconds in times], spent


def _median(call: Callable[[], object], rounds: int) -> float:
    return _in_turn([call], rounds, [])[0][0]


def _cpu(process: Process, call: Callable[[], object], rounds: int) -> float:
    """The CPU that a process takes for one call."""
    before = process.cpu
    for _ in range(rounds):
        call()
    return (process.cpu - before) / rounds


def _at_once(calls: Sequence[Callable[[], object]]) -> None:
    _all([threading.Thread(target=call) for call in calls])


def _all(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _loop(exporter: Process, ends: float, answers: list[int]) -> None:
    scrape = _metrics(exporter)
    while time.monotonic() < ends:
        answers.append(len(scrape()))


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f} ms" if seconds < 0.1 else f"{seconds * 1e3:,.0f} ms"


def _part(cpu: float, goal: float) -> str:
    """CPU as a part of the unit."""
    wanted = f", goal {goal:.2f}" if goal else ""
    return f"{cpu / unit():.2f} units{wanted}"


def _mib(amount: float) -> str:
    return f"{amount:.0f} MiB"


def _times(theirs: float, ours: float) -> str:
    return f"plain takes {theirs / ours:.1f} times as much" if ours > 0 else ""


if __name__ == "__main__":
    main(sys.argv[1:])
