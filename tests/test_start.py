"""The cost of a start: only libraries that are used, one arena of memory."""

import platform
import subprocess
import sys

import pytest

#: Threads that allocate at once, then the address space that malloc reserved for their arenas.
ARENAS = """
import os, re, threading
from exporter.commands.allocator import use_one_arena
used = use_one_arena({environ})
barrier = threading.Barrier(9)
def work():
    kept = [bytes(20_000) for _ in range(50)]
    barrier.wait()
    barrier.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
barrier.wait()
found = 0
for line in open("/proc/self/maps"):
    start, end, mode = re.match(r"(\\w+)-(\\w+) (\\S+)", line).groups()
    found += mode == "---p" and int(end, 16) - int(start, 16) > 2**25
barrier.wait()
print(used, found)
"""


def printed(script: str) -> str:
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return ran.stdout.strip()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
def test_all_threads_share_one_arena() -> None:
    assert printed(ARENAS.replace("{environ}", "{}")) == "True 0"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
@pytest.mark.parametrize(
    "environ", [{"MALLOC_ARENA_MAX": "4"}, {"GLIBC_TUNABLES": "glibc.malloc.arena_max=4"}]
)
def test_arenas_are_left_to_the_environment_that_limits_them(environ: dict[str, str]) -> None:
    used, arenas = printed(ARENAS.replace("{environ}", repr(environ))).split()
    assert used == "False"
    assert int(arenas) > 0


def test_other_c_libraries_are_left_alone() -> None:
    script = """
import os, sys
def confstr(_):
    raise ValueError
os.confstr = confstr
from exporter.commands.allocator import use_one_arena
print(use_one_arena({}), "ctypes" in sys.modules)
"""
    assert printed(script) == "False False"


def test_version_is_read_without_the_machinery_for_package_data() -> None:
    script = "import sys; from exporter import version; version.revision()"
    assert printed(f"{script}; print('importlib.resources' in sys.modules)") == "False"


LOADED = """
import sys
from exporter import cli
try:
    cli.main({arguments})
except SystemExit:
    pass
print("rich" in sys.modules, "structlog" in sys.modules)
"""


def test_command_that_serves_does_not_load_rich() -> None:
    arguments = "['serve', '--config.check', '--config.file=/nowhere']"
    assert printed(LOADED.replace("{arguments}", arguments)) == "False True"


def test_rich_is_there_for_the_commands_that_draw_tables() -> None:
    script = (
        LOADED.replace("{arguments}", "['keys', '--config.file=/nowhere']") + "import rich.table"
    )
    assert printed(script).endswith("True")
