"""Reloading: all or nothing, by signal and by HTTP; unchanged portals keep their state."""

import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from support.demo import Demo
from support.faults import FaultServer, Peer, answer
from support.process import ExporterProcess
from support.prometheus import eventually

DOWN = 'msg="cannot read the keys of the portal" portal=acme'
LIFECYCLE = "--web.enable-lifecycle"


def _post(exporter: ExporterProcess, method: str = "POST") -> tuple[int, str]:
    request = urllib.request.Request(exporter.url + "/-/reload", method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def _value(text: str, series: str) -> float:
    (line,) = (line for line in text.splitlines() if line.startswith(f"{series} "))
    return float(line.rpartition(" ")[2])


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_request_reloads(demo: Demo, tmp_path: Path, method: str) -> None:
    with ExporterProcess(tmp_path, demo.config("acme"), LIFECYCLE) as exporter:
        (tmp_path / "config.yaml").write_text(demo.config("acme", "globex"))
        assert _post(exporter, method) == (200, "configuration reloaded\n")
        assert 'docspace_up{portal="globex"} 1.0' in exporter.get()


def test_sighup_reloads(demo: Demo, tmp_path: Path) -> None:
    with ExporterProcess(tmp_path, demo.config("acme")) as exporter:
        (tmp_path / "config.yaml").write_text(demo.config("globex"))
        exporter.send(signal.SIGHUP)
        exporter.wait_for("configuration reloaded")
        assert 'portal="acme"' not in exporter.get()


def test_without_the_flag_http_does_not_reload(demo: Demo, tmp_path: Path) -> None:
    with ExporterProcess(tmp_path, demo.config("acme")) as exporter:
        status, text = _post(exporter)
        assert (status, text) == (403, "reloading by HTTP needs --web.enable-lifecycle\n")


def test_get_does_not_reload(demo: Demo, tmp_path: Path) -> None:
    with ExporterProcess(tmp_path, demo.config("acme"), LIFECYCLE) as exporter:
        status, _ = _post(exporter, "GET")
        assert status == 405


def test_a_broken_file_changes_nothing_and_says_why(demo: Demo, tmp_path: Path) -> None:
    """The reply and the log name the problem; the old portals are served; the metrics say so."""
    with ExporterProcess(tmp_path, demo.config("acme"), LIFECYCLE) as exporter:
        before = exporter.get()
        file = tmp_path / "config.yaml"
        file.write_text("portals: [{name: a, url: nowhere, api_key: sk-x}]\n")
        status, text = _post(exporter)
        problem = "portals[0].url: expected an address such as https://acme.onlyoffice.com"
        assert (status, text) == (
            500,
            f"the configuration stays as it was:\n{file}: {problem}\n",
        )
        exporter.wait_for(r"level=error msg=.cannot reload the configuration.*portals\[0\].url")
        after = exporter.get()
        assert 'docspace_up{portal="acme"} 1.0' in after
        name = "docspace_exporter_config_last_reload"
        assert _value(before, f"{name}_successful") == 1
        assert _value(after, f"{name}_successful") == 0
        when = f"{name}_success_timestamp_seconds"
        assert _value(before, when) == _value(after, when)


def test_a_mended_file_is_a_success_again(demo: Demo, tmp_path: Path) -> None:
    with ExporterProcess(tmp_path, demo.config("acme"), LIFECYCLE) as exporter:
        before = exporter.get()
        (tmp_path / "config.yaml").write_text("")
        assert _post(exporter)[0] == 500
        (tmp_path / "config.yaml").write_text(demo.config("acme"))
        assert _post(exporter)[0] == 200
        after = exporter.get()
        assert _value(after, "docspace_exporter_config_last_reload_successful") == 1
        when = "docspace_exporter_config_last_reload_success_timestamp_seconds"
        assert _value(after, when) > _value(before, when)


def test_a_portal_that_did_not_change_keeps_its_counters(demo: Demo, tmp_path: Path) -> None:
    always = "scrape: {min_interval: 0s}\n"
    demo.portals["acme"].portal.condition = "unpaid"
    with ExporterProcess(tmp_path, always + demo.config("acme"), LIFECYCLE) as exporter:
        exporter.wait_for(DOWN)
        (tmp_path / "config.yaml").write_text(always + demo.config("globex", "acme"))
        assert _post(exporter)[0] == 200
        errors = 'docspace_scrape_errors_total{portal="acme",reason="payment_required"}'
        assert _value(exporter.get(), errors) == 2


def test_a_portal_that_did_not_change_keeps_its_back_off(demo: Demo, tmp_path: Path) -> None:
    """After a 429, a reload must not cause a request."""
    portal = demo.portals["acme"].portal
    portal.rate_limit = 0
    with ExporterProcess(tmp_path, demo.config("acme"), LIFECYCLE) as exporter:
        exporter.wait_for(DOWN)
        asked = portal.requests["/api/2.0/keys"]
        (tmp_path / "config.yaml").write_text(demo.config("acme", "globex"))
        assert _post(exporter)[0] == 200
        exporter.get()
        assert portal.requests["/api/2.0/keys"] == asked


def test_a_portal_with_other_settings_keeps_its_counters_and_back_off(
    demo: Demo, tmp_path: Path
) -> None:
    """A change of `scrape:` changes the settings of all portals."""
    errors = 'docspace_scrape_errors_total{portal="acme",reason="rate_limited"}'
    portal = demo.portals["acme"].portal
    portal.rate_limit = 0
    with ExporterProcess(tmp_path, demo.config("acme"), LIFECYCLE) as exporter:
        exporter.wait_for(DOWN)
        asked = portal.requests["/api/2.0/keys"]
        changed = "scrape: {timeout: 3s, min_interval: 0s, people_interval: 10m}\n"
        (tmp_path / "config.yaml").write_text(changed + demo.config("acme"))
        assert _post(exporter)[0] == 200
        # The first fetch, the one that the reload begins, and the scrape's own.
        assert _value(exporter.get(), errors) == 3
        assert portal.requests["/api/2.0/keys"] == asked


def test_a_portal_at_another_address_starts_anew(demo: Demo, tmp_path: Path) -> None:
    config = demo.config("acme")
    other = config.replace(demo.servers["acme"].url, demo.servers["globex"].url)
    demo.portals["acme"].portal.condition = "unpaid"
    with ExporterProcess(tmp_path, config, LIFECYCLE) as exporter:
        exporter.wait_for(DOWN)
        (tmp_path / "config.yaml").write_text(other)
        assert _post(exporter)[0] == 200
        errors = 'docspace_scrape_errors_total{portal="acme",reason="payment_required"}'
        assert _value(exporter.get(), errors) == 0


def test_a_corrected_key_is_used_while_a_fetch_with_the_old_one_hangs(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        while head := peer.request():
            if b"sk-old" in head:
                peer.wait()
            peer.send(answer(b'{"response": []}'))

    with FaultServer(script) as portal:
        config = (
            "scrape: {timeout: 60s, concurrency: 1}\n"
            f"portals: [{{name: acme, url: '{portal.url}', api_key: sk-old}}]\n"
        )
        with ExporterProcess(tmp_path, config, LIFECYCLE) as exporter:
            eventually(lambda: portal.heads, bool)  # the first fetch, of the start
            (tmp_path / "config.yaml").write_text(config.replace("sk-old", "sk-new"))
            assert _post(exporter)[0] == 200
            assert 'docspace_up{portal="acme"} 1.0' in exporter.get()


def test_a_changed_key_file_needs_no_reload(demo: Demo, tmp_path: Path) -> None:
    portal = demo.portals["acme"].portal
    first, second = (portal.add_key(name, permissions=["*:read"]) for name in ("one", "two"))
    file = tmp_path / "key"
    file.write_text(first.secret + "\n")
    config = (
        "scrape: {min_interval: 0s}\n"
        f"portals: [{{name: a, url: '{demo.servers['acme'].url}', api_key_file: key}}]\n"
    )
    with ExporterProcess(tmp_path, config) as exporter:
        assert f'docspace_exporter_key_info{{key_id="{first.id}"' in exporter.get()
        file.write_text(second.secret)
        assert f'docspace_exporter_key_info{{key_id="{second.id}"' in exporter.get()


def test_concurrency_changes_while_fetches_are_under_way(demo: Demo, tmp_path: Path) -> None:
    config = "scrape: {concurrency: 1}\n" + demo.config()
    with ExporterProcess(tmp_path, config, LIFECYCLE) as exporter:
        (tmp_path / "config.yaml").write_text("scrape: {concurrency: 3}\n" + demo.config())
        assert _post(exporter)[0] == 200
        up = eventually(exporter.get, lambda text: text.count("docspace_up{") == 3)
        assert up.count("} 1.0\n") > 0
