"""The log of one portal: a line when its keys cannot be read, and one when they can again.

Between the two, each further reason is logged once.
"""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from threading import Lock

from structlog.typing import FilteringBoundLogger

from exporter.docspace.errors import PortalError
from exporter.docspace.observation import Observation
from exporter.docspace.wire import KeyList, Malformed

#: Writes a line to the log.
Line = Callable[[], object]


class OutageLog:
    """Decides what to log of each observation: changes, not states.

    The caller holds a lock, but not for `write`, which can block.
    """

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._lines: deque[Line] = deque()
        self._writing = Lock()
        self._warned_of_cut = False
        self._down_since: float | None = None
        self._reasons: set[str] = set()
        self._malformed: frozenset[Malformed] = frozenset()
        self._people_reason: str | None = None

    def note(self, observation: Observation, last: Observation | None) -> None:
        """Add the lines for this observation; ``last`` is the one before it."""
        if observation.error is not None:
            self._lines.extend(self._failure(observation, observation.error))
        elif observation.listing is not None:
            self._lines.extend(self._success(observation, observation.listing, last))

    def note_cut(self, error: PortalError) -> None:
        """Add a line for the first scrape that ended before the fetch."""
        if not self._warned_of_cut:
            self._lines.append(partial(self._log.warning, str(error), hint=error.hint))
            self._warned_of_cut = True

    def write(self) -> None:
        """Write the lines that were added, in their order.

        While another thread writes, it writes these lines too, and this call returns at once.
        """
        # Checked again after the release: a line may be added while the lock is still held.
        while self._lines and self._writing.acquire(blocking=False):
            try:
                while self._lines:
                    self._lines.popleft()()
            finally:
                self._writing.release()

    def _failure(self, observation: Observation, error: PortalError) -> Iterator[Line]:
        if error.reason not in self._reasons:
            message = ("still " if self._reasons else "") + "cannot read the keys of the portal"
            fields = {"reason": error.reason, "error": str(error), "hint": error.hint}
            yield partial(self._log.warning, message, **fields)
        self._reasons.add(error.reason)
        self._down_since = self._down_since or observation.time

    def _success(
        self, observation: Observation, listing: KeyList, last: Observation | None
    ) -> Iterator[Line]:
        keys = len(listing.keys)
        if last is None:
            yield partial(self._log.info, "portal answers", keys=keys)
        elif self._down_since is not None:
            seconds = round(observation.time - self._down_since)
            message = "can read the keys of the portal again"
            yield partial(self._log.info, message, keys=keys, down_seconds=seconds)
        self._down_since = None
        self._reasons.clear()
        yield from self._malformed_records(listing)
        yield from self._people(observation.facts.people_error)

    def _malformed_records(self, listing: KeyList) -> Iterator[Line]:
        """One line for each malformed record that the last list did not have."""
        new = [record for record in listing.malformed if record not in self._malformed]
        for record in new:
            message = "left out a record that is not a valid key"
            fields = {"record": record.where, "problem": record.problem}
            yield partial(self._log.warning, message, **fields)
        if new and listing.more_malformed:
            more = listing.more_malformed
            yield partial(self._log.warning, "left out more such records", count=more)
        self._malformed = frozenset(listing.malformed)

    def _people(self, error: PortalError | None) -> Iterator[Line]:
        """A line where the list of disabled people cannot be read, for a reason not logged last."""
        reason = None if error is None else error.reason
        if error is not None and reason != self._people_reason:
            message = (
                "cannot read which people are disabled: their keys are not recognized as refused"
            )
            hint = "an admin's key with the permission *:read may list people"
            yield partial(self._log.warning, message, reason=reason, error=str(error), hint=hint)
        self._people_reason = reason
