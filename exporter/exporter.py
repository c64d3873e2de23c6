"""The exporter itself: from a question ("these portals, within so long") to exposition text.

It joins the two rooms that do not know each other, ``docspace`` and ``metrics``, and holds what
outlives a configuration: its own counters, and the portals that a reload did not change.
"""

import itertools
import platform
import threading
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import Metric
from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.config import ConfigError, PortalSettings, Settings
from exporter.docspace.fetch import Fetcher
from exporter.docspace.fleet import Fleet
from exporter.docspace.portal import Portal
from exporter.docspace.slots import Slots
from exporter.docspace.snapshot import Snapshot
from exporter.docspace.tls import TLSContexts
from exporter.docspace.transport import Transport
from exporter.metrics.catalogue import ExporterView
from exporter.metrics.collector import exporter_metrics, portal_metrics
from exporter.metrics.exposition import Format, expose
from exporter.metrics.runtime import Runtime
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
    """Answers scrapes for the portals of one configuration at a time.

    ``load`` gives the configuration, now and at each reload; it raises ConfigError, which the
    first time is the caller's to handle.
    """

    def __init__(
        self, load: Callable[[], Settings], clock: Clock, log: FilteringBoundLogger
    ) -> None:
        self._load = load
        self._clock = clock
        self._log = log
        self._contexts = TLSContexts()
        self._runtime = Runtime()
        self._coalesced = Tally()
        self.faults = Tally()
        self.rejected = Tally()
        self._reloading = threading.Lock()
        settings = load()
        self._slots = Slots(settings.concurrency)
        self._reload_successful = True
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
        views = [Snapshot.at(observation, now) for observation in observations]
        metrics: Iterable[Metric] = portal_metrics(views)
        if own:
            # Last, so that what this scrape counted is in it.
            ours = exporter_metrics(self._view()), self._runtime.collect()
            metrics = itertools.chain(metrics, *ours)
        return expose(metrics, form)

    def reload(self) -> None:
        """Load the configuration again: all of it, or nothing.

        A portal whose settings did not change stays as it is, with its connections, counters and
        back-off. Raises ConfigError; then everything goes on as before.
        """
        with self._reloading:
            try:
                settings = self._load()
            except ConfigError as exc:
                self._reload_successful = False
                for problem in exc.problems:
                    self._log.error("cannot reload the configuration", problem=problem)
                raise
            known = {portal.settings: portal for portal in self.fleet.portals}
            kept = [
                known.pop(new) if new in known else self._portal(new) for new in settings.portals
            ]
            self._slots.resize(settings.concurrency)
            self.fleet = Fleet(kept, self._clock)
            self._reload_successful = True
            self._reload_time = self._clock.now()
            self._log.info("configuration reloaded", portals=len(kept))
        for gone in known.values():
            gone.close()

    def close(self) -> None:
        """Close the connections to all portals."""
        for portal in self.fleet.portals:
            portal.close()

    def _portal(self, settings: PortalSettings) -> Portal:
        fetcher = Fetcher(settings, Transport(settings, self._contexts, self._clock), self._clock)
        count = self._coalesced.raise_by_one
        return Portal(settings, fetcher, self._clock, self._log, self._slots, count)

    def _view(self) -> ExporterView:
        return ExporterView(
            version=VERSION,
            revision=revision(),
            python_version=platform.python_version(),
            reload_successful=self._reload_successful,
            reload_time=self._reload_time,
            coalesced=self._coalesced.value,
            faults=self.faults.value,
            rejected=self.rejected.value,
        )
