"""A bounded number of places, of which no client's address can take the last."""

import threading
from collections import Counter

#: Places kept for addresses that hold none.
RESERVE = 8


class Places:
    """``total`` places for whoever comes first, and a few more for addresses that hold none.

    So whatever one address does, another one still gets a place. Any thread may call it.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """Take a place, if there is one for this address."""
        with self._lock:
            free = self._total - self._held.total()
            if free <= (-RESERVE if self._held[address] == 0 else 0):
                return False
            self._held[address] += 1
            return True

    def give_back(self, address: str) -> None:
        """Give back a place that was taken."""
        with self._lock:
            self._held[address] -= 1
            if not self._held[address]:
                del self._held[address]
