"""One arena of memory for all threads, instead of eight for each processor.

glibc gives each thread its own arena and returns little of the memory that is freed in it. So each
thread that has read a large answer would keep the memory for one. With 10,000 keys and 40 scrapes
at the same time that is half of the memory. Python allocates under one lock anyway.
"""

import os
from collections.abc import Mapping

#: The number of this parameter in glibc's malloc.h.
_M_ARENA_MAX = -8


def use_one_arena(environ: Mapping[str, str]) -> bool:
    """Make malloc use one arena from now on; return whether it does. Call it before threads start.

    It does nothing without glibc, or if the environment sets a limit itself.
    """
    if "MALLOC_ARENA_MAX" in environ or "glibc.malloc.arena_max" in environ.get(
        "GLIBC_TUNABLES", ""
    ):
        return False
    try:
        os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):  # musl, macOS
        return False
    import ctypes

    return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1))
