"""What an answer may cost a real exporter: a few KiB on the wire that are 8 MiB once decoded."""

import gzip
import re
from pathlib import Path

import pytest
from support.faults import FaultServer, answer, says
from support.process import ExporterProcess

SIZE = 8 * 2**20
KEY = '{"id":"a","isActive":true}'
#: The start of an answer, what is repeated in it, and its end.
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


@pytest.mark.parametrize("costly", COSTLY)
def test_eight_mebibytes_cost_little_memory_from_end_to_end(tmp_path: Path, costly: str) -> None:
    """At most 150 MB above what a scrape of one key takes, over several scrapes."""
    start, unit, end = COSTLY[costly]
    body = gzip.compress((start + unit * (SIZE // len(unit)) + end).encode())
    assert len(body) < 64 * 1024
    one = answer(f'{{"response":[{KEY}]}}'.encode())
    with (
        FaultServer(says(one)) as small,
        FaultServer(says(answer(body, "200 OK", "Content-Encoding: gzip"))) as large,
    ):
        config = f"""
scrape: {{min_interval: 0s}}
portals:
  - {{name: small, url: '{small.url}', api_key: a}}
  - {{name: large, url: '{large.url}', api_key: a}}
"""
        with ExporterProcess(tmp_path, config) as exporter:
            exporter.get("/probe?target=small")
            before = peak(exporter)
            for _ in range(3):
                assert "docspace_up" in exporter.get("/probe?target=large")
            assert peak(exporter) - before <= 150_000_000
            assert 'docspace_up{portal="small"} 1.0' in exporter.get("/probe?target=small")
