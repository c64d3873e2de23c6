"""How much one user may ask of a portal: a sliding window, and a count of requests at once."""

import math
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """What a window has left after a request; `wait` is seconds to wait, or None if it passed."""

    limit: int
    remaining: int
    reset: int
    wait: int | None

    def headers(self) -> list[tuple[str, str]]:
        """Return the response headers that tell it."""
        told = [
            ("X-RateLimit-Limit", str(self.limit)),
            ("X-RateLimit-Remaining", str(self.remaining)),
            ("X-RateLimit-Reset", str(self.reset)),
        ]
        return told if self.wait is None else [("Retry-After", str(self.wait)), *told]


class SlidingWindow:
    """Lets each user through a limited number of times in any `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._passed: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def take(self, user: str, now: float, limit: int) -> Quota:
        """Ask for one passage; one that is refused does not count against the next."""
        with self._lock:
            passed = self._passed.setdefault(user, deque())
            while passed and passed[0] <= now - self._seconds:
                passed.popleft()
            refused = len(passed) >= limit
            if not refused:
                passed.append(now)
            free_at = (passed[0] if passed else now) + self._seconds
            return Quota(
                limit=limit,
                remaining=max(0, limit - len(passed)),
                reset=math.ceil(free_at),
                wait=max(1, math.ceil(free_at - now)) if refused else None,
            )


class AtOnce:
    """Counts what each user has open."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def enter(self, user: str, limit: int) -> Iterator[bool]:
        """Hold a place for the block; yields False, and holds none, when all are taken."""
        with self._lock:
            admitted = self._open[user] < limit
            self._open[user] += admitted
        try:
            yield admitted
        finally:
            with self._lock:
                self._open[user] -= admitted
