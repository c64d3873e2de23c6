"""What the rows of the catalogue look at: a portal at a moment, one of its keys, the exporter."""

from dataclasses import dataclass

from exporter.docspace.observation import Observation
from exporter.docspace.state import KeyState, Summary, judge, summarize


@dataclass(frozen=True, slots=True)
class PortalView:
    """An observation and what its keys are at a moment; no states where the portal is down."""

    observation: Observation
    states: tuple[KeyState, ...]
    summary: Summary | None

    @property
    def name(self) -> str:
        """The value of the `portal` label."""
        return self.observation.portal.name

    @classmethod
    def at(cls, observation: Observation, now: float) -> "PortalView":
        """Judge the observation's keys at ``now``, in Unix seconds."""
        if observation.listing is None:
            return cls(observation, (), None)
        states = judge(observation.listing.keys, now)
        return cls(observation, states, summarize(states, observation.portal.expiring_within))


@dataclass(frozen=True, slots=True)
class ExporterView:
    """The exporter itself. ``reload_time`` is Unix seconds of the last reload that succeeded."""

    version: str
    revision: str
    python_version: str
    reload_successful: bool
    reload_time: float
    coalesced: int
    faults: int
    rejected: int
