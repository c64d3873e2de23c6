"""A portal at a moment: an observation, and the states of its keys at that moment."""

from dataclasses import dataclass
from functools import cached_property

from exporter.docspace.observation import Observation
from exporter.docspace.state import KeyState, Summary, find_superseded, judge, summarize


@dataclass(frozen=True)
class Snapshot:
    """An observation at ``now`` (Unix seconds).

    ``superseded`` holds ids of keys. Without a key list, ``summary`` is None and ``states`` empty.
    """

    observation: Observation
    now: float
    superseded: frozenset[str]
    summary: Summary | None

    @cached_property
    def states(self) -> tuple[KeyState, ...]:
        """The state of each key, in the portal's order."""
        listing = self.observation.listing
        if listing is None:
            return ()
        disabled = self.observation.facts.disabled
        return judge(listing.keys, self.now, disabled, self.superseded)

    @classmethod
    def at(cls, observation: Observation, now: float) -> "Snapshot":
        """The snapshot of an observation at ``now``, in Unix seconds."""
        if observation.listing is None:
            return cls(observation, now, frozenset(), None)
        keys, disabled = observation.listing.keys, observation.facts.disabled
        superseded = find_superseded(keys, now)
        windows = observation.portal.expiring_within
        summary = summarize(keys, now, windows, disabled, superseded)
        return cls(observation, now, superseded, summary)
