"""Signals for commands that run until one comes: SIGTERM and SIGINT end them, SIGHUP reloads."""

import atexit
import contextlib
import os
import select
import signal
from concurrent.futures import Future
from typing import Any

#: Seconds from a signal that ends to the end, whatever the process is stuck in.
_END_SECONDS = 1.8


class Signals:
    """Notes signals from the moment it is made; the main thread waits for them.

    ``exit_codes`` has the signals that end the process, with its exit code where it is stuck.

    The interpreter writes them into a pipe by itself. A handler that set an event or put into a
    queue could interrupt the wait for that same event, and would wait for its lock for ever.
    """

    def __init__(self, exit_codes: dict[int, int]) -> None:
        self._exit_codes = exit_codes
        self._hung_up = False
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGHUP, lambda *_: None)
        for number in exit_codes:
            signal.signal(number, self._end_soon)

    def wait(self, seconds: float | None = None) -> int:
        """The number of the next signal; 0 after so many seconds, or after a call of `wake`."""
        if self._hung_up:
            self._hung_up = False
            return signal.SIGHUP
        if not select.select([self._reading], [], [], seconds)[0]:
            return 0
        return os.read(self._reading, 1)[0]

    def ends(self, number: int) -> bool:
        """Whether this is a signal to end."""
        return number in self._exit_codes

    def wake(self) -> None:
        """Have `wait` return, from any thread."""
        with contextlib.suppress(BlockingIOError):  # full: it returns anyway
            os.write(self._writing, b"\0")

    def ended_before(self, work: "Future[Any]") -> int:
        """Wait for what runs in another thread; the signal to end that came before, else 0.

        A SIGHUP that comes meanwhile is kept for `wait`.
        """
        work.add_done_callback(lambda _: self.wake())
        hung_up = False
        ending = 0
        while not work.done() and not ending:
            number = self.wait()
            hung_up = hung_up or number == signal.SIGHUP
            ending = number if self.ends(number) else 0
        self._hung_up = hung_up
        return ending

    def _end_soon(self, number: int, _: object) -> None:
        """Leave some time for an orderly end; then it ends, even if standard error blocks."""
        code = self._exit_codes[number]
        signal.signal(signal.SIGALRM, lambda *_: os._exit(code))
        signal.setitimer(signal.ITIMER_REAL, _END_SECONDS)
        # After that nothing waits for anything any more, and Python's handlers are gone.
        atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)
