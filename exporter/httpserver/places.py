"""A bounded number of places, which one client's address cannot use up."""

import threading
from collections import Counter

#: Places kept for addresses that hold none.
RESERVE = 8


class Places:
    """``total`` places for all addresses, and `RESERVE` more for addresses that hold none.

    One address holds at most ``each``. Any thread may call the methods.
    """

    def __init__(self, total: int, each: int | None = None) -> None:
        self._total = total
        self._each = total if each is None else each
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """Take a place; False if there is none for this address."""
        with self._lock:
            held, taken = self._held[address], self._held.total()
            if held >= self._each or taken >= self._total + (0 if held else RESERVE):
                return False
            self._held[address] += 1
            return True

    def give_back(self, address: str) -> None:
        """Give back a place that the address holds."""
        with self._lock:
            self._held[address] -= 1
            self._held += Counter()  # removes the addresses that hold none
