"""What somebody would write in an hour: the same series, with requests and prometheus-client.

    python benchmarks/plain.py URL KEY

It listens on a free port of 127.0.0.1 and prints that. What it lacks is everything but the figures.
"""

import sys
from collections.abc import Iterator
from datetime import datetime

import requests
from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

LABELS = ("portal", "key_id", "key_name")
DATES = {"expiry": "expiresAt", "created": "createOn", "last_used": "lastUsed"}


class Keys(Collector):
    """One portal."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.session = url + "/api/2.0/keys", requests.Session()
        self.session.headers["Authorization"] = f"Bearer {key}"

    def collect(self) -> Iterator[Metric]:
        """Ask the portal, and make metrics of its keys."""
        keys = self.session.get(self.url, timeout=10).json()["response"]
        newest = {}
        for key in sorted(keys, key=lambda key: key["createOn"]):
            newest[key["createBy"]["id"], key["name"]] = key["id"]
        info = InfoMetricFamily("docspace_api_key", "An API key.", labels=LABELS)
        values = {
            name: GaugeMetricFamily(f"docspace_api_key_{name}", "Of an API key.", labels=LABELS)
            for name in ("active", "orphaned", "superseded")
        }
        for name in DATES:
            full = f"docspace_api_key_{name}_timestamp_seconds"
            values[name] = GaugeMetricFamily(full, "Of an API key.", labels=LABELS)
        for key in keys:
            labels, creator = ("bench", key["id"], key["name"]), key["createBy"]
            about = {"key_postfix": key["keyPostfix"], "creator": creator["displayName"]}
            about["permissions"] = ",".join(sorted(key["permissions"]))
            about |= {"creator_status": "active", "access": "limited"}
            info.add_metric(labels, about)
            values["active"].add_metric(labels, key["isActive"])
            values["orphaned"].add_metric(labels, 0)
            values["superseded"].add_metric(labels, newest[creator["id"], key["name"]] != key["id"])
            for name, field in DATES.items():
                if field in key:
                    moment = datetime.fromisoformat(key[field]).timestamp()
                    values[name].add_metric(labels, moment)
        yield info
        yield from values.values()
        yield GaugeMetricFamily("docspace_up", "Whether it answered.", value=1)
        yield GaugeMetricFamily("docspace_api_keys", "API keys.", value=len(keys))


registry = CollectorRegistry()
registry.register(Keys(sys.argv[1], sys.argv[2]))
server, _ = start_http_server(0, "127.0.0.1", registry)
print(server.server_port, flush=True)
sys.stdin.read()
