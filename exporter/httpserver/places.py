"""A bounded number of places, of which no client's address can take the last."""

import threading
from collections import Counter

#: Places kept for addresses that hold none.
RESERVE = 8


class Places:
    """``total`` places, first come first served, and a few more for addresses that hold none.

    One address holds at most ``each``. So whatever it does, another one still gets a place. Any
    thread may call it.
    """

    def __init__(self, total: int, each: int | None = None) -> None:
        self._total = total
        self._each = total if each is None else each
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """Take a place, if there is one for this address."""
        with self._lock:
            held, taken = self._held[address], self._held.total()
            if held >= self._each or taken >= self._total + (0 if held else RESERVE):
                return False
            self._held[address] += 1
            return True

    def give_back(self, address: str) -> None:
        """Give back a place that was taken."""
        with self._lock:
            self._held[address] -= 1
            self._held += Counter()  # without those that hold none
