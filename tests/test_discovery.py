"""`/sd`: what Prometheus' HTTP service discovery reads, and what it makes of it."""

import json
import urllib.error
from pathlib import Path

import pytest
from support.demo import Demo
from support.process import ExporterProcess
from support.prometheus import Prometheus, eventually

CONFIG = "portals: [{name: 'a b/c', url: 'http://127.0.0.1:1', api_key: sk-x}]\n"


def test_each_portal_is_a_target_group_that_leads_to_probe(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path, CONFIG) as exporter:
        address = exporter.url.removeprefix("http://")
        assert json.loads(exporter.get("/sd")) == [
            {
                "targets": [address],
                "labels": {
                    "__scheme__": "http",
                    "__metrics_path__": "/probe",
                    "__param_target": "a b/c",
                    "instance": "a b/c",
                },
            }
        ]


def test_a_target_group_has_the_labels_of_its_portal(tmp_path: Path) -> None:
    config = "labels: {env: prod}\n" + CONFIG.replace("sk-x", "sk-x, labels: {team: payments}")
    with ExporterProcess(tmp_path, config) as exporter:
        (group,) = json.loads(exporter.get("/sd"))
        own = {name: group["labels"][name] for name in group["labels"] if name[0] != "_"}
        assert own == {"instance": "a b/c", "env": "prod", "team": "payments"}


def test_the_external_url_comes_before_the_host_header(tmp_path: Path) -> None:
    flag = "--web.external-url=https://metrics.example/docspace/"
    with ExporterProcess(tmp_path, CONFIG, flag) as exporter:
        (group,) = json.loads(exporter.get("/sd"))
        assert group["targets"] == ["metrics.example"]
        assert group["labels"]["__scheme__"] == "https"
        assert group["labels"]["__metrics_path__"] == "/docspace/probe"


@pytest.mark.parametrize("prefix", ["", "/docspace"])
def test_a_proxy_may_leave_the_prefix_in_or_not(tmp_path: Path, prefix: str) -> None:
    flag = "--web.external-url=https://metrics.example/docspace"
    with ExporterProcess(tmp_path, CONFIG, flag) as exporter:
        assert "docspace_up" in exporter.get(f"{prefix}/metrics")
        assert "<!doctype html>" in exporter.get(prefix or "/").lower()


def test_a_host_header_that_is_no_address_is_a_400(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path, CONFIG) as exporter:
        with pytest.raises(urllib.error.HTTPError) as refused:
            exporter.get("/sd", {"Host": "a/b?c"})
        with refused.value as answer:
            assert (answer.code, answer.read()) == (
                400,
                b"Host: expected the exporter's address, or set --web.external-url\n",
            )


def test_a_real_prometheus_discovers_and_scrapes_every_portal(
    prometheus: Path, demo: Demo, tmp_path: Path
) -> None:
    with ExporterProcess(tmp_path, demo.config()) as exporter:
        config = (
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            "scrape_configs:\n  - job_name: docspace\n"
            f"    http_sd_configs: [{{url: '{exporter.url}/sd', refresh_interval: 1s}}]\n"
        )
        with Prometheus(prometheus, tmp_path, config) as server:
            up = eventually(
                lambda: server.values("docspace_up", "instance", "portal"), lambda v: len(v) == 3
            )
            assert up == {(name, name): 1.0 for name in demo.portals}


def test_the_labels_of_a_portal_are_on_the_series_of_its_target(
    prometheus: Path, demo: Demo, tmp_path: Path
) -> None:
    """`up`, which Prometheus itself writes, has them from the target."""
    with ExporterProcess(tmp_path, "labels: {team: payments}\n" + demo.config()) as exporter:
        config = (
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            "scrape_configs:\n  - job_name: docspace\n    honor_labels: true\n"
            f"    http_sd_configs: [{{url: '{exporter.url}/sd', refresh_interval: 1s}}]\n"
        )
        with Prometheus(prometheus, tmp_path, config) as server:
            for metric in ("up", "docspace_up"):
                labels = eventually(
                    lambda metric=metric: server.values(metric, "team", "exported_team"),
                    lambda v: len(v) == 1,
                )
                assert labels == {("payments", ""): 1.0}
