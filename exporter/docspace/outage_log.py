"""The log of one portal: a line when it goes down, one when it is back.

In between there is a line only where the reason is one that this outage did not have yet.
"""

from structlog.typing import FilteringBoundLogger

from exporter.docspace.errors import PortalError
from exporter.docspace.observation import Observation
from exporter.docspace.wire import Malformed

#: Malformed records of one answer that get a line each.
_SHOWN = 10


class OutageLog:
    """Tells changes, not states. ``log`` is bound to the portal."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._down_since: float | None = None
        self._told: set[str] = set()
        self._malformed: frozenset[Malformed] = frozenset()
        self._people_reason: str | None = None

    def tell(self, observation: Observation, last: Observation | None) -> None:
        """Log what is new in this observation against the last one."""
        error, listing = observation.error, observation.listing
        if error is not None:
            if error.reason not in self._told:
                told = {"reason": error.reason, "error": str(error), "hint": error.hint}
                self._log.warning(
                    "portal is still down" if self._told else "portal is down", **told
                )
            self._told.add(error.reason)
            self._down_since = self._down_since or observation.time
        elif listing is not None:
            if last is None:
                self._log.info("portal answers", keys=len(listing.keys))
            elif self._down_since is not None:
                seconds = round(observation.time - self._down_since)
                self._log.info("portal is back", keys=len(listing.keys), down_seconds=seconds)
            self._down_since = None
            self._told.clear()
            self._tell_malformed(listing.malformed)
            self._log_people(observation.facts.people_error)

    def _log_people(self, error: PortalError | None) -> None:
        """Log that disabled creators are not known, once for each reason in a row."""
        reason = None if error is None else error.reason
        if error is not None and reason != self._people_reason:
            self._log.warning(
                "cannot learn which people are disabled, nor which keys are refused for that",
                reason=reason,
                error=str(error),
                hint="an admin's key with the permission *:read may list people",
            )
        self._people_reason = reason

    def _tell_malformed(self, malformed: tuple[Malformed, ...]) -> None:
        """Log each record that could not be understood once, for as long as it stays so."""
        new = [record for record in malformed if record not in self._malformed]
        for record in new[:_SHOWN]:
            told = {"record": record.where, "problem": record.problem}
            self._log.warning("left out a key that cannot be understood", **told)
        if len(new) > _SHOWN:
            self._log.warning("left out more such keys", count=len(new) - _SHOWN)
        self._malformed = frozenset(malformed)
