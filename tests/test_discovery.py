"""`/sd`, which the HTTP service discovery of Prometheus reads, and the targets it gets."""

import json
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.demo import Demo
from support.process import ExporterProcess
from support.prometheus import Prometheus, eventually

CONFIG = "portals: [{name: 'a b/c', url: 'http://127.0.0.1:1', api_key: sk-x}]\n"
EXTERNAL = "--web.external-url=https://metrics.example/docspace/"


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterProcess]:
    """An exporter without an external URL."""
    with ExporterProcess(tmp_path_factory.mktemp("plain"), CONFIG) as exporter:
        yield exporter


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterProcess]:
    """An exporter with an external URL."""
    with ExporterProcess(tmp_path_factory.mktemp("proxied"), CONFIG, EXTERNAL) as exporter:
        yield exporter


def test_each_portal_is_a_target_group_that_leads_to_probe(exporter: ExporterProcess) -> None:
    assert json.loads(exporter.get("/sd")) == [
        {
            "targets": [exporter.url.removeprefix("http://")],
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


def test_the_external_url_comes_before_the_host_header(proxied: ExporterProcess) -> None:
    (group,) = json.loads(proxied.get("/sd"))
    assert group["targets"] == ["metrics.example"]
    assert group["labels"]["__scheme__"] == "https"
    assert group["labels"]["__metrics_path__"] == "/docspace/probe"


@pytest.mark.parametrize("prefix", ["", "/docspace"])
def test_a_proxy_may_leave_the_prefix_in_or_not(proxied: ExporterProcess, prefix: str) -> None:
    assert "docspace_up" in proxied.get(f"{prefix}/metrics")
    assert "<!doctype html>" in proxied.get(prefix or "/").lower()


def test_a_host_header_that_is_no_address_is_a_400(exporter: ExporterProcess) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        exporter.get("/sd", {"Host": "a/b?c"})
    with refused.value as answer:
        assert (answer.code, answer.read()) == (
            400,
            b"Host: expected the exporter's address, or set --web.external-url\n",
        )


@pytest.fixture(scope="module")
def server(
    prometheus: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Prometheus, Demo]]:
    """A Prometheus that discovers the demo's portals, each with a label of the configuration."""
    folder = tmp_path_factory.mktemp("discovery")
    with (
        Demo() as demo,
        ExporterProcess(folder, "labels: {team: payments}\n" + demo.config()) as exporter,
    ):
        config = (
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            "scrape_configs:\n  - job_name: docspace\n    honor_labels: true\n"
            f"    http_sd_configs: [{{url: '{exporter.url}/sd', refresh_interval: 1s}}]\n"
        )
        with Prometheus(prometheus, folder, config) as server:
            yield server, demo


def test_a_real_prometheus_discovers_and_scrapes_every_portal(
    server: tuple[Prometheus, Demo],
) -> None:
    running, demo = server
    up = eventually(
        lambda: running.values("docspace_up", "instance", "portal"), lambda found: len(found) == 3
    )
    assert up == {(name, name): 1.0 for name in demo.portals}


def test_the_labels_of_a_portal_are_on_the_series_of_its_target(
    server: tuple[Prometheus, Demo],
) -> None:
    """`up`, which Prometheus itself writes, has them from the target."""
    running, demo = server
    for metric in ("up", "docspace_up"):
        labels = eventually(
            lambda metric=metric: running.values(metric, "instance", "team", "exported_team"),
            lambda found: len(found) == 3,
        )
        assert labels == {(name, "payments", ""): 1.0 for name in demo.portals}
