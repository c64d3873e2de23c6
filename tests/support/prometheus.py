"""A real Prometheus on loopback, and its HTTP API."""

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from support.process import Process

T = TypeVar("T")


class Prometheus(Process):
    """Prometheus with the test's configuration, its data below ``folder``."""

    def __init__(self, program: Path, folder: Path, config: str, flags: Sequence[str] = ()) -> None:
        file = folder / "prometheus.yml"
        file.write_text(config, encoding="utf-8")
        command: list[str | Path] = [
            program,
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--web.listen-address=127.0.0.1:0",
            "--log.level=info",
            *flags,
        ]
        super().__init__(command, folder, r"Server is ready to receive web requests")

    @property
    def url(self) -> str:
        """Its URL."""
        return f"http://{self.wait_for(r'Listening on.*? address=(127[0-9.:]+)')[1]}"

    def api(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer of its API."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=30) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[tuple[Mapping[str, str], float]]:
        """The labels and values of an instant vector."""
        result = self.api("query", query=expression)["result"]
        return [(each["metric"], float(each["value"][1])) for each in result]

    def values(self, expression: str, *labels: str) -> dict[tuple[str, ...], float]:
        """The values of an instant vector, by the values of some labels."""
        return {
            tuple(metric.get(label, "") for label in labels): value
            for metric, value in self.query(expression)
        }


def eventually(look: Callable[[], T], wanted: Callable[[T], bool], seconds: float = 30.0) -> T:
    """Call ``look`` until its result is as wanted, and return the result.

    AssertionError with the last result after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    pause = 0.01
    while True:
        seen = look()
        if wanted(seen):
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"still {seen!r} after {seconds} s")
        time.sleep(pause)
        pause = min(2 * pause, 0.2)


def scrape_config(targets: Sequence[str], interval: str = "1s", **job: str) -> str:
    """A Prometheus configuration with one static job."""
    extra = "".join(f"    {key}: {value}\n" for key, value in job.items())
    return (
        f"global: {{scrape_interval: {interval}, scrape_timeout: {interval}}}\n"
        f"scrape_configs:\n  - job_name: docspace\n{extra}"
        f"    static_configs: [{{targets: [{', '.join(targets)}]}}]\n"
    )
