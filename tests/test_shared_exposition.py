"""Scrapes that wait for the same answers share what is made of them."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import structlog
from support.faults import FaultServer, answer, says

from exporter.clock import Clock
from exporter.config import PortalSettings, Secret, Settings
from exporter.exporter import Exporter
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
    """The answers of these scrapes, none of which is made before all scrapes are there.

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
    """Not only equal ones: with many callers without gzip, copies would take much memory."""
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
    """What the clock changes is computed at each: the observation is kept, the text is not."""
    first = scraped(exporter, monkeypatch, [("one", "text")])
    monkeypatch.undo()
    assert scraped(exporter, monkeypatch, [("one", "text")])[0] is not first[0]
