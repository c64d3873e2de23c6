"""What each query of the dashboards costs a real Prometheus that holds 10,000 keys in 200 portals.

    python benchmarks/dashboards.py [DAYS [PORTALS]]

The history is written first: DAYS (30) of samples every 2 minutes, as `prometheus/many-portals.yml`
scrapes so many portals. Then each query is asked as Grafana asks it: for this moment, or for each
step of the whole time. The result is in seconds of Prometheus' CPU, the most expensive query first,
beside seconds of the clock, which depend on what else the machine does.
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
from support.prometheus import Prometheus
from support.synthetic import DAY, SyntheticKey, SyntheticPortal, samples

PORTALS, KEYS = 200, 50
SCRAPE_SECONDS: Final = 120
#: The least step over 30 days: Grafana asks for a point a pixel, in round steps.
STEP_SECONDS: Final = 1800
#: A label as the text format writes it.
LABEL: Final = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')
#: Series that queries over the time range read. The others have samples of the last minutes only.
READ: Final = re.compile("docspace_(?!api_key_(?!info|active))|process_")
#: One block for all of the history, and no request that is too old.
FLAGS: Final = (
    "--web.enable-remote-write-receiver",
    "--storage.tsdb.retention.time=90d",
    "--storage.tsdb.min-block-duration=90d",
    "--storage.tsdb.max-block-duration=90d",
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
    """Send the series with constant values by Prometheus' remote write protocol, version 1.

    See prometheus.io/docs/specs/prw/remote_write_spec. The protobuf is written here, since the
    samples of series with one value are the same bytes.
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


def cpu(process: int) -> float:
    """Seconds of CPU that a process has used so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def asked(
    page: dashboards.Dashboard, variables: dict[str, str], now: float, days: float
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(title, path of the API, parameters) of each query, as Grafana sends it."""
    steps = {"start": now - days * DAY, "end": now, "step": STEP_SECONDS}
    moment = {panel["title"] for panel, target in dashboards.targets(page) if target["instant"]}
    for title, expr in dashboards.all_queries(page, variables):
        if re.sub(r": \w+$", "", title) in moment:
            yield title, "query", {"query": expr, "time": now}
        else:
            yield title, "query_range", {"query": expr, **steps}


def main(arguments: Sequence[str]) -> None:
    """Ask each query of both dashboards once."""
    days = float(arguments[0]) if arguments else 30.0
    portals = int(arguments[1]) if len(arguments) > 1 else PORTALS
    program = tools.find("prometheus", "prometheus")
    now = time.time() // STEP_SECONDS * STEP_SECONDS
    span = {
        "__from": f"{(now - days * DAY) * 1000:.0f}",
        "__to": f"{now * 1000:.0f}",
        "__range": f"{days * DAY:.0f}s",
        "__interval": f"{STEP_SECONDS}s",
        "__interval_ms": str(STEP_SECONDS * 1000),
        "__rate_interval": f"{STEP_SECONDS + SCRAPE_SECONDS}s",
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
