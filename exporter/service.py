"""The exporter itself: from a question ("these portals, within so long") to exposition text.

It joins the two rooms that do not know each other, ``docspace`` and ``metrics``, and holds what
outlives a configuration: its own counters.
"""

import itertools
import platform
import threading
from collections.abc import Iterable, Sequence

from prometheus_client import Metric
from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.config import PortalSettings, Settings
from exporter.docspace.fetch import Fetcher
from exporter.docspace.fleet import Fleet
from exporter.docspace.portal import Portal
from exporter.docspace.tls import TLSContexts
from exporter.docspace.transport import Transport
from exporter.metrics.collector import exporter_metrics, portal_metrics
from exporter.metrics.exposition import Format, expose
from exporter.metrics.runtime import Runtime
from exporter.metrics.views import ExporterView, PortalView
from exporter.version import VERSION, revision


class Tally:
    """A counter that any thread may raise."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._value = 0

    def raise_by_one(self) -> None:
        """Count one more."""
        with self._lock:
            self._value += 1

    @property
    def value(self) -> int:
        """The count so far."""
        return self._value


class Exporter:
    """Answers scrapes for the portals of one configuration at a time."""

    def __init__(self, settings: Settings, clock: Clock, log: FilteringBoundLogger) -> None:
        self._clock = clock
        self._log = log
        self._contexts = TLSContexts()
        self._runtime = Runtime()
        self._coalesced = Tally()
        self.faults = Tally()
        self._slots = threading.Semaphore(settings.concurrency)
        self._reload_time = clock.now()
        self.fleet = Fleet([self._portal(portal) for portal in settings.portals], clock)

    def expose(
        self, portals: Sequence[Portal], seconds: float, form: Format, *, own: bool
    ) -> bytes:
        """Observe portals side by side within so many seconds; with ``own``, add our own metrics.

        A portal that fails is part of the answer. Raises nothing but faults of ours.
        """
        observations = self.fleet.observe(portals, seconds)
        now = self._clock.now()
        views = [PortalView.at(observation, now) for observation in observations]
        metrics: Iterable[Metric] = portal_metrics(views)
        if own:
            # Last, so that what this scrape counted is in it.
            metrics = itertools.chain(
                metrics, exporter_metrics(self._view()), self._runtime.collect()
            )
        return expose(metrics, form)

    def close(self) -> None:
        """Close the connections to all portals."""
        for portal in self.fleet.portals:
            portal.close()

    def _portal(self, settings: PortalSettings) -> Portal:
        fetcher = Fetcher(settings, Transport(settings, self._contexts), self._clock)
        count = self._coalesced.raise_by_one
        return Portal(settings, fetcher, self._clock, self._log, self._slots, count)

    def _view(self) -> ExporterView:
        return ExporterView(
            version=VERSION,
            revision=revision(),
            python_version=platform.python_version(),
            reload_successful=True,
            reload_time=self._reload_time,
            coalesced=self._coalesced.value,
            faults=self.faults.value,
        )
