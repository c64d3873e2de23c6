"""All configured portals, fetched side by side."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from operator import attrgetter

from exporter.clock import Clock
from exporter.docspace.fetch import Fetch
from exporter.docspace.observation import Observation
from exporter.docspace.portal import Portal


class Fleet:
    """The portals of one configuration, in its order."""

    def __init__(self, portals: Sequence[Portal], clock: Clock) -> None:
        self._portals = {portal.settings.name: portal for portal in portals}
        self._clock = clock

    @property
    def portals(self) -> tuple[Portal, ...]:
        """Every portal, in the order of the configuration."""
        return tuple(self._portals.values())

    def named(self, name: str) -> Portal | None:
        """The portal of this name."""
        return self._portals.get(name)

    def observe(
        self,
        portals: Sequence[Portal],
        seconds: float,
        each: Callable[[Observation], None] = lambda _: None,
    ) -> list[Observation]:
        """One observation of each portal, in the order given, within ``seconds``.

        The portals are fetched side by side. With more portals than threads, those that hung last
        time get a thread last. ``each`` is called with an observation as soon as it is there.
        """
        deadline = self._clock.monotonic() + seconds
        fetches = {portal: portal.begin() for portal in sorted(portals, key=attrgetter("priority"))}
        observed: dict[Portal, Observation] = {}
        for portal in _as_they_end(fetches, deadline - self._clock.monotonic()):
            observed[portal] = portal.finish(fetches[portal], deadline)
            each(observed[portal])
        return [observed[portal] for portal in portals]


def _as_they_end(fetches: Mapping[Portal, Fetch], seconds: float) -> Iterator[Portal]:
    """Each portal when its fetch ends; after ``seconds`` all others."""
    waiting = {fetch.result: portal for portal, fetch in fetches.items()}
    with contextlib.suppress(TimeoutError):
        for result in as_completed(tuple(waiting), min(seconds, threading.TIMEOUT_MAX)):
            yield waiting.pop(result)
    yield from waiting.values()
