"""One arena of memory for all threads, instead of eight for each processor.

glibc gives threads arenas of their own and returns little of what is freed in them. Threads that
read a large answer in turn would each keep the space for one: at 10,000 keys and 40 scrapes at once
that is half of the memory. Python allocates under one lock anyway.
"""

import os
from collections.abc import Mapping

#: The number of this parameter in glibc's malloc.h.
_M_ARENA_MAX = -8


def use_one_arena(environ: Mapping[str, str]) -> bool:
    """Have malloc use one arena from now on; whether it does. To be called before threads start.

    Only glibc has arenas to limit. Where the environment limits them itself, that counts.
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
