"""A portal at a moment: its last observation, and what its keys are then."""

from dataclasses import dataclass
from functools import cached_property

from exporter.docspace.observation import Observation
from exporter.docspace.state import KeyState, Summary, find_superseded, judge, summarize


@dataclass(frozen=True)
class Snapshot:
    """An observation and what its keys are at ``now``, in Unix seconds.

    ``superseded`` holds the ids of such keys. A portal that is down has no summary and no states.
    """

    observation: Observation
    now: float
    superseded: frozenset[str]
    summary: Summary | None

    @cached_property
    def states(self) -> tuple[KeyState, ...]:
        """The state of each key, in the portal's order. Made when first asked for."""
        listing = self.observation.listing
        if listing is None:
            return ()
        disabled = self.observation.facts.disabled
        return judge(listing.keys, self.now, disabled, self.superseded)

    @classmethod
    def at(cls, observation: Observation, now: float) -> "Snapshot":
        """Judge the observation's keys at ``now``."""
        if observation.listing is None:
            return cls(observation, now, frozenset(), None)
        keys, disabled = observation.listing.keys, observation.facts.disabled
        superseded = find_superseded(keys, now)
        windows = observation.portal.expiring_within
        summary = summarize(keys, now, windows, disabled, superseded)
        return cls(observation, now, superseded, summary)
