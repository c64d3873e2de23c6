"""The disabled people: read page by page, so that it never costs the key list its time.

A key acts as its creator, so the portal refuses a key whose creator is disabled. The key list does
not show that; ``GET /api/2.0/people/filter`` does, to an admin.
"""

from collections.abc import Callable
from typing import NamedTuple

from exporter.docspace.errors import InvalidResponse, PortalError, TooLarge, detached
from exporter.docspace.wire import PeoplePage

#: The most people that the server puts on a page; to ask for more is a 400.
PAGE = 100
#: Pages read after one fetch of the key list. Each costs the portal about 40 ms of CPU.
PAGES_A_FETCH = 5
#: Pages of a portal at most. With more disabled people than fit, no creator's status is known.
MAX_PAGES = 200
#: Seconds after which a failure is tried again.
RETRY_SECONDS = 60.0

_PATH = "/api/2.0/people/filter?employeeStatus=2&fields=id,status"


class Disabled(NamedTuple):
    """Ids of all disabled people, or None and the error that keeps them unknown, if one does."""

    ids: frozenset[str] | None = None
    error: PortalError | None = None


class DisabledPeople:
    """Reads the list of disabled people in rounds, ``interval`` seconds apart.

    A round of many pages is spread over several fetches of the key list, and the next one is as
    many intervals away. What one round found stays until the next is complete or fails: a list
    that is half read is not used.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._due = float("-inf")
        self.forget()

    def forget(self) -> None:
        """Know nothing, and ask again at the next opportunity."""
        self._disabled = Disabled()
        self._due = float("-inf")
        self._start_round()

    def read(
        self, page: Callable[[str], PeoplePage | None], monotonic: Callable[[], float]
    ) -> Disabled:
        """Read what is due, and return what is known.

        ``page`` gets the page at a path. It raises PortalError, and returns None where no time is
        left: the round goes on at the next call.
        """
        if monotonic() < self._due:
            return self._disabled
        try:
            for _ in range(PAGES_A_FETCH):
                found = page(f"{_PATH}&count={PAGE}&startIndex={self._read}")
                if found is None:
                    break
                self._add(found)
                if self._complete(found):
                    self._end_round(Disabled(frozenset(self._ids)), monotonic())
                    break
        except TooLarge as exc:
            self._end_round(Disabled(error=detached(exc)), monotonic())
        except PortalError as exc:
            self._disabled = Disabled(error=detached(exc))
            self._due = monotonic() + RETRY_SECONDS
            self._start_round()
        return self._disabled

    def _start_round(self) -> None:
        self._ids: set[str] = set()
        self._read = 0
        self._pages = 0

    def _end_round(self, disabled: Disabled, now: float) -> None:
        self._disabled = disabled
        self._due = now + self._interval * max(-(-self._pages // PAGES_A_FETCH), 1)
        self._start_round()

    def _add(self, page: PeoplePage) -> None:
        self._pages += 1
        self._read += page.count
        self._ids |= page.disabled

    def _complete(self, page: PeoplePage) -> bool:
        """Whether this page was the last one. Raises InvalidResponse where people are missing."""
        total = page.total
        if page.count >= PAGE and (total is None or self._read < total):
            if self._pages >= MAX_PAGES:
                raise TooLarge(f"more than {MAX_PAGES * PAGE} disabled people")
            return False
        if total is not None and self._read < total:
            raise InvalidResponse(f"got {self._read} of {total} disabled people")
        return True
