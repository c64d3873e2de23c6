"""All configured portals, fetched side by side."""

from collections.abc import Sequence

from exporter.clock import Clock
from exporter.docspace.observation import Observation
from exporter.docspace.portal import Portal

#: Share of a scrape's time in which a fetch may still begin. One that got its slot from a fetch
#: that just hung until the deadline would tell nothing but another timeout.
_START_WITHIN = 0.9


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

        Should there be more portals than slots, one that hangs waits behind those that answer, and
        costs none of them its turn.
        """
        now = self._clock.monotonic()
        deadline = now + seconds
        in_turn = sorted(portals, key=lambda portal: portal.turn)
        flights = {
            portal: portal.begin(deadline, now + seconds * _START_WITHIN) for portal in in_turn
        }
        return [portal.finish(flights[portal], deadline) for portal in portals]
