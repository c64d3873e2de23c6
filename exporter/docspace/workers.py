"""A bounded number of threads for fetches. The job with the best priority comes first."""

import contextlib
import heapq
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(slots=True, order=True)
class Job:
    """A call that waits for a thread or has one. Lower ``priority`` comes first."""

    priority: Any
    number: int
    call: Callable[[], None] = field(compare=False)
    state: Literal["waiting", "running", "abandoned", "done"] = field(
        default="waiting", compare=False
    )


def _nothing(*_: object) -> None:
    """Replaces a call that has ended, so that the job keeps no reference to it."""


class Workers:
    """At most ``size`` threads, started when they are needed and reused.

    A thread that hangs can be abandoned: another replaces it, and it ends with its call.
    ``failed`` is called with an exception that a job raises; the thread continues.
    """

    def __init__(self, size: int, failed: Callable[[BaseException], None] = _nothing) -> None:
        self._changed = threading.Condition()
        self._size = size
        self._failed = failed
        self._threads = 0
        self._idle = 0
        self._queue: list[Job] = []
        self._numbers = itertools.count()
        self._closed = False

    def resize(self, size: int) -> None:
        """Change the number of threads; surplus ones end after their current call."""
        with self._changed:
            self._size = size
            with contextlib.suppress(RuntimeError, MemoryError):  # as in abandon
                self._start_missing()
            self._changed.notify_all()

    def submit(self, priority: Any, call: Callable[[], None]) -> Job:
        """Run a call when a thread is free.

        Raises RuntimeError or MemoryError if there is no thread and none can start.
        """
        with self._changed:
            job = Job(priority, next(self._numbers), call)
            heapq.heappush(self._queue, job)
            try:
                self._start_missing()
            except (RuntimeError, MemoryError):
                if not self._threads:
                    self._remove(job)
                    raise
            self._changed.notify()
            return job

    def withdraw(self, job: Job) -> bool:
        """Take a job back, and return True; False if it has started or ended."""
        with self._changed:
            waiting = job.state == "waiting"
            if waiting:
                self._remove(job)
            return waiting

    def abandon(self, job: Job) -> None:
        """Stop counting the thread of a job that hangs."""
        with self._changed:
            if job.state == "running":
                job.state = "abandoned"
                self._threads -= 1
                # If no thread can start, the other threads continue, or the next job tries again.
                with contextlib.suppress(RuntimeError, MemoryError):
                    self._start_missing()

    def close(self) -> None:
        """End the idle threads now, and the others after their current call."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _remove(self, job: Job) -> None:
        job.state, job.call = "done", _nothing
        self._queue.remove(job)
        heapq.heapify(self._queue)

    def _start_missing(self) -> None:
        """Start threads for the jobs that no idle thread will take."""
        while len(self._queue) > self._idle and self._threads < self._size and not self._closed:
            threading.Thread(target=self._work, name="fetch", daemon=True).start()
            self._threads += 1
            self._idle += 1

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                job.call()
            except BaseException as exc:  # noqa: BLE001, the boundary: a lost thread stays lost
                self._failed(exc)
            with self._changed:
                job.call = _nothing
                if job.state == "abandoned":
                    return
                job.state = "done"
                self._idle += 1

    def _next(self) -> Job | None:
        """The next job; None if this thread must end."""
        with self._changed:
            while not self._queue and not self._closed and self._threads <= self._size:
                self._changed.wait()
            self._idle -= 1
            if self._closed or self._threads > self._size:
                self._threads -= 1
                return None
            job = heapq.heappop(self._queue)
            job.state = "running"
            return job
