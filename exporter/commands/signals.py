"""Signals for commands that run until a signal: SIGTERM and SIGINT end them, SIGHUP reloads."""

import atexit
import contextlib
import os
import select
import signal
from concurrent.futures import Future
from typing import Any

#: Seconds after which a signal ends the process in any case.
_END_SECONDS = 1.8


class Signals:
    """Receives signals as soon as it is made; the main thread waits for them.

    ``exit_codes`` has the signals that end the process, and its exit code if it does not end
    itself.

    The interpreter writes the signals into a pipe. With an event or a queue instead, a handler may
    interrupt the wait for it, and would then wait for its lock without end.
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
        """The number of the next signal; 0 after ``seconds``, or after a call of `wake`."""
        if self._hung_up:
            self._hung_up = False
            return signal.SIGHUP
        if not select.select([self._reading], [], [], seconds)[0]:
            return 0
        return os.read(self._reading, 1)[0]

    def ends(self, number: int) -> bool:
        """Whether this signal ends the process."""
        return number in self._exit_codes

    def wake(self) -> None:
        """Make `wait` return; any thread may call this."""
        with contextlib.suppress(BlockingIOError):  # the pipe is full, so `wait` returns
            os.write(self._writing, b"\0")

    def ended_before(self, work: "Future[Any]") -> int:
        """Wait for a call in another thread; return the ending signal that came before, else 0.

        A SIGHUP that comes in the meantime is kept for `wait`.
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
        """End the process after some time, even if it hangs."""
        code = self._exit_codes[number]
        signal.signal(signal.SIGALRM, lambda *_: os._exit(code))
        signal.setitimer(signal.ITIMER_REAL, _END_SECONDS)
        # Runs last: after it nothing can hang, and Python's handlers are gone.
        atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)
