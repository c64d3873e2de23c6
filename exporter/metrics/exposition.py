"""Metric families to bytes: the Prometheus text format and OpenMetrics."""

from collections.abc import Iterable
from typing import Literal

from prometheus_client import Metric
from prometheus_client.exposition import generate_latest as generate_text
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

Format = Literal["text", "openmetrics"]


def expose(metrics: Iterable[Metric], form: Format) -> bytes:
    """The exposition of these families. Families without samples are left out."""
    collector = _Collected([metric for metric in metrics if metric.samples])
    generate = generate_text if form == "text" else generate_openmetrics
    text: bytes = generate(collector)
    return text


class _Collected(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics
