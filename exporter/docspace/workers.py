"""Threads for fetches: a bounded number at work, the most urgent job first."""

import contextlib
import heapq
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(slots=True, order=True)
class Job:
    """Something to do. Jobs with the lower ``priority`` come first."""

    priority: Any
    number: int
    call: Callable[[], None] = field(compare=False)
    state: Literal["waiting", "running", "abandoned", "done"] = field(
        default="waiting", compare=False
    )


def _nothing(*_: object) -> None:
    """Replaces a call that is over, so that its job keeps nothing else alive."""


class Workers:
    """At most ``size`` threads at work, reused, started when they are needed.

    A thread that hangs can be abandoned: another takes its place, and it ends with its call.
    ``failed`` gets what a call raises; the thread goes on.
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
        """Have so many threads from now on; surplus ones end with the call they are at."""
        with self._changed:
            self._size = size
            with contextlib.suppress(RuntimeError, MemoryError):  # as in abandon
                self._start_missing()
            self._changed.notify_all()

    def submit(self, priority: Any, call: Callable[[], None]) -> Job:
        """Do this when a thread is free.

        Raises RuntimeError or MemoryError where no thread can start and none is there.
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
        """Take a job back; False where it is at work or done."""
        with self._changed:
            waiting = job.state == "waiting"
            if waiting:
                self._remove(job)
            return waiting

    def abandon(self, job: Job) -> None:
        """Count the thread of a job that hangs no longer."""
        with self._changed:
            if job.state == "running":
                job.state = "abandoned"
                self._threads -= 1
                # Where no thread is to be had, those left go on, or the next job tries again.
                with contextlib.suppress(RuntimeError, MemoryError):
                    self._start_missing()

    def close(self) -> None:
        """End the threads that have nothing to do, and each other one with its call."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _remove(self, job: Job) -> None:
        job.state, job.call = "done", _nothing
        self._queue.remove(job)
        heapq.heapify(self._queue)

    def _start_missing(self) -> None:
        """Start threads for the jobs that no idle one will take."""
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
        """The next job; None where this thread is to end."""
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
