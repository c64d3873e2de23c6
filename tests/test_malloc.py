"""Threads share one arena of glibc's malloc, counted by glibc itself."""

import os
import platform
import subprocess
import sys

import pytest

COUNT = """
import ctypes, sys, threading
from exporter.malloc import use_one_arena
if sys.argv[1] == "use":
    use_one_arena()
at_once = threading.Barrier(4)

def work():
    at_once.wait()
    bytearray(100_000)
    [bytes(1000) for _ in range(1000)]
    at_once.wait()

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
"""


def arenas(word: str, **variables: str) -> int:
    """How many arenas a process with four busy threads has."""
    env = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    done = subprocess.run(
        [sys.executable, "-c", COUNT, word],
        env={**env, **variables},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.count("<heap nr=")


glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="another malloc has no arenas to count"
)


@glibc
def test_all_threads_use_one_arena() -> None:
    assert arenas("use") == 1


@glibc
def test_without_it_threads_have_arenas_of_their_own() -> None:
    """Else the test above would prove nothing."""
    assert arenas("leave") > 1


@glibc
def test_environment_decides_where_it_says_something() -> None:
    assert arenas("use", MALLOC_ARENA_MAX="3") > 1
