"""From snapshots to an exposition: the Prometheus text format and OpenMetrics, plain or gzip.

The lines of keys are kept (see `blocks`); all other lines are rendered each time. The bytes are
those that prometheus-client renders for the same samples.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from threading import Lock
from typing import Any, Literal

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Metric,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import generate_latest as generate_text
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from exporter.docspace.snapshot import Snapshot
from exporter.metrics.blocks import Block, PortalBlocks, PortalLines
from exporter.metrics.catalogue import EXPORTER_ROWS, KEY_ROWS, PORTAL_ROWS, ExporterView
from exporter.metrics.gzipped import Stretch, member, text
from exporter.metrics.lines import Row, Table

Format = Literal["text", "openmetrics"]

_EOF = b"# EOF\n"


def process_metrics() -> Callable[[], Iterable[Metric]]:
    """A function that collects prometheus-client's `process_…`, `python_info`, `python_gc_…`."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry.collect


class Renderer:
    """Renders expositions. Any number of threads may use it at once.

    ``collect`` returns the metrics of the process, which follow the exporter's own.
    """

    def __init__(self, collect: Callable[[], Iterable[Metric]] = lambda: ()) -> None:
        self._collect = collect
        self._exporter = Table(EXPORTER_ROWS, {})
        self._lock = Lock()
        self._blocks: dict[str, PortalBlocks] = {}
        self._names: frozenset[str] | None = None

    def lines(
        self, snapshot: Snapshot, check: Callable[[], None] = lambda: None, *, compressed: bool
    ) -> PortalLines:
        """The lines of one portal. ``check`` is called often, and raises to end the rendering."""
        return self._blocks_of(snapshot).lines(snapshot, check, compressed=compressed)

    def joined(
        self,
        portals: Sequence[PortalLines],
        own: ExporterView | None,
        form: Format,
        *,
        compressed: bool,
    ) -> bytes:
        """The exposition of these portals, and with ``own`` of the exporter.

        With ``compressed`` it is a gzip member. Families without samples are left out.
        """
        parts: list[bytes | Stretch] = [
            *_families(PORTAL_ROWS, [each.families for each in portals], form)
        ]
        parts += _key_families([each.keys for each in portals], form)
        if own is not None:
            parts += _families(EXPORTER_ROWS, [self._exporter.lines(own)], form)
            parts.append(_generated(self._collect(), form))
        if form == "openmetrics":
            parts.append(_EOF)
        return member(parts) if compressed else text(parts)

    def keep(self, names: frozenset[str]) -> None:
        """Forget the lines of all other portals, now and in future."""
        with self._lock:
            self._names = names
            self._blocks = {name: each for name, each in self._blocks.items() if name in names}

    def _blocks_of(self, snapshot: Snapshot) -> PortalBlocks:
        """The kept lines of the snapshot's portal; none if its settings have changed."""
        settings = snapshot.observation.portal
        with self._lock:
            blocks = self._blocks.get(settings.name)
            if blocks is None or blocks.settings != settings:
                blocks = PortalBlocks(settings)
                if self._names is None or settings.name in self._names:
                    self._blocks[settings.name] = blocks
            return blocks


def _families(
    rows: Sequence[Row[Any]], lines: Sequence[list[bytes]], form: Format
) -> Iterator[bytes]:
    """Families; ``lines`` has a list for each portal, with the lines of each row."""
    for number, row in enumerate(rows):
        samples = b"".join([of_subject[number] for of_subject in lines])
        if samples:
            yield _head(row, form) + samples


def _key_families(portals: Sequence[Sequence[Block]], form: Format) -> Iterator[bytes | Stretch]:
    """The families of keys; each portal has a block for each row."""
    for number, row in enumerate(KEY_ROWS):
        parts = [part for of_portal in portals for part in of_portal[number].parts()]
        if any(parts):
            yield _head(row, form)
            yield from parts


@cache
def _head(row: Row[Any], form: Format) -> bytes:
    """The comment lines before the samples of a family, as prometheus-client renders them."""
    suffix = {"counter": "_total", "info": "_info", "gauge": ""}[row.kind]
    name = row.name.removesuffix(suffix)
    unit = "seconds" if name.endswith("_seconds") else ""
    return _generated([Metric(name, row.help, row.kind, unit)], form)


def _generated(metrics: Iterable[Metric], form: Format) -> bytes:
    """Metrics as prometheus-client renders them, without the end of the exposition."""
    if form == "text":
        plain: bytes = generate_text(_Collected(metrics))
        return plain
    ended: bytes = generate_openmetrics(_Collected(metrics))  # type: ignore[no-untyped-call]  # theirs
    return ended.removesuffix(_EOF)


class _Collected(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics
