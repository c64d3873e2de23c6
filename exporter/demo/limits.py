"""How often one person may call a portal."""

import threading
from collections import deque


class SlidingWindow:
    """Accepts a limited number of requests of each person in any `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._accepted: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def accept(self, person_id: str, now: float, limit: int) -> bool:
        """Whether one more request is within the limit; if not, it is not counted."""
        with self._lock:
            accepted = self._accepted.setdefault(person_id, deque())
            while accepted and accepted[0] <= now - self._seconds:
                accepted.popleft()
            within = len(accepted) < limit
            if within:
                accepted.append(now)
            return within
