"""The two clocks, as one argument."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """``now`` returns Unix seconds, ``monotonic`` seconds that never decrease."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
