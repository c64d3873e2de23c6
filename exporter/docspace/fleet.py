"""All configured portals, fetched side by side."""

from collections.abc import Callable, Sequence
from operator import attrgetter

from exporter.clock import Clock
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
        """Observe portals side by side within so many seconds, in the order given.

        Where there are more portals than threads, those that hung last time come last.
        ``each`` gets every observation, one after the other, while more are waited for.
        """
        deadline = self._clock.monotonic() + seconds
        fetches = {portal: portal.begin() for portal in sorted(portals, key=attrgetter("priority"))}
        observed: dict[Portal, Observation] = {}
        for portal, fetch in fetches.items():
            observed[portal] = portal.finish(fetch, deadline)
            each(observed[portal])
        return [observed[portal] for portal in portals]
