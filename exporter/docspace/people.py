"""The disabled people, read page by page over several fetches.

The portal refuses a key whose creator is disabled. The key list does not show that, but
``GET /api/2.0/people/filter`` does, with an admin's key.
"""

from collections.abc import Callable
from typing import NamedTuple

from exporter.docspace.errors import InvalidResponse, PortalError, TooLarge, detached
from exporter.docspace.wire import PeoplePage

#: People on a page: a request for more is a 400.
PAGE = 100
#: Most pages read after one fetch of the key list. Each costs the portal about 40 ms of CPU.
PAGES_A_FETCH = 5
#: Most pages of a portal. With more disabled people, no creator's status is known.
MAX_PAGES = 200
#: Seconds between a failed request and the next one.
RETRY_SECONDS = 60.0

_PATH = "/api/2.0/people/filter?employeeStatus=2&fields=id,status"


class Disabled(NamedTuple):
    """The ids of all disabled people; None if unknown, perhaps because of an error."""

    ids: frozenset[str] | None = None
    error: PortalError | None = None


class DisabledPeople:
    """Reads the list of disabled people in rounds, ``interval`` seconds apart.

    A round of many pages needs several fetches of the key list, and the next round starts after as
    many intervals. The result of a round is used until the next round is complete or fails.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self.forget()

    def forget(self) -> None:
        """Forget the result, and start a round with the next `read`."""
        self._disabled = Disabled()
        self._due = float("-inf")
        self._start_round()

    def read(
        self, page: Callable[[str], PeoplePage | None], monotonic: Callable[[], float]
    ) -> Disabled:
        """Read the pages that are due, and return the last result.

        ``page`` fetches the page at a path. It raises PortalError, and returns None if no time is
        left: then the round continues with the next call.
        """
        if monotonic() < self._due:
            return self._disabled
        try:
            for _ in range(PAGES_A_FETCH):
                found = page(f"{_PATH}&count={PAGE}&startIndex={self._read}")
                if found is None:
                    break
                self._pages += 1
                self._read += found.count
                self._ids |= found.disabled
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

    def _complete(self, page: PeoplePage) -> bool:
        """Whether this page was the last one. Raises InvalidResponse if people are missing."""
        total = page.total
        if page.count >= PAGE and (total is None or self._read < total):
            if self._pages >= MAX_PAGES:
                raise TooLarge(f"more than {MAX_PAGES * PAGE} disabled people")
            return False
        if total is not None and self._read < total:
            raise InvalidResponse(f"got {self._read} of {total} disabled people")
        return True
