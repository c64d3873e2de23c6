"""The exposition without any optimization, by the classes of prometheus-client."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from prometheus_client import Metric
from prometheus_client.exposition import generate_latest as generate_text
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from exporter.docspace.snapshot import Snapshot
from exporter.metrics.catalogue import (
    EXPORTER_ROWS,
    KEY_ROWS,
    PORTAL_ROWS,
    ExporterView,
    KeyView,
)
from exporter.metrics.exposition import Format
from exporter.metrics.lines import Row, V

#: The labels that all rows of a table have, with those of the configuration, and a row's argument.
Subject = tuple[Mapping[str, str], V]


def exposition(snapshots: Sequence[Snapshot], own: ExporterView | None, form: Format) -> bytes:
    """What `Renderer.expose` must return, without the metrics of the process."""
    families = chain(portal_metrics(snapshots), exporter_metrics(own) if own else ())
    collector = _Collected([family for family in families if family.samples])
    text: bytes = (generate_text if form == "text" else generate_openmetrics)(collector)
    return text


class _Collected(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def portal_metrics(snapshots: Sequence[Snapshot]) -> Iterator[Metric]:
    """The families of all portals, each family once across them."""
    portals = [(_portal_labels(snapshot), snapshot) for snapshot in snapshots]
    keys = [subject for snapshot in snapshots for subject in _keys(snapshot)]
    for portal_row in PORTAL_ROWS:
        yield _family(portal_row, portals)
    for key_row in KEY_ROWS:
        yield _family(key_row, keys)


def _portal_labels(snapshot: Snapshot) -> dict[str, str]:
    return {**dict(snapshot.observation.portal.labels), "portal": snapshot.observation.portal.name}


def _keys(snapshot: Snapshot) -> Iterator[Subject[KeyView]]:
    shared = _portal_labels(snapshot)
    withhold = snapshot.observation.portal.withhold
    for state in snapshot.states:
        name = "" if "key_name" in withhold else state.key.name
        labels = {**shared, "key_id": state.key.id, "key_name": name}
        yield labels, KeyView(state.key, state.superseded, state.creator_status, withhold)


def exporter_metrics(view: ExporterView) -> Iterator[Metric]:
    """The families of the exporter itself."""
    for row in EXPORTER_ROWS:
        yield _family(row, [({}, view)])


def _family(row: Row[V], subjects: Iterable[Subject[V]]) -> Metric:
    """One family with all its samples.

    Raises ValueError if a row yields more or fewer label values than it has labels:
    prometheus-client ignores surplus values.
    """
    name, suffix = _family_name(row)
    unit = "seconds" if name.endswith("_seconds") else ""
    metric = Metric(name, row.help, row.kind, unit)
    for labels, subject in subjects:
        for values, number in row.samples(subject):
            own = dict(zip(row.labels, values, strict=True))
            metric.add_sample(name + suffix, {**labels, **own}, float(number))
    return metric


def _family_name(row: Row[V]) -> tuple[str, str]:
    """A family's name, and the suffix of its samples."""
    suffix = {"counter": "_total", "info": "_info", "gauge": ""}[row.kind]
    return row.name.removesuffix(suffix), suffix
