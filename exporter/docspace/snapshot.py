"""A portal at a moment: its last observation, and what its keys are then."""

from dataclasses import dataclass

from exporter.docspace.observation import Observation
from exporter.docspace.state import KeyState, Summary, judge, summarize


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An observation and what its keys are at a moment; no states where the portal is down."""

    observation: Observation
    states: tuple[KeyState, ...]
    summary: Summary | None

    @property
    def name(self) -> str:
        """The value of the `portal` label."""
        return self.observation.portal.name

    @classmethod
    def at(cls, observation: Observation, now: float) -> "Snapshot":
        """Judge the observation's keys at ``now``, in Unix seconds."""
        if observation.listing is None:
            return cls(observation, (), None)
        states = judge(observation.listing.keys, now, observation.facts.disabled)
        return cls(observation, states, summarize(states, observation.portal.expiring_within))
