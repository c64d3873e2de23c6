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
from exporter.metrics.exposition import Format, Renderer

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


def rendered(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch, scrapes: list[tuple[str, Format]]
) -> int:
    """How often portals were rendered for these scrapes, none of which ends before all are there.

    Each names a portal and a format; the answers must have that portal up.
    """
    exporter.expose(exporter.fleet.portals, 10, "text", own=False)
    calls: list[Any] = []
    portals, finish = Renderer.portals, Renderer.finish
    all_there = threading.Barrier(len(scrapes), timeout=20)

    def counting(*args: Any, **more: Any) -> Any:
        calls.append(args)
        return portals(*args, **more)

    def waiting(*args: Any) -> bytes:
        all_there.wait()
        return finish(*args)

    def scrape(wanted: tuple[str, Format]) -> None:
        portal = exporter.fleet.named(wanted[0])
        assert portal is not None
        body = exporter.expose([portal], 10, wanted[1], own=True)
        assert f'docspace_up{{portal="{wanted[0]}"}} 1.0' in body.decode()

    monkeypatch.setattr(Renderer, "portals", counting)
    monkeypatch.setattr(Renderer, "finish", waiting)
    with ThreadPoolExecutor(len(scrapes)) as pool:
        list(pool.map(scrape, scrapes))
    return len(calls)


def test_portals_are_rendered_once_for_scrapes_at_once(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rendered(exporter, monkeypatch, [("one", "text")] * SCRAPES) == 1


def test_another_format_is_rendered_by_itself(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rendered(exporter, monkeypatch, [("one", "text"), ("one", "openmetrics")] * 2) == 2


def test_another_portal_is_rendered_by_itself(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rendered(exporter, monkeypatch, [("one", "text"), ("other", "text")] * 2) == 2


def test_nothing_is_shared_with_later_scrapes(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the clock changes is computed at each: the observation is kept, the text is not."""
    assert rendered(exporter, monkeypatch, [("one", "text")]) == 1
    monkeypatch.undo()
    assert rendered(exporter, monkeypatch, [("one", "text")]) == 1
