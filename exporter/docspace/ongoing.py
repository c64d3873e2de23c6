"""A fetch while scrapes wait for it, and what the fetches of all portals share."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.config import PortalSettings
from exporter.docspace.deadline import Alarm
from exporter.docspace.fetch import Fetcher
from exporter.docspace.observation import Observation
from exporter.docspace.workers import Job, Workers


@dataclass(slots=True, eq=False)
class Fetch:
    """A fetch that waits for a thread, is under way, or is done.

    ``settings`` are the portal's when it began. ``waiting`` counts scrapes. ``early`` is a success
    without what is asked after the key list.
    """

    settings: PortalSettings
    fetcher: Fetcher | None = None
    began: float = 0.0
    started: float | None = None
    waiting: int = 1
    job: Job | None = None
    early: Observation | None = None
    result: "Future[Observation]" = field(default_factory=Future)

    @classmethod
    def done(cls, observation: Observation) -> "Fetch":
        """One whose result is there already."""
        fetch = cls(observation.portal)
        fetch.result.set_result(observation)
        return fetch


@dataclass(frozen=True, slots=True)
class Shared:
    """What the portals of an exporter share.

    ``coalesced`` is called for each scrape that needed no request of its own because another's
    serves it, ``fault`` for each internal error.
    """

    clock: Clock
    log: FilteringBoundLogger
    workers: Workers
    alarm: Alarm
    coalesced: Callable[[], None]
    fault: Callable[[], None]
