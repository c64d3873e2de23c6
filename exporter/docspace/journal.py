"""The log of one portal: a line when it goes down, one when it is back, none in between."""

from structlog.typing import FilteringBoundLogger

from exporter.docspace.observation import Observation
from exporter.docspace.wire import Malformed


class Journal:
    """Tells changes, not states. ``log`` is bound to the portal."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._down_since: float | None = None
        self._malformed: frozenset[Malformed] = frozenset()

    def tell(self, observation: Observation, last: Observation | None) -> None:
        """Log what is new in this observation against the last one."""
        error, listing = observation.error, observation.listing
        if error is not None:
            if self._down_since is None:
                self._down_since = observation.time
                told = {"reason": error.reason, "error": str(error), "hint": error.hint}
                self._log.warning("portal is down", **told)
        elif listing is not None:
            if last is None:
                self._log.info("portal answers", keys=len(listing.keys))
            elif self._down_since is not None:
                seconds = round(observation.time - self._down_since)
                self._log.info("portal is back", keys=len(listing.keys), down_seconds=seconds)
            self._down_since = None
            self._tell_malformed(listing.malformed)

    def _tell_malformed(self, malformed: tuple[Malformed, ...]) -> None:
        """Log each record that could not be understood once, for as long as it stays so."""
        for record in malformed:
            if record not in self._malformed:
                told = {"record": record.where, "problem": record.problem}
                self._log.warning("left out a key that cannot be understood", **told)
        self._malformed = frozenset(malformed)
