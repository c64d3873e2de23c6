"""The exporter itself: from some portals and a time limit to exposition text.

It joins ``docspace``, which fetches, and ``metrics``, which renders. Its own counters and the
unchanged portals are kept when the configuration is reloaded.
"""

import platform
import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from weakref import WeakValueDictionary

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.config import ConfigError, PortalSettings, Settings
from exporter.docspace.deadline import Alarm
from exporter.docspace.errors import CutShort, InternalError, detached
from exporter.docspace.fetch import Fetcher
from exporter.docspace.fleet import Fleet
from exporter.docspace.observation import Observation
from exporter.docspace.portal import Portal, Shared
from exporter.docspace.snapshot import Snapshot
from exporter.docspace.tls import TLSContexts
from exporter.docspace.transport import Transport
from exporter.docspace.workers import Workers
from exporter.metrics.blocks import PortalLines
from exporter.metrics.catalogue import ExporterView
from exporter.metrics.exposition import Format, Renderer, process_metrics
from exporter.version import VERSION, revision

#: Seconds for rendering one portal, also past the deadline of the scrape: enough for some hundred
#: keys, so that a large portal does not cost the series of small ones.
_RENDERING = 0.02
#: Seconds past the deadline after which no portal is rendered. The scraper gives up after 0.5 s.
_GRACE = 0.25


class Tally:
    """A counter for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._value = 0

    def raise_by_one(self) -> None:
        """Add one."""
        with self._lock:
            self._value += 1

    @property
    def value(self) -> int:
        """The count so far."""
        return self._value


class _SharedBody:
    """The exposition for all scrapes at the same time with the same observations."""

    def __init__(self, observations: Sequence[Observation]) -> None:
        self.observations = observations  # kept alive, since their ids are the key
        self.lock = threading.Lock()
        self.body: bytes | None = None


class Exporter:
    """Answers scrapes for the portals of one configuration at a time.

    ``load`` returns the configuration, now and at each reload. It raises ConfigError, which the
    constructor does not handle.
    """

    def __init__(
        self, load: Callable[[], Settings], clock: Clock, log: FilteringBoundLogger
    ) -> None:
        self._load = load
        self._clock = clock
        self._log = log
        self._contexts = TLSContexts()
        self._renderer = Renderer(process_metrics())
        self._coalesced = Tally()
        self.faults = Tally()
        self.rejected = Tally()
        self._reloading = threading.Lock()
        self._sharing = threading.Lock()
        self._bodies: WeakValueDictionary[Hashable, _SharedBody] = WeakValueDictionary()
        settings = load()
        self.source = settings.source
        self._shared = Shared(
            clock=clock,
            log=log,
            workers=Workers(settings.concurrency, self._fault),
            alarm=Alarm(self._fault),
            coalesced=self._coalesced.raise_by_one,
            fault=self.faults.raise_by_one,
        )
        self._reload_successful = True
        self._reload_time = clock.now()
        self.fleet = Fleet([self._portal(portal) for portal in settings.portals], clock)

    def expose(
        self,
        portals: Sequence[Portal],
        seconds: float,
        form: Format,
        *,
        own: bool,
        compressed: bool = False,
    ) -> bytes:
        """Fetch from portals side by side within ``seconds``, and render the result.

        With ``own`` the exporter's own metrics are added. A portal that fails, or whose keys cannot
        be rendered in time, is part of the answer. Scrapes with the same observations at the same
        time share the bytes. Raises only internal errors.
        """
        deadline = self._clock.monotonic() + seconds
        rendered: dict[int, tuple[Observation, PortalLines]] = {}

        def render(observation: Observation) -> None:
            rendered[id(observation)] = self._rendered(observation, deadline, compressed=compressed)

        observed = self.fleet.observe(portals, seconds, render)
        shown = [rendered[id(observation)] for observation in observed]
        shared = self._shared_body([each for each, _ in shown], (form, own, compressed))
        with shared.lock:
            if shared.body is None:
                lines = [each for _, each in shown]
                view = self._view() if own else None
                shared.body = self._renderer.joined(lines, view, form, compressed=compressed)
            return shared.body

    def _rendered(
        self, observation: Observation, deadline: float, *, compressed: bool
    ) -> tuple[Observation, PortalLines]:
        """The observation with its lines; without its keys if these are not ready in time.

        The lines rendered by the deadline are kept, so that the next scrape renders the rest.
        """
        latest = max(deadline, min(self._clock.monotonic() + _RENDERING, deadline + _GRACE))

        def check() -> None:
            if self._clock.monotonic() > latest:
                raise CutShort("the scrape ended before all keys of the portal were rendered")

        now = self._clock.now()
        try:
            if observation.listing is not None:
                check()
            snapshot = Snapshot.at(observation, now)
            return observation, self._renderer.lines(snapshot, check, compressed=compressed)
        except CutShort as exc:
            self._log.warning(str(exc), portal=observation.portal.name, hint=exc.hint)
            cut = replace(observation, listing=None, own_key=None, error=detached(exc))
        return cut, self._renderer.lines(Snapshot.at(cut, now), compressed=compressed)

    def reload(self) -> None:
        """Load the configuration again, and use all of it or nothing.

        A portal with the same name and address keeps its counters and back-off, and with unchanged
        settings its connections. If a portal is new or has changed settings, a fetch starts at
        once. Raises ConfigError; then the old configuration stays in force.
        """
        with self._reloading:
            try:
                settings = self._load()
            except ConfigError as exc:
                self._reload_successful = False
                for problem in exc.problems:
                    self._log.error("cannot reload the configuration", problem=problem)
                raise
            old = {portal.settings for portal in self.fleet.portals}
            known = {_identity(portal.settings): portal for portal in self.fleet.portals}
            kept = [self._kept(known.pop(_identity(new), None), new) for new in settings.portals]
            self._shared.workers.resize(settings.concurrency)
            self.fleet = Fleet(kept, self._clock)
            names = frozenset(portal.settings.name for portal in kept)
            self._renderer.keep(names)
            self._contexts.keep(frozenset(portal.settings.tls for portal in kept))
            self._reload_successful = True
            self._reload_time = self._clock.now()
            self.source = settings.source
            self._log.info("configuration reloaded", source=self.source, portals=len(kept))
        for gone in known.values():
            gone.close()
        self._begin(portal for portal in kept if portal.settings not in old)

    def ask_first(self) -> None:
        """Begin a fetch from each portal, so that problems are logged before the first scrape.

        It returns at once. Scrapes during the fetch, or within `min_interval`, get its result.
        """
        self._begin(self.fleet.portals)

    def _begin(self, portals: Iterable[Portal]) -> None:
        for portal in portals:
            portal.begin(waits=False)

    def close(self) -> None:
        """Close the connections to all portals, and end the idle threads."""
        for portal in self.fleet.portals:
            portal.close()
        self._shared.workers.close()

    def _fault(self, exc: BaseException) -> None:
        """Count and log an internal error of a thread that continues."""
        self.faults.raise_by_one()
        error = InternalError(exc)
        self._log.error("internal error", error=error.fault, place=error.place)

    def _shared_body(self, observations: Sequence[Observation], kind: Hashable) -> _SharedBody:
        """The body shared by all scrapes of this kind with these observations at this time."""
        key = tuple(map(id, observations)), kind
        with self._sharing:
            shared = self._bodies.get(key)
            if shared is None:
                shared = self._bodies[key] = _SharedBody(observations)
            return shared

    def _kept(self, portal: Portal | None, settings: PortalSettings) -> Portal:
        """The known portal with these settings, or a new one."""
        if portal is None:
            return self._portal(settings)
        if portal.settings != settings:
            portal.reconfigure(settings)
        return portal

    def _portal(self, settings: PortalSettings) -> Portal:
        return Portal(settings, self._fetcher, self._shared)

    def _fetcher(self, settings: PortalSettings) -> Fetcher:
        transport = Transport(settings, self._contexts, self._clock, self._shared.alarm)
        return Fetcher(settings, transport, self._clock)

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


def _identity(settings: PortalSettings) -> tuple[str, str]:
    """The settings that make it the same portal after a reload."""
    return settings.name, settings.url
