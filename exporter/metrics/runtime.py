"""prometheus-client's own metrics of the process, the platform and the garbage collector."""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Metric,
    PlatformCollector,
    ProcessCollector,
)


class Runtime:
    """The collectors, made once; ``collect()`` reads /proc and the interpreter."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def collect(self) -> Iterable[Metric]:
        """The families `process_…`, `python_info` and `python_gc_…`."""
        return self._registry.collect()
