"""The two clocks, as one argument."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """``now`` gives Unix seconds, ``monotonic`` seconds that only ever grow; tests bring others."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
