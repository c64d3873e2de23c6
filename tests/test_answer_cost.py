"""The cost of an answer for a real exporter: a few KiB on the wire, 8 MiB decoded."""

import contextlib
import gzip
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.faults import FaultServer, answer, says
from support.process import ExporterProcess

SIZE = 8 * 2**20
LARGE = "/probe?target=large"
KEY = '{"id":"a","isActive":true}'
#: The start of an answer, its repeated part, and its end.
COSTLY = {
    "one key and four million zeros": (f'{{"response":[{KEY}', ",0", "]}"),
    "one key and objects": (f'{{"response":[{KEY}', ",{}", "]}"),
    "one key and malformed ones": (f'{{"response":[{KEY}', ',{"id":"b","isActive":""}', "]}"),
    "one key many times": (f'{{"response":[{KEY}', f",{KEY}", "]}"),
    "lists without end": ('{"response":[', "[", ""),
    "a name without end": ('{"response":[{"id":"a","isActive":true,"name":"', "\\u00e9", '"}]}'),
}


def peak(exporter: ExporterProcess) -> int:
    """The most resident memory so far, in bytes."""
    status = Path(f"/proc/{exporter.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


ONE = answer(f'{{"response":[{KEY}]}}'.encode())
#: 84 bytes each: 8 MiB of valid keys that are all different.
KEYS = ",".join(
    f'{{"id":"k{number:06}","isActive":true,"name":"n{number:06}",'
    '"expiresAt":"2027-10-01T00:00:00Z"}'
    for number in range(100_000)
)
BODIES = {
    name: gzip.compress((start + unit * (SIZE // len(unit)) + end).encode())
    for name, (start, unit, end) in COSTLY.items()
}


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> int:
    """The most resident memory of an exporter that was scraped for one key, in bytes."""
    with FaultServer(says(ONE)) as portal:
        config = f"portals: [{{name: small, url: '{portal.url}', api_key: a}}]"
        with ExporterProcess(tmp_path_factory.mktemp("idle"), config) as exporter:
            exporter.get("/probe?target=small")
            return peak(exporter)


@contextlib.contextmanager
def scraping(folder: Path, large: bytes) -> Iterator[ExporterProcess]:
    """An exporter that was scraped for a portal with one key, and has one with this answer."""
    with FaultServer(says(ONE)) as small, FaultServer(says(large)) as costly:
        config = f"""
scrape: {{min_interval: 0s, timeout: 60s}}
portals:
  - {{name: small, url: '{small.url}', api_key: a}}
  - {{name: large, url: '{costly.url}', api_key: a}}
"""
        with ExporterProcess(folder, config) as exporter:
            exporter.get("/probe?target=small")
            yield exporter


@pytest.mark.parametrize("costly", COSTLY)
def test_eight_mebibytes_cost_little_memory_from_end_to_end(
    tmp_path: Path, idle: int, costly: str
) -> None:
    """At most 150 MB above what a scrape of one key takes, over several scrapes."""
    body = BODIES[costly]
    assert len(body) < 64 * 1024
    with scraping(tmp_path, answer(body, "200 OK", "Content-Encoding: gzip")) as exporter:
        for _ in range(3):
            assert "docspace_up" in exporter.get(LARGE)
        assert peak(exporter) - idle <= 150_000_000
        assert 'docspace_up{portal="small"} 1.0' in exporter.get("/probe?target=small")


@pytest.mark.parametrize("compressed", [True, False], ids=["gzip", "identity"])
def test_a_hundred_thousand_keys_cost_little_memory(
    tmp_path: Path, idle: int, *, compressed: bool
) -> None:
    """The same for 8 MiB of valid keys, which all have series."""
    body = f'{{"response":[{KEYS}]}}'.encode()
    large = (
        answer(gzip.compress(body, 1), "200 OK", "Content-Encoding: gzip")
        if compressed
        else answer(body)
    )
    with scraping(tmp_path, large) as exporter:
        for _ in range(3):
            assert 'docspace_api_keys{portal="large"} 100000.0' in exporter.get(LARGE)
        assert peak(exporter) - idle <= 150_000_000


def test_a_hundred_thousand_keys_keep_no_other_portal_waiting(tmp_path: Path) -> None:
    """Scrapes of the small portal are answered while the large one is read."""
    with (
        scraping(tmp_path, answer(f'{{"response":[{KEYS}]}}'.encode())) as exporter,
        ThreadPoolExecutor(1) as pool,
    ):
        large = pool.submit(exporter.get, LARGE)
        answers = []
        while not large.done():
            answers.append(exporter.get("/probe?target=small"))
        assert 'docspace_up{portal="large"} 1.0' in large.result()
        assert len(answers) > 2  # the last of which may have ended after it
        assert all('docspace_up{portal="small"} 1.0' in each for each in answers)
