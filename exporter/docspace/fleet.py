"""All configured portals, fetched side by side."""

from collections.abc import Sequence

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

    def observe(self, portals: Sequence[Portal], seconds: float) -> list[Observation]:
        """Observe portals side by side within so many seconds, in the order given.

        Those that answered quickly last time go first: should there be more portals than slots,
        one that hangs waits behind those that answer, and costs none of them its turn.
        """
        deadline = self._clock.monotonic() + seconds
        flights = {portal: portal.begin(deadline) for portal in sorted(portals, key=_last_duration)}
        return [portal.finish(flights[portal], deadline) for portal in portals]


def _last_duration(portal: Portal) -> float:
    return portal.last.duration if portal.last else 0.0
