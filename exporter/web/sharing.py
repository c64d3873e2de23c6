"""Places for scrapes. Scrapes of the same portals at the same time share one."""

import threading
from collections.abc import Hashable
from dataclasses import dataclass

from exporter.httpserver.places import Places


@dataclass(slots=True)
class _Share:
    """A place that ``requests`` share; it is counted for the ``address`` of the first."""

    address: str
    requests: int = 1


class SharedPlaces:
    """``total`` places. Requests for the same subject at the same time take one together.

    Otherwise a few dozen scrapes of one portal that hangs would take all places.
    """

    def __init__(self, total: int) -> None:
        self._places = Places(total)
        self._lock = threading.Lock()
        self._shares: dict[Hashable, _Share] = {}

    def take(self, address: str, subject: Hashable) -> bool:
        """Take or share a place for this subject; False if there is none for this address."""
        with self._lock:
            share = self._shares.get(subject)
            if share is not None:
                share.requests += 1
                return True
            if not self._places.take(address):
                return False
            self._shares[subject] = _Share(address)
            return True

    def give_back(self, subject: Hashable) -> None:
        """Give back a share of a place; the last share frees it."""
        with self._lock:
            share = self._shares[subject]
            share.requests -= 1
            if not share.requests:
                del self._shares[subject]
                self._places.give_back(share.address)
