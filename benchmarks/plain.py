"""The exporter that a user would write: ``python -m benchmarks.plain URL API_KEY``.

About thirty lines on requests and prometheus-client, with the same series of each key.
"""

import sys
import threading
from collections.abc import Iterator
from datetime import datetime

import requests
from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

LABELS = ("portal", "key_id", "key_name")
GAUGES = ("active", "expiry_timestamp_seconds", "created_timestamp_seconds",
          "last_used_timestamp_seconds", "orphaned", "superseded")  # fmt: skip
INFO = ("key_postfix", "creator", "creator_status", "access", "permissions")


class Keys(Collector):
    """Asks the portal at each scrape."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url + "/api/2.0/keys"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"

    def collect(self) -> Iterator[Metric]:
        """The series of all keys, and their number."""
        keys = self._session.get(self._url, timeout=30).json()["response"]
        info = InfoMetricFamily("docspace_api_key", "An API key.", labels=LABELS)
        gauges = {
            name: GaugeMetricFamily(f"docspace_api_key_{name}", "Of a key.", labels=LABELS)
            for name in GAUGES
        }
        for key in keys:
            labels = ("bench", key["id"], key["name"])
            scopes = ",".join(sorted(key["permissions"]))
            creator = key["createBy"]["displayName"]
            values = (key["keyPostfix"], creator, "active", "limited", scopes)
            info.add_metric(labels, dict(zip(INFO, values, strict=True)))
            numbers = (key["isActive"], _seconds(key["expiresAt"]), _seconds(key["createOn"]),
                       _seconds(key["lastUsed"]), 0, 0)  # fmt: skip
            for name, number in zip(GAUGES, numbers, strict=True):
                gauges[name].add_metric(labels, number)
        yield info
        yield from gauges.values()
        yield GaugeMetricFamily("docspace_api_keys", "Keys.", value=len(keys))


def _seconds(date: str) -> float:
    return datetime.fromisoformat(date).timestamp()


if __name__ == "__main__":
    registry = CollectorRegistry()
    registry.register(Keys(sys.argv[1], sys.argv[2]))
    server, _ = start_http_server(0, "127.0.0.1", registry)
    print(server.server_address[1], flush=True)
    threading.Event().wait()
