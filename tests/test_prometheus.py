"""A real Prometheus scrapes a real exporter process on the demo's portals."""

import time
from pathlib import Path

import pytest
from support.demo import Demo
from support.process import ExporterProcess
from support.prometheus import Prometheus, eventually, scrape_config


def test_a_real_prometheus_follows_the_portals(
    prometheus: Path, demo: Demo, tmp_path: Path
) -> None:
    """Counts and expiry times are right for every portal, also after one went away and came back.

    One test and not several, since each would need the same two processes to warm up.
    """
    with ExporterProcess(tmp_path, demo.config()) as exporter:
        target = exporter.url.removeprefix("http://")
        with Prometheus(prometheus, tmp_path, scrape_config([target])) as server:
            eventually(lambda: server.values("up == 1"), bool)
            up = eventually(lambda: server.values("docspace_up", "portal"), lambda v: len(v) == 3)
            assert set(up.values()) == {1.0}
            _counts_are_those_of_the_portals(server, demo)
            _expiry_times_are_those_of_the_portals(server, demo)
            _a_portal_that_goes_away_takes_its_key_series_along(server, demo)
            _a_portal_that_comes_back_has_them_again(server, demo)
        assert exporter.stderr.count('msg="cannot read the keys of the portal"') == 1
        assert exporter.stderr.count("can read the keys of the portal again") == 1


def _counts_are_those_of_the_portals(server: Prometheus, demo: Demo) -> None:
    now = time.time()
    for name in demo.portals:
        keys = demo.keys(name)
        counted = server.values(f'docspace_api_keys{{portal="{name}"}}')
        assert counted == {(): float(len(keys))}
        active = [key for key in keys if key.is_active and (key.expires_at or now + 1) > now]
        assert server.values(f'docspace_api_keys_active{{portal="{name}"}}') == {(): len(active)}


def _expiry_times_are_those_of_the_portals(server: Prometheus, demo: Demo) -> None:
    scraped = server.values("docspace_api_key_expiry_timestamp_seconds", "portal", "key_id")
    for name in demo.portals:
        expected = {
            (name, key.id): pytest.approx(key.expires_at, abs=1e-3)
            for key in demo.keys(name)
            if key.expires_at is not None
        }
        assert {pair: at for pair, at in scraped.items() if pair[0] == name} == expected


def _a_portal_that_goes_away_takes_its_key_series_along(server: Prometheus, demo: Demo) -> None:
    demo.servers["globex"].stop()
    eventually(lambda: server.values("docspace_up == 0", "portal"), lambda v: ("globex",) in v)
    eventually(lambda: server.query('docspace_api_key_info{portal="globex"}'), lambda v: not v)
    assert server.query('docspace_api_key_info{portal="acme"}')
    errors = 'docspace_scrape_errors_total{portal="globex",reason="connection"} > 0'
    assert server.query(errors)


def _a_portal_that_comes_back_has_them_again(server: Prometheus, demo: Demo) -> None:
    demo.servers["globex"].start()
    eventually(lambda: server.query('docspace_api_key_info{portal="globex"}'), bool)
    assert server.values("docspace_up", "portal")["globex",] == 1.0
