"""What the alert rules cost a real Prometheus with 10,000 keys in 200 portals.

    python benchmarks/rules.py [--untidy] [RULES.yml ...]

5 % of the keys are near an alert, of every kind. With `--untidy`, a quarter of all keys also has
full access and a third never expires. Prometheus scrapes a page like the exporter's. It
runs first without rules, then with them: the difference in CPU time counts. A day of history is
written before. Its last hour is missing, because a server at work holds that hour in memory.

CPU time depends on the machine, so the limit is stated in the unit of `make bench`: the CPU time of
one scrape of 10,000 keys through plain prometheus-client, measured in the same run. The goal is 500
ms where that scrape takes 828 ms. The exit code is 1 above the limit of time, or of series written.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support import tools
from support.prometheus import Prometheus, eventually

from benchmarks.__main__ import unit
from benchmarks.key_page import DAY, KEYS, PORTALS, served

ROOT = Path(__file__).resolve().parents[1]
RULES = sorted((ROOT / "prometheus" / "rules").glob("*.yml"))

#: Limits of one evaluation of all groups: units of CPU time (500 ms / 828 ms), series written.
MAXIMUM_UNITS, MAXIMUM_SERIES = 0.60, 3_000

#: Seconds between two evaluations while measuring, so that a run does not take long.
INTERVAL = 10
EVALUATIONS = 6

#: Series that the rules write: records, and two for each alert.
RECORDED = '{__name__=~".+:.+"}'
WRITTEN = '{__name__=~".+:.+|ALERTS|ALERTS_FOR_STATE"}'
#: Series of which the rules read a range.
PAST = f"{RECORDED} or docspace_api_keys or docspace_up"
#: More of them would take too long to write.
MAXIMUM_PAST = 6_000


class Server(Prometheus):
    """Prometheus with a long time to stop. If it exits early, its log is shown."""

    def api(self, path: str, **parameters: str) -> Any:
        """As in the base class, with retries while Prometheus accepts no connection."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return super().api(path, **parameters)
            except ConnectionError as exc:
                self._fail_if_ended(deadline, exc)
            except urllib.error.URLError as exc:
                if not isinstance(exc.reason, ConnectionError):
                    raise
                self._fail_if_ended(deadline, exc)
            time.sleep(0.5)

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 120.0) -> int:
        """As in the base class, with a longer timeout."""
        return super().stop(number, seconds)

    def cpu_seconds(self) -> float:
        """CPU time that the process has used so far, from /proc (proc(5))."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _fail_if_ended(self, deadline: float, exc: Exception) -> None:
        if self._process.poll() is not None or time.monotonic() > deadline:
            last = "\n".join(self.lines[-20:])
            raise SystemExit(f"Prometheus takes no connections; its log ends with\n{last}") from exc


def main(rules: list[Path], *, untidy: bool) -> int:
    """Print the figures. Returns 1 above a limit."""
    program, promtool = (tools.find(name, "prometheus") for name in ("prometheus", "promtool"))
    with tempfile.TemporaryDirectory() as name, served(time.time(), untidy) as address:
        folder = Path(name)
        minutes = _write_rules(rules, folder)
        with Server(program, folder, _config(address, "rules*.yml")) as server:
            _wait_for_keys(server)
            _iterate(server, 3)
            past = server.query(PAST)
        if len(past) < MAXIMUM_PAST:
            _backfill(promtool, folder, past)
        else:
            print(f"{len(past)} series of history: too many, so without")
        with Server(program, folder, _config(address, "none.yml")) as server:
            _wait_for_keys(server)
            time.sleep(INTERVAL)
            idle = _cpu_of_waiting(server) / (INTERVAL * EVALUATIONS)
            (folder / "prometheus.yml").write_text(_config(address, "rules*.yml"), "utf-8")
            server.send(signal.SIGHUP)
            _iterate(server, 3)
            # No query meanwhile: to list all alerts costs as much as to evaluate them.
            each = (_cpu_of_waiting(server) - idle * INTERVAL * EVALUATIONS) / EVALUATIONS
            return _report(server, each, minutes)


def _write_rules(files: list[Path], folder: Path) -> dict[str, int]:
    """Write the rules with a short interval. Returns each group's own interval in minutes."""
    minutes: dict[str, int] = {}
    for number, file in enumerate(files):
        text = file.read_text(encoding="utf-8")
        found = re.findall(r"- name: (\S+)\n\s+interval: (\d+)m", text)
        minutes |= {name: int(count) for name, count in found}
        text = re.sub(r"interval: \d+m", f"interval: {INTERVAL}s", text)
        (folder / f"rules{number}.yml").write_text(text, encoding="utf-8")
    return minutes


def _cpu_of_waiting(server: Server) -> float:
    """CPU seconds during the time of `EVALUATIONS` evaluations."""
    began = server.cpu_seconds()
    time.sleep(INTERVAL * EVALUATIONS)
    return server.cpu_seconds() - began


def _report(server: Server, each: float, minutes: Mapping[str, int]) -> int:
    """Print and judge."""
    written = sum(server.values(f"count({WRITTEN})").values())
    groups, rules = _durations(server)
    total = sum(groups.values())
    minute = sum(each * took / total / minutes.get(name, 1) for name, took in groups.items())
    units = each / unit()
    print(f"{KEYS} keys in {PORTALS} portals, {KEYS // 20} of them near an alert")
    print(f"CPU of the unit        {unit() * 1000:7.0f} ms")
    print(f"CPU of an evaluation   {each * 1000:7.0f} ms")
    print(f"the same in units      {units:7.2f}     (limit {MAXIMUM_UNITS})")
    print(f"CPU a minute           {minute * 1000:7.0f} ms")
    print(f"series written         {written:7.0f}     (limit {MAXIMUM_SERIES})")
    for name, seconds in groups.items():
        print(f"  {name:60} {seconds * 1000:6.0f} ms, each {minutes.get(name, 1)}m")
    for name, seconds in sorted(rules.items(), key=lambda item: -item[1])[:15]:
        print(f"    {name:58} {seconds * 1000:6.0f} ms")
    for query in (f"count by (__name__) ({WRITTEN})", "count by (alertname) (ALERTS)"):
        label = "alertname" if "alertname" in query else "__name__"
        for (name,), count in sorted(server.values(query, label).items()):
            print(f"  {name:60} {count:6.0f}")
    return int(units > MAXIMUM_UNITS or written > MAXIMUM_SERIES)


def _durations(server: Server) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds of each group and of each rule: the shortest of three evaluations."""
    groups: dict[str, float] = {}
    rules: dict[str, float] = {}
    for _ in range(3):
        for group in server.api("rules")["groups"]:
            took = float(group["evaluationTime"])
            groups[group["name"]] = min(took, groups.get(group["name"], took))
            for rule in group["rules"]:
                took = float(rule["evaluationTime"])
                rules[rule["name"]] = min(took, rules.get(rule["name"], took))
        time.sleep(INTERVAL)
    return groups, rules


def _wait_for_keys(server: Server) -> None:
    eventually(
        lambda: server.values("count(docspace_api_key_info)"), lambda it: it == {(): KEYS}, 120.0
    )


def _iterate(server: Server, times: int) -> None:
    """Wait until every group was evaluated ``times`` more times."""

    def evaluated() -> dict[str, str]:
        groups: list[dict[str, Any]] = server.api("rules")["groups"]
        return {group["name"]: group["lastEvaluation"] for group in groups}

    eventually(evaluated, bool, 60.0)
    for _ in range(times):
        last = evaluated()
        deadline = time.monotonic() + 120
        while any(when == last.get(name) for name, when in evaluated().items()):
            assert time.monotonic() < deadline, "the rules are not evaluated"
            time.sleep(0.5)


def _backfill(promtool: Path, folder: Path, past: list[tuple[Mapping[str, str], float]]) -> None:
    """A day of these series up to an hour ago, a sample a minute, always the same."""
    end = int(time.time()) // 60 * 60 - 3600
    file = folder / "history.txt"
    with file.open("w", encoding="utf-8") as out:
        for name in sorted({labels["__name__"] for labels, _ in past}):
            out.write(f"# TYPE {name} gauge\n")
            for labels, value in past:
                if labels["__name__"] == name:
                    pairs = ",".join(f'{k}="{v}"' for k, v in labels.items() if k != "__name__")
                    times = range(end - int(DAY), end, 60)
                    out.writelines(f"{name}{{{pairs}}} {value} {at}\n" for at in times)
        out.write("# EOF\n")
    subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", "-q", file, folder / "data"],
        check=True,
    )
    file.unlink()


def _config(address: str, rules: str) -> str:
    return (
        "global: {scrape_interval: 30s, scrape_timeout: 25s}\n"
        f"rule_files: [{rules}]\n"
        "scrape_configs:\n  - job_name: docspace\n"
        f"    static_configs: [{{targets: ['{address}']}}]\n"
    )


if __name__ == "__main__":
    files = [Path(each) for each in sys.argv[1:] if each != "--untidy"]
    sys.exit(main(files or RULES, untidy="--untidy" in sys.argv))
