"""The Helm chart, without Helm: its files, its schema of values, and what was rendered before.

`make chart-test` renders it anew, see test_chart_rendered.py.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft7Validator
from support import chart
from support.chart import CHART, GOLDEN, KUBERNETES, Resource
from support.tools import ROOT

from exporter.config import load
from exporter.version import VERSION

SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
RENDERED = sorted([*GOLDEN.glob("*.yaml"), *KUBERNETES.glob("*.yaml")])
#: The oldest that the chart promises, and the newest that has a schema.
KUBERNETES_VERSIONS = ["1.25", "1.37"]
#: API groups that Kubernetes itself does not have.
OPERATOR = "monitoring.coreos.com/"


def rendered(kind: str) -> list[Resource]:
    """The resources of a kind, in golden files and plain manifests."""
    return [
        each for path in RENDERED for each in chart.of_kind(path.read_text(encoding="utf-8"), kind)
    ]


def errors(values: object) -> list[str]:
    """What the schema says against values."""
    return [error.message for error in Draft7Validator(SCHEMA).iter_errors(values)]


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema of an object with fields, at any depth."""
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)


def fields(schema: Any, prefix: str = "") -> Iterator[str]:
    """The paths of all values that the schema knows."""
    for name, part in schema["properties"].items():
        yield prefix + name
        if "properties" in part and part.get("type") == "object":
            yield from fields(part, f"{prefix}{name}.")


def paths(values: Any, prefix: str = "") -> Iterator[str]:
    """The paths of all values in a file."""
    for name, part in values.items():
        yield prefix + name
        if isinstance(part, dict):
            yield from paths(part, f"{prefix}{name}.")


def upwards(path: str) -> list[str]:
    """A path and those of all objects that hold it."""
    names = path.split(".")
    return [".".join(names[: end + 1]) for end in range(len(names))]


# Files


@pytest.mark.parametrize(
    ("folder", "sources"),
    [("rules", "prometheus/rules/*.yml"), ("dashboards", "grafana/*.json")],
)
def test_the_chart_has_the_very_rules_and_dashboards(folder: str, sources: str) -> None:
    """By links in a checkout, which a source distribution has as copies."""
    taken = {path.name: path.read_bytes() for path in (CHART / "files" / folder).iterdir()}
    assert taken == {path.name: path.read_bytes() for path in ROOT.glob(sources)}


def test_the_chart_has_the_version_of_the_exporter() -> None:
    metadata = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (metadata["version"], metadata["appVersion"]) == (VERSION, VERSION)


def test_every_value_set_has_a_golden_file_and_no_other_is_kept() -> None:
    assert sorted(path.stem for path in GOLDEN.iterdir()) == chart.SETS


def test_the_readme_explains_every_value() -> None:
    """By its own path or by that of an object which holds it."""
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    known = {line.split("|")[1].strip() for line in readme.splitlines() if line.startswith("| ")}
    every = list(paths(VALUES))
    leaves = [path for path in every if not any(each.startswith(f"{path}.") for each in every)]
    assert [path for path in leaves if not known & set(upwards(path))] == []


# Values


def test_the_schema_of_values_is_valid() -> None:
    Draft7Validator.check_schema(SCHEMA)


def test_the_schema_takes_no_unknown_field_but_in_what_parent_charts_share() -> None:
    open_ = [part for part in objects(SCHEMA) if part.get("additionalProperties") is not False]
    assert open_ == [SCHEMA["properties"]["global"]]


def test_every_value_is_in_the_schema_and_no_other() -> None:
    known = {path for path in fields(SCHEMA) if not path.startswith("global.")}
    default = set(paths(VALUES))
    # What is empty by default has its fields in the schema alone.
    empty = ("config.scrape.", "web.scrape.basicAuth.", "resources.")
    assert {path for path in known - default if not path.startswith(empty)} == set()
    contexts = ("podSecurityContext.", "securityContext.", "resources.", "dashboards.labels.")
    probes = ("livenessProbe.", "readinessProbe.")
    assert {path for path in default - known if not path.startswith(contexts + probes)} == set()


@pytest.mark.parametrize("name", chart.SETS)
def test_the_schema_takes_the_defaults_with_a_value_set(name: str) -> None:
    assert errors(VALUES) == []
    assert errors(yaml.safe_load(chart.values(name).read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "values",
    [
        {"portal": []},
        {"image": {"digest": "sha256:short"}},
        {"config": {"portals": [{"name": "acme"}]}},
        {"config": {"portals": [{"name": "acme", "url": "acme.onlyoffice.com"}]}},
        {"config": {"portals": [{"name": "acme", "url": "https://acme.example", "urll": ""}]}},
        {"config": {"scrape": {"timeout": "10"}}},
        {"config": {"withhold": ["portal"]}},
        {"docspace": {"url": "https://user:secret@acme.example"}},
        {"apiKeys": {"acme": ""}},
        {"log": {"level": "warning"}},
        {"serviceMonitor": {"jobName": "monitoring"}},
        {"scrapeConfig": {"jobName": "portals"}},
        {"prometheusRule": {"alerts": {"DocSpacePortalDown": {"disabled": True}}}},
        {"networkPolicy": {"egress": {"extraPorts": [0]}}},
        {"dashboards": {"labels": {"grafana_dashboard": 1}}},
    ],
    ids=json.dumps,
)
def test_the_schema_refuses(values: dict[str, Any]) -> None:
    assert len(errors(values)) == 1


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/kubernetes.md")), ids=str)
def test_the_schema_takes_what_the_documentation_shows(page: Path) -> None:
    blocks = re.findall(r"(?ms)^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"))
    values = [block for block in blocks if not block.startswith("# web-config.yaml")]
    assert values
    assert [message for block in values for message in errors(yaml.safe_load(block))] == []


# What was rendered


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("path", RENDERED, ids=lambda path: path.stem)
def test_kubernetes_knows_every_field(path: Path, version: str) -> None:
    for resource in chart.resources(path.read_text(encoding="utf-8")):
        if not resource["apiVersion"].startswith(OPERATOR):
            kubernetes_validate.validate(dict(resource), version, strict=True)


def test_every_pod_is_within_the_restricted_standard() -> None:
    for deployment in rendered("Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 65532
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["containers"][0]["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not [volume for volume in pod.get("volumes", []) if "hostPath" in volume]


def test_no_pod_gets_a_token_of_the_cluster() -> None:
    pods = [each["spec"]["template"]["spec"] for each in rendered("Deployment")]
    for each in [*pods, *rendered("ServiceAccount")]:
        assert each["automountServiceAccountToken"] is False


def test_every_configuration_is_one_that_the_exporter_takes(tmp_path: Path) -> None:
    texts = [
        each["data"]["config.yaml"]
        for each in rendered("ConfigMap")
        if "config.yaml" in each.get("data", {})
    ]
    assert len(texts) == 5
    for text in texts:
        file = tmp_path / "config.yaml"
        file.write_text(text, encoding="utf-8")
        assert load(file, {"PARTNER_API_KEY": "sk-not-a-real-key"}).portals


def test_services_lead_to_the_pods_of_their_deployment() -> None:
    for path in RENDERED:
        text = path.read_text(encoding="utf-8")
        for service in chart.of_kind(text, "Service"):
            (deployment,) = chart.of_kind(text, "Deployment")
            selector = service["spec"]["selector"]
            assert selector.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
            assert selector == deployment["spec"]["selector"]["matchLabels"]
