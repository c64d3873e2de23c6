"""Slots for fetches: a semaphore whose size may change while slots are taken."""

import threading


class Slots:
    """At most ``size`` are taken at once; a smaller size holds as taken ones come back."""

    def __init__(self, size: int) -> None:
        self._changed = threading.Condition()
        self._size = size
        self._taken = 0

    def resize(self, size: int) -> None:
        """Have so many slots from now on."""
        with self._changed:
            self._size = size
            self._changed.notify_all()

    def acquire(self, seconds: float) -> bool:
        """Take a slot, waiting so many seconds at most; whether there was one."""
        with self._changed:
            free = self._changed.wait_for(
                lambda: self._taken < self._size, min(max(seconds, 0.0), threading.TIMEOUT_MAX)
            )
            self._taken += free
            return free

    def release(self) -> None:
        """Give a slot back."""
        with self._changed:
            self._taken -= 1
            self._changed.notify()
