"""Walks the catalogue: views in, metric families of prometheus-client out."""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import Metric

from exporter.docspace.snapshot import Snapshot
from exporter.metrics.catalogue import EXPORTER_ROWS, KEY_ROWS, PORTAL_ROWS, ExporterView, Row, V

PORTAL_LABELS = ("portal",)
KEY_LABELS = ("portal", "key_id", "key_name")

#: Values of the labels that a table's rows share, and what the row looks at.
Subject = tuple[tuple[str, ...], V]


def portal_metrics(views: Sequence[Snapshot]) -> Iterator[Metric]:
    """The families of all portals, each family once across them."""
    portals = [((view.name,), view) for view in views]
    keys = [
        ((view.name, state.key.id, state.key.name), state)
        for view in views
        for state in view.states
    ]
    for portal_row in PORTAL_ROWS:
        yield _family(portal_row, PORTAL_LABELS, portals)
    for key_row in KEY_ROWS:
        yield _family(key_row, KEY_LABELS, keys)


def exporter_metrics(view: ExporterView) -> Iterator[Metric]:
    """The families of the exporter itself."""
    for row in EXPORTER_ROWS:
        yield _family(row, (), [((), view)])


def _family(row: Row[V], labels: tuple[str, ...], subjects: Iterable[Subject[V]]) -> Metric:
    """One family with all its samples.

    Raises ValueError where a row yields more or fewer label values than it has labels:
    prometheus-client itself would drop the surplus without a word.
    """
    name, suffix = _family_name(row)
    unit = "seconds" if name.endswith("_seconds") else ""
    metric = Metric(name, row.help, row.kind, unit)
    names = labels + row.labels
    for values, subject in subjects:
        for own_values, number in row.samples(subject):
            pairs = dict(zip(names, values + own_values, strict=True))
            metric.add_sample(name + suffix, pairs, float(number))
    return metric


def _family_name(row: Row[V]) -> tuple[str, str]:
    """A family's name and the suffix of its samples, which OpenMetrics keeps apart."""
    suffix = {"counter": "_total", "info": "_info", "gauge": ""}[row.kind]
    return row.name.removesuffix(suffix), suffix
