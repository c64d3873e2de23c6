"""Rendering for several scrapes at once, and within the time of a scrape."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import structlog
from support.faults import FaultServer, answer, says
from support.standing import Log

from exporter.clock import Clock
from exporter.config import PortalSettings, Secret, Settings
from exporter.docspace.model import ApiKey
from exporter.exporter import Exporter
from exporter.metrics.blocks import PortalBlocks
from exporter.metrics.exposition import Format

SCRAPES = 4
LIST = answer(b'{"response":[{"id":"a","isActive":true}]}')


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    with FaultServer(says(LIST)) as portal:
        settings = Settings(
            portals=tuple(
                PortalSettings(name, portal.url, Secret("sk-1"), min_interval=60)
                for name in ("one", "other")
            )
        )
        log = structlog.wrap_logger(structlog.ReturnLogger())
        exporter = Exporter(lambda: settings, Clock(), log)
        yield exporter
        exporter.close()


def scraped(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch, scrapes: list[tuple[str, Format]]
) -> list[bytes]:
    """The answers of these scrapes; none is rendered before all scrapes wait for it.

    Each names a portal and a format; the answers must have that portal up.
    """
    exporter.expose(exporter.fleet.portals, 10, "text", own=False)
    shared_body = Exporter._shared_body
    all_there = threading.Barrier(len(scrapes), timeout=20)

    def waiting(*args: Any) -> Any:
        shared = shared_body(*args)
        all_there.wait()
        return shared

    def scrape(wanted: tuple[str, Format]) -> bytes:
        portal = exporter.fleet.named(wanted[0])
        assert portal is not None
        body = exporter.expose([portal], 10, wanted[1], own=True)
        assert f'docspace_up{{portal="{wanted[0]}"}} 1.0' in body.decode()
        return body

    monkeypatch.setattr(Exporter, "_shared_body", waiting)
    with ThreadPoolExecutor(len(scrapes)) as pool:
        return list(pool.map(scrape, scrapes))


def test_scrapes_at_once_have_the_same_bytes(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same object: with many scrapes without gzip, copies would need much memory."""
    bodies = scraped(exporter, monkeypatch, [("one", "text")] * SCRAPES)
    assert len({id(body) for body in bodies}) == 1


def test_another_format_is_rendered_by_itself(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = scraped(exporter, monkeypatch, [("one", "text"), ("one", "openmetrics")] * 2)
    assert len({id(body) for body in bodies}) == 2


def test_another_portal_is_rendered_by_itself(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = scraped(exporter, monkeypatch, [("one", "text"), ("other", "text")] * 2)
    assert len({id(body) for body in bodies}) == 2


def test_nothing_is_shared_with_later_scrapes(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The observation is kept, but the text depends on the clock."""
    first = scraped(exporter, monkeypatch, [("one", "text")])
    monkeypatch.undo()
    assert scraped(exporter, monkeypatch, [("one", "text")])[0] is not first[0]


# Keys that cannot be rendered in time


KEYS = 2_000


class Portals:
    """An exporter on a clock that the tests move, for a portal with many keys and one with one."""

    def __init__(self, many: str, single: str) -> None:
        self.time = 1000.0
        settings = Settings(
            portals=(
                PortalSettings("many", many, Secret("sk-1"), min_interval=60),
                PortalSettings("single", single, Secret("sk-1"), min_interval=60),
            )
        )
        self.log = Log()
        clock = Clock(monotonic=lambda: self.time)
        self.exporter = Exporter(lambda: settings, clock, self.log.log)

    def scrape(self, seconds: float = 60.0) -> str:
        """The answer to a scrape of both portals, as plain text."""
        portals = self.exporter.fleet.portals
        return self.exporter.expose(portals, seconds, "text", own=False, compressed=False).decode()


@pytest.fixture
def portals() -> Iterator[Portals]:
    records = ",".join(f'{{"id":"{number}","isActive":true}}' for number in range(KEYS))
    many = answer(f'{{"response":[{records}]}}'.encode())
    with FaultServer(says(many)) as first, FaultServer(says(LIST)) as second:
        portals = Portals(first.url, second.url)
        yield portals
        portals.exporter.close()


def rendered_with_a_delay(
    portals: Portals, monkeypatch: pytest.MonkeyPatch, *, at: int
) -> list[str]:
    """The ids of keys as they are rendered; at key number ``at`` the clock moves by an hour."""
    seen: list[str] = []
    lines = PortalBlocks._lines

    def rendering(self: PortalBlocks, key: ApiKey, context: Any) -> list[bytes]:
        if self.settings.name == "many":
            seen.append(key.id)
            portals.time += 3600 if len(seen) == at else 0
        return lines(self, key, context)

    monkeypatch.setattr(PortalBlocks, "_lines", rendering)
    return seen


def test_a_portal_whose_keys_cannot_be_rendered_in_time_costs_its_own_series_alone(
    portals: Portals, monkeypatch: pytest.MonkeyPatch
) -> None:
    portals.exporter.expose([portals.exporter.fleet.portals[1]], 60, "text", own=False)
    rendered = rendered_with_a_delay(portals, monkeypatch, at=1000)
    body = portals.scrape()
    assert 'docspace_up{portal="many"} 0.0' in body
    assert 'docspace_up{portal="single"} 1.0' in body
    assert 'docspace_api_key_active{key_id="a",key_name="",portal="single"} 1.0' in body
    assert 'key_name="",portal="many"' not in body
    assert 1000 <= len(rendered) < 1100


def test_keys_that_were_not_rendered_in_time_are_rendered_by_the_next_scrape(
    portals: Portals, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = rendered_with_a_delay(portals, monkeypatch, at=1000)
    portals.scrape()
    body = portals.scrape()
    assert 'docspace_up{portal="many"} 1.0' in body
    assert body.count("docspace_api_key_active{") == KEYS + 1
    assert sorted(rendered) == sorted(str(number) for number in range(KEYS))


def test_keys_that_were_not_rendered_in_time_are_no_failure_of_the_portal(
    portals: Portals, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered_with_a_delay(portals, monkeypatch, at=1000)
    body = portals.scrape()
    assert 'docspace_scrape_errors_total{portal="many",reason="timeout"} 0.0' in body
    assert portals.log.count('before all keys of the portal were rendered" portal=many') == 1
    assert portals.exporter.fleet.portals[0].last.error is None


def test_a_few_keys_are_rendered_also_after_the_end_of_the_scrape(portals: Portals) -> None:
    """Another portal may have used the remaining time."""
    portals.exporter.fleet.observe(portals.exporter.fleet.portals, 60)
    assert 'docspace_up{portal="single"} 1.0' in portals.scrape(seconds=-0.1)


def test_no_keys_are_rendered_when_the_scraper_is_about_to_give_up(portals: Portals) -> None:
    portals.exporter.fleet.observe(portals.exporter.fleet.portals, 60)
    body = portals.scrape(seconds=-0.3)
    assert 'docspace_up{portal="many"} 0.0' in body
    assert 'docspace_up{portal="single"} 0.0' in body


def test_a_failure_is_rendered_at_any_time(portals: Portals) -> None:
    """With its own reason: nothing of it is cut short."""
    portals.exporter.fleet.portals[1].reconfigure(PortalSettings("single", "http://127.0.0.1:1"))
    portals.exporter.fleet.observe(portals.exporter.fleet.portals[1:], 60)
    portals.scrape(seconds=-0.3)
    assert portals.log.count("before all keys of the portal were rendered") == 0
