"""What each query of the dashboards costs a real Prometheus that holds 10,000 keys in 200 portals.

    python benchmarks/dashboards.py [DAYS [PORTALS]]

It writes a history first: a sample every 2 minutes, as `prometheus/many-portals.yml` scrapes, for
an hour or the given number of days. Then it sends each query as Grafana does: for this moment, or
for all steps of the time range. It prints the seconds of Prometheus' CPU and of the clock for each,
the most expensive query first. Only the CPU counts on a machine that does other things too.

30 days of all portals are 540 million samples. `30 20` writes a tenth, and what a query over the
time range costs is proportional to that.
"""

import json
import os
import random
import re
import struct
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import dashboards
from support import tools
from support.prometheus import Prometheus, eventually
from support.synthetic import DAY, SyntheticKey, SyntheticPortal, samples

PORTALS, KEYS = 200, 50
SCRAPE_SECONDS: Final = 120
#: Points over the width of a page: Grafana asks for one for each pixel, in round steps.
POINTS: Final = 1440
#: A label as the text format writes it.
LABEL: Final = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')
#: Series that queries over the time range read. The others have samples of the last minutes only.
READ: Final = re.compile("docspace_(?!api_key_(?!info|active))|process_")
#: Blocks long enough for requests of a day.
BLOCK_DAYS: Final = 2
FLAGS: Final = (
    "--web.enable-remote-write-receiver",
    "--storage.tsdb.retention.time=90d",
    f"--storage.tsdb.min-block-duration={BLOCK_DAYS}d",
    f"--storage.tsdb.max-block-duration={BLOCK_DAYS}d",
)


def fleet(chance: random.Random, portals: int) -> list[SyntheticPortal]:
    """Portals with keys in every state; the same on each run."""

    def key(name: str) -> SyntheticKey:
        return SyntheticKey(
            id=name,
            name=f"key {chance.randrange(KEYS)}",
            postfix=f"{chance.randrange(65536):04x}",
            creator=f"Person {chance.randrange(20)}",
            creator_status=chance.choices(["active", "disabled", "removed"], [90, 5, 5])[0],
            access=chance.choice(["full", "limited", "read"]),
            active=chance.random() > 0.1,
            created=-chance.uniform(1, 400) * DAY,
            expires=None if chance.random() < 0.2 else chance.uniform(-10, 300) * DAY,
            used=None if chance.random() < 0.1 else -chance.uniform(0, 200) * DAY,
            superseded=chance.random() < 0.05,
        )

    return [
        SyntheticPortal(f"portal-{p:03}", [key(f"{p:03}-{k:04}") for k in range(KEYS)])
        for p in range(portals)
    ]


def write(url: str, series: Sequence[tuple[str, str, float]], now: float, days: float) -> None:
    """Send the series, with constant values, by Prometheus' remote write protocol, version 1.

    See prometheus.io/docs/specs/prw/remote_write_spec. The protobuf is written here: series with
    the same value share the bytes of their samples.
    """
    labelled = [(_labels(metric, labels), value) for metric, labels, value in series]
    count = int(days * DAY / SCRAPE_SECONDS)
    for first in range(0, count, 720):
        moments = [
            int((now - place * SCRAPE_SECONDS) * 1000)
            for place in range(count - 1 - first, max(count - 1 - first - 720, -1), -1)
        ]
        written = {value: _samples(moments, value) for _, value in labelled}
        for start in range(0, len(labelled), 500):
            batch = labelled[start : start + 500]
            _send(url, b"".join(_field(1, labels + written[value]) for labels, value in batch))


def _labels(metric: str, labels: str) -> bytes:
    pairs = {"__name__": metric, "instance": "i", "job": "docspace"}
    pairs |= {name: json.loads(text) for name, text in LABEL.findall(labels)}
    return b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode()))
        for name, value in sorted(pairs.items())
        if value
    )


def _samples(moments: Iterable[int], value: float) -> bytes:
    number = b"\x09" + struct.pack("<d", value)
    return b"".join(_field(2, number + b"\x10" + _varint(moment)) for moment in moments)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def _send(url: str, message: bytes) -> None:
    """One request; Snappy is written as a single literal."""
    literal = b"\xfc" + struct.pack("<I", len(message) - 1) + message
    headers = {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
    body = _varint(len(message)) + literal
    request = urllib.request.Request(f"{url}/api/v1/write", body, headers)
    urllib.request.urlopen(request, timeout=120).close()


def _oldest(prometheus: Prometheus) -> float:
    """Unix seconds of the oldest sample that is not in a block yet."""
    return float(prometheus.api("status/tsdb")["headStats"]["minTime"]) / 1000


def cpu(process: int) -> float:
    """Seconds of CPU that a process has used so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def asked(
    page: dashboards.Dashboard, variables: dict[str, str], now: float, days: float
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(title, path of the API, parameters) of each query, as Grafana sends it."""
    limits = {
        panel["title"]: panel.get("maxDataPoints", POINTS * panel["gridPos"]["w"] // 24)
        for panel in page["panels"]
    }
    moment = {panel["title"] for panel, target in dashboards.targets(page) if target["instant"]}
    for title, _ in dashboards.all_queries(page, variables):
        panel = re.sub(r": \w+$", "", title)
        step = max(60, int(days * DAY / limits.get(panel, POINTS)))
        known = variables | {
            "__interval": f"{step}s",
            "__interval_ms": str(step * 1000),
            "__rate_interval": f"{max(step + SCRAPE_SECONDS, 4 * SCRAPE_SECONDS)}s",
        }
        expr = dict(dashboards.all_queries(page, known))[title]
        if panel in moment:
            yield title, "query", {"query": expr, "time": now}
        else:
            steps = {"start": now - days * DAY, "end": now, "step": step}
            yield title, "query_range", {"query": expr, **steps}


def main(arguments: Sequence[str]) -> None:
    """Ask each query of both dashboards once."""
    days = float(arguments[0]) if arguments else 1 / 24
    portals = int(arguments[1]) if len(arguments) > 1 else PORTALS
    program = tools.find("prometheus", "prometheus")
    now = time.time() // 60 * 60
    span = {
        "__from": f"{(now - days * DAY) * 1000:.0f}",
        "__to": f"{now * 1000:.0f}",
        "__range": f"{days * DAY:.0f}s",
    }
    one = {"portal": "portal-001", "key_id": "001-0001"}
    found = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Prometheus(program, Path(folder), "{}", FLAGS) as prometheus,
    ):
        series = list(samples(fleet(random.Random(1), portals), now))  # noqa: S311 - no secret
        write(prometheus.url, [each for each in series if READ.match(each[0])], now, days)
        write(prometheus.url, [each for each in series if not READ.match(each[0])], now, 0.01)
        eventually(
            lambda: _oldest(prometheus), lambda oldest: oldest > now - 2 * BLOCK_DAYS * DAY, 900
        )
        for name, chosen in ((dashboards.MAIN, {}), (dashboards.ONE_KEY, one)):
            page = dashboards.load(name)
            variables = dashboards.defaults(page) | span | chosen
            for title, path, parameters in asked(page, variables, now, days):
                query = urllib.parse.urlencode(parameters).encode()
                used, began = cpu(prometheus.pid), time.monotonic()
                try:
                    with urllib.request.urlopen(
                        f"{prometheus.url}/api/v1/{path}", query, timeout=180
                    ) as answer:
                        rows = str(len(json.load(answer)["data"]["result"]))
                except urllib.error.HTTPError as error:
                    rows = json.load(error)["error"]
                took = time.monotonic() - began
                found.append((cpu(prometheus.pid) - used, took, rows, title))
    print(f"{'cpu s':>6} {'s':>6} {'rows':>5}  query")
    for used, took, rows, title in sorted(found, reverse=True):
        print(f"{used:6.2f} {took:6.2f} {rows:>5}  {title}")


if __name__ == "__main__":
    main(sys.argv[1:])
