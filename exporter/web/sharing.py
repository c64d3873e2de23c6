"""Places for scrapes, where those who wait for the same portals share one."""

import threading
from collections.abc import Hashable
from dataclasses import dataclass

from exporter.httpserver.places import Places


@dataclass(slots=True)
class _Share:
    """A place, held in the name of the address that came first, by so many requests."""

    address: str
    requests: int = 1


class SharedPlaces:
    """``total`` places. Requests for the same thing at once take one, however many they are.

    Else one portal that hangs and a few dozen clients would keep everybody else out.
    """

    def __init__(self, total: int) -> None:
        self._places = Places(total)
        self._lock = threading.Lock()
        self._shares: dict[Hashable, _Share] = {}

    def take(self, address: str, subject: Hashable) -> bool:
        """Take or share a place for this subject, if there is one for this address."""
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
        """Leave a place; the last one who leaves frees it."""
        with self._lock:
            share = self._shares[subject]
            share.requests -= 1
            if not share.requests:
                del self._shares[subject]
                self._places.give_back(share.address)
