"""How glibc hands out memory."""

import os

#: malloc.h
_M_ARENA_MAX = -8


def use_one_arena() -> None:
    """Let all threads allocate from one arena, unless the environment says how many there are.

    Otherwise glibc gives each thread that waits for another a new one, and each grows to the size
    of the largest answer: 10,000 keys take three times the memory. Call it before there are
    threads. It does nothing where there is no such malloc: musl and macOS have one heap anyway.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return
    try:
        import ctypes

        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    except (ImportError, OSError, AttributeError, MemoryError):
        return  # MemoryError where no page may be both written and executed
