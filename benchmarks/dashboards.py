"""What each query of the dashboards costs a real Prometheus that holds 10,000 keys in 200 portals.

`python benchmarks/dashboards.py` prints seconds of Prometheus' CPU and of the clock, the most
expensive first. Only the CPU counts on a machine that does other things too.
"""

import json
import os
import random
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import dashboards
from support import tools
from support.prometheus import Prometheus, eventually, scrape_config
from support.synthetic import DAY, SyntheticKey, SyntheticPortal, synthetic

PORTALS, KEYS = 200, 50


def fleet(chance: random.Random) -> list[SyntheticPortal]:
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
        for p in range(PORTALS)
    ]


def cpu(process: int) -> float:
    """Seconds of CPU that a process has used so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Ask each query of the main dashboard once, at this moment."""
    main_page = dashboards.load(dashboards.MAIN)
    variables = dashboards.defaults(main_page) | {"__rate_interval": "4m", "__range": "3600s"}
    program = tools.find("prometheus", "prometheus")
    found = []
    with (
        tempfile.TemporaryDirectory() as folder,
        synthetic(fleet(random.Random(1))) as target,  # noqa: S311 - no secret
        Prometheus(program, Path(folder), scrape_config([target], "55s")) as prometheus,
    ):
        eventually(lambda: prometheus.values("docspace_api_key_info"), bool, 120.0)
        time.sleep(5)  # for the rest of the scrape
        for title, expr in dashboards.all_queries(main_page, variables):
            query = urllib.parse.urlencode({"query": expr}).encode()
            used, began = cpu(prometheus.pid), time.monotonic()
            with urllib.request.urlopen(f"{prometheus.url}/api/v1/query", query) as answer:
                rows = len(json.load(answer)["data"]["result"])
            found.append((cpu(prometheus.pid) - used, time.monotonic() - began, rows, title))
    print(f"{'cpu s':>6} {'s':>6} {'rows':>5}  query")
    for used, took, rows, title in sorted(found, reverse=True):
        print(f"{used:6.2f} {took:6.2f} {rows:5}  {title}")


if __name__ == "__main__":
    main()
