"""What the alert rules cost a real Prometheus with 10,000 keys in 200 portals.

    python benchmarks/rules.py [--untidy] [RULES.yml ...]

5 % of the keys are near an alert, of every kind; with `--untidy` besides a quarter of all keys has
full access and a third never expires. Prometheus scrapes a page that stands for the exporter. First
without rules, then with them and with a day of their own history, as after a day of work: the
difference in CPU time counts, since what passes on a clock depends on what else the machine does.

Limits: 500 ms of one core an evaluation of all groups, 3,000 series written. The exit code is 1
where one of them is passed.
"""

import http.server
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support import tools
from support.prometheus import Prometheus, eventually

ROOT = Path(__file__).resolve().parents[1]
RULES = sorted((ROOT / "prometheus" / "rules").glob("*.yml"))

PORTALS, KEYS, PER_PORTAL = 200, 10_000, 50
MAXIMUM_SECONDS, MAXIMUM_SERIES = 0.5, 3_000

DAY = 86_400.0
#: Seconds between two evaluations while measuring, so that a run does not take long.
INTERVAL = 10
EVALUATIONS = 6

#: Series that the rules write: those recorded, and the two that Prometheus keeps for an alert.
RECORDED = '{__name__=~".+:.+"}'
WRITTEN = '{__name__=~".+:.+|ALERTS|ALERTS_FOR_STATE"}'


def main(rules: list[Path], *, untidy: bool) -> int:
    """Print the figures; 1 where a limit is passed."""
    with tempfile.TemporaryDirectory() as name, _page(time.time(), untidy) as address:
        folder = Path(name)
        for number, file in enumerate(rules):
            text = file.read_text(encoding="utf-8")
            text = re.sub(r"interval: \d+m", f"interval: {INTERVAL}s", text)
            (folder / f"rules{number}.yml").write_text(text, encoding="utf-8")
        program = tools.find("prometheus", "prometheus")
        with Prometheus(program, folder, _config(address, "rules*.yml")) as server:
            _wait_for_keys(server)
            _iterate(server, 2)
            history = [labels for labels, _ in server.query(RECORDED)]
        if len(history) < 2 * MAXIMUM_SERIES:
            _backfill(tools.find("promtool", "prometheus"), folder, history)
        else:
            print(f"{len(history)} series recorded: too many for a day of history, so without")
        with Prometheus(program, folder, _config(address, "none.yml")) as server:
            _wait_for_keys(server)
            time.sleep(INTERVAL)
            began = _cpu_seconds(server)
            time.sleep(INTERVAL * EVALUATIONS)
            idle = (_cpu_seconds(server) - began) / (INTERVAL * EVALUATIONS)
            (folder / "prometheus.yml").write_text(_config(address, "rules*.yml"), "utf-8")
            server.send(signal.SIGHUP)
            _iterate(server, 2)
            return _report(server, idle)


def _report(server: Prometheus, idle: float) -> int:
    """Measure, print and judge."""
    # Nothing is asked of the server meanwhile: an answer about all alerts costs it as much.
    began, cpu = time.monotonic(), _cpu_seconds(server)
    time.sleep(INTERVAL * EVALUATIONS)
    each = (_cpu_seconds(server) - cpu - idle * (time.monotonic() - began)) / EVALUATIONS
    durations = _durations(server)
    written = sum(server.values(f"count({WRITTEN})").values())
    print(f"{KEYS} keys in {PORTALS} portals, {KEYS // 20} of them near an alert")
    print(f"CPU of an evaluation   {each * 1000:7.0f} ms  (limit {MAXIMUM_SECONDS * 1000:.0f})")
    print(f"last duration, groups  {sum(durations.values()) * 1000:7.0f} ms")
    for group, seconds in durations.items():
        print(f"  {group:20} {seconds * 1000:7.0f} ms")
    groups: list[dict[str, Any]] = server.api("rules")["groups"]
    rules = [(rule["evaluationTime"], rule["name"]) for group in groups for rule in group["rules"]]
    for seconds, name in sorted(rules, reverse=True)[:15]:
        print(f"    {name:58} {seconds * 1000:5.0f} ms")
    print(f"series written         {written:7.0f}     (limit {MAXIMUM_SERIES})")
    for query in (f"count by (__name__) ({WRITTEN})", "count by (alertname) (ALERTS)"):
        label = "alertname" if "alertname" in query else "__name__"
        for (name,), count in sorted(server.values(query, label).items()):
            print(f"  {name:60} {count:6.0f}")
    return int(each > MAXIMUM_SECONDS or written > MAXIMUM_SERIES)


def _cpu_seconds(server: Prometheus) -> float:
    """Processor time that the process has used, of the kernel's account (proc(5))."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _durations(server: Prometheus) -> dict[str, float]:
    """Seconds of the last evaluation of each group, from Prometheus' own metrics."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    name = "prometheus_rule_group_last_duration_seconds"
    found = re.findall(rf'^{name}{{rule_group="[^"]*;([^"]*)"}} (\S+)$', text, re.MULTILINE)
    return {group: float(seconds) for group, seconds in sorted(found)}


def _wait_for_keys(server: Prometheus) -> None:
    eventually(
        lambda: server.values("count(docspace_api_key_info)"), lambda it: it == {(): KEYS}, 120.0
    )


def _iterate(server: Prometheus, times: int) -> None:
    """Wait until every group was evaluated so many times more."""

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


def _backfill(promtool: Path, folder: Path, series: list[Mapping[str, str]]) -> None:
    """A day of the recorded series, a sample a minute, its time as its value."""
    end = int(time.time()) // 60 * 60 - 120
    file = folder / "history.txt"
    with file.open("w", encoding="utf-8") as out:
        for name in sorted({labels["__name__"] for labels in series}):
            out.write(f"# TYPE {name} gauge\n")
            for labels in (labels for labels in series if labels["__name__"] == name):
                pairs = ",".join(f'{k}="{v}"' for k, v in labels.items() if k != "__name__")
                times = range(end - int(DAY), end, 60)
                out.writelines(f"{name}{{{pairs}}} {at} {at}\n" for at in times)
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


@contextmanager
def _page(now: float, untidy: bool) -> Iterator[str]:  # noqa: FBT001 - the one choice of a run
    """The exporter's page on loopback, always the same; its address."""
    body = "".join(_lines(now, untidy)).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def _lines(now: float, untidy: bool) -> Iterator[str]:  # noqa: FBT001 - the one choice of a run
    """What the exporter shows of its portals, without the help texts."""
    yield 'docspace_exporter_build_info{version="1",revision="1",python_version="3"} 1\n'
    yield "docspace_exporter_config_last_reload_successful 1\n"
    keys = [_Key(number, now, untidy) for number in range(KEYS)]
    for number in range(PORTALS):
        portal, own = _portal(number), [key for key in keys if key.portal == number]
        yield f"docspace_up{{{portal}}} 1\n"
        yield f"docspace_clock_skew_seconds{{{portal}}} {number % 3}\n"
        yield f"docspace_api_keys_malformed{{{portal}}} 0\n"
        yield (
            f'docspace_portal_info{{{portal},url="https://portal-{number}.example.com",'
            'visibility="all",version="3.7.1"} 1\n'
        )
        yield f"docspace_api_keys{{{portal}}} {PER_PORTAL}\n"
        for kind in ("orphaned", "unrestricted", "never_expiring", "never_used", "superseded"):
            yield f"docspace_api_keys_{kind}{{{portal}}} {sum(key.is_a(kind) for key in own)}\n"
        stale = sum(key.is_a("stale") for key in own)
        for days, count in ((30, stale), (90, stale), (180, 0), (365, 0)):
            yield f'docspace_api_keys_stale{{{portal},unused_for="{days}d"}} {count}\n'
        yield (
            f"docspace_api_keys_last_created_timestamp_seconds{{{portal}}} {now - 160 * DAY:.0f}\n"
        )
        for reason in _REASONS:
            yield f'docspace_scrape_errors_total{{{portal},reason="{reason}"}} 0\n'
        yield f'docspace_exporter_key_info{{{portal},key_id="{own[-1].id}"}} 1\n'
    for key in keys:
        yield from key.lines()


_REASONS = (
    "timeout", "connection", "tls", "credential", "unauthorized", "payment_required",
    "forbidden", "not_found", "rate_limited", "redirect", "server_error", "unexpected_status",
    "invalid_response", "too_large",
)  # fmt: skip

#: The kinds of keys near an alert; each is as frequent as the others.
_KINDS = (
    "expiring", "critical", "expired", "refused", "unused",
    "orphaned", "unrestricted", "never_expiring", "never_used", "stale", "superseded",
)  # fmt: skip


def _portal(number: int) -> str:
    return f'portal="portal-{number:03}",team="team-{number % 7}",env="prod"'


class _Key:
    """A key; every twentieth of a portal is near an alert."""

    def __init__(self, number: int, now: float, untidy: bool) -> None:  # noqa: FBT001 - as above
        self.number, self.portal = number, number % PORTALS
        self.id = f"00000000-0000-4000-8000-{number:012}"
        place = number + number // PORTALS
        self._kind = _KINDS[place // 20 % len(_KINDS)] if place % 20 == 0 else ""
        self._untidy = untidy
        self._now = now

    def is_a(self, kind: str) -> bool:
        if kind == "orphaned":
            return self._kind in {"refused", "orphaned"}
        share = {"unrestricted": 4, "never_expiring": 3}.get(kind, 0)
        return self._kind == kind or bool(self._untidy and share and self.number % share == 1)

    def lines(self) -> Iterator[str]:
        labels = f'{_portal(self.portal)},key_id="{self.id}",key_name="integration {self.number}"'
        status = "disabled" if self.is_a("orphaned") else "active"
        access = "full" if self.is_a("unrestricted") else "limited"
        left = {"expiring": 10, "critical": 2, "expired": -1, "unused": 10}.get(self._kind, 200)
        used = {"unused": 30, "orphaned": 30, "stale": 120, "expired": 1.1}.get(self._kind, 0.01)
        near = self._kind in {"expiring", "critical", "expired", "unused"}
        yield (
            f'docspace_api_key_info{{{labels},key_postfix="{self.number % 65536:04x}",'
            f'creator="Person {self.number % 90}",creator_status="{status}",access="{access}",'
            'permissions="files:read,files:write"} 1\n'
        )
        yield f"docspace_api_key_active{{{labels}}} {int(left > 0)}\n"
        if near or not self.is_a("never_expiring"):
            at = self._now + left * DAY
            yield f"docspace_api_key_expiry_timestamp_seconds{{{labels}}} {at:.0f}\n"
        at = self._now - 160 * DAY
        yield f"docspace_api_key_created_timestamp_seconds{{{labels}}} {at:.0f}\n"
        if self._kind != "never_used":
            at = self._now - used * DAY
            yield f"docspace_api_key_last_used_timestamp_seconds{{{labels}}} {at:.0f}\n"
        yield f"docspace_api_key_orphaned{{{labels}}} {int(self.is_a('orphaned'))}\n"
        yield f"docspace_api_key_superseded{{{labels}}} {int(self.is_a('superseded'))}\n"


if __name__ == "__main__":
    files = [Path(each) for each in sys.argv[1:] if each != "--untidy"]
    sys.exit(main(files or RULES, untidy="--untidy" in sys.argv))
