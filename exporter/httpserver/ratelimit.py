"""``rate_limit`` of the web configuration file."""

import threading
from collections.abc import Callable

from exporter.httpserver.webconfig import RateLimit


class TokenBucket:
    """Lets a request through for each token; one comes each interval, ``burst`` are kept.

    ``clock`` gives seconds that never go back.
    """

    def __init__(self, limit: RateLimit, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = float(limit.burst)
        self._filled = clock()

    def take(self) -> bool:
        """Take a token, if there is one."""
        with self._lock:
            now = self._clock()
            gained = (now - self._filled) / self._limit.interval
            self._tokens = min(self._tokens + gained, float(self._limit.burst))
            self._filled = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
