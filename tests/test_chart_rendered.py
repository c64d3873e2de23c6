"""The Helm chart as a real Helm renders it.

`make chart-test` runs this; where its programs are missing that fails, and `make test` skips.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator
from support import chart
from support.chart import CHART, CRDS, PROGRAMS, SETS, Resource
from support.tools import ROOT

RULES = {path.stem: path for path in ROOT.glob("prometheus/rules/*.yml")}
KUBERNETES_VERSIONS = [f"1.{minor}" for minor in range(25, 38)]
ONE = '{"portals":[{"name":"acme","url":"https://acme.onlyoffice.com"}]}'
MINIMAL = (f"config={ONE}", 'existingSecret="docspace-api-keys"')
RULES_ON = (*MINIMAL, "prometheusRule.enabled=true", "prometheusRule.hygiene=true")
#: What a key of the value sets looks like: it may stand in the chart's own Secret alone.
KEY = "sk-not-a-real-key"


@pytest.fixture(autouse=True, scope="module")
def programs() -> None:
    """Helm and helm-docs."""
    chart.needs(PROGRAMS / "helm")
    chart.needs(PROGRAMS / "helm-docs")


@pytest.fixture(scope="module")
def everything() -> str:
    """The manifest of the value set with every switch on."""
    return chart.render(chart.values("everything"))


def refusal(*sets: str) -> str:
    """Why Helm refuses values."""
    with pytest.raises(subprocess.CalledProcessError) as caught:
        chart.render(sets=sets)
    return str(caught.value.stderr)


def alerts(text: str) -> dict[str, Any]:
    """Alerts of a manifest's rules, by name."""
    return {
        rule["alert"]: rule
        for resource in chart.of_kind(text, "PrometheusRule")
        for group in resource["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }


def one(text: str, kind: str) -> Resource:
    """The only resource of a kind."""
    (found,) = chart.of_kind(text, kind)
    return found


def closed(schema: Any) -> Any:
    """A schema of a custom resource that takes no field which it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(part) for name, part in schema.items()}
    kept = found.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(found.get("properties"), dict) and "type" in found and not kept:
        found.setdefault("additionalProperties", False)
    if found.get("x-kubernetes-int-or-string"):
        found.pop("type", None)
    return found


@cache
def operator_schemas() -> dict[tuple[str, str], Draft202012Validator]:
    """The operator's schemas, by version of the API and kind."""
    found = {}
    for name in ("servicemonitors", "scrapeconfigs", "prometheusrules"):
        path = chart.needs(CRDS) / f"monitoring.coreos.com_{name}.yaml"
        definition = yaml.load(path.read_bytes(), yaml.CSafeLoader)["spec"]
        for version in definition["versions"]:
            schema = closed(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            key = (f"{definition['group']}/{version['name']}", definition["names"]["kind"])
            found[key] = Draft202012Validator(schema)
    return found


# As it is kept


def test_what_is_generated_from_the_chart_is_up_to_date() -> None:
    stale = [
        str(path.relative_to(ROOT))
        for path, text in chart.generated()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run `make chart`"


@pytest.mark.parametrize("name", SETS)
def test_lint_finds_nothing(name: str) -> None:
    report = chart.helm("lint", "--strict", f"--values={chart.values(name)}")
    assert re.findall(r"\[(?:WARNING|ERROR)\].*", report) == []


def test_a_package_renders_the_same_without_the_checkout(tmp_path: Path, everything: str) -> None:
    """Packaging follows the links to rules and dashboards."""
    command = [PROGRAMS / "helm", "package", CHART, "--destination", tmp_path]
    subprocess.run(command, check=True, capture_output=True)
    (package,) = tmp_path.iterdir()
    assert chart.render(chart.values("everything"), chart=package) == everything


def test_a_package_has_no_file_of_the_tests(tmp_path: Path) -> None:
    command = [PROGRAMS / "helm", "package", CHART, "--destination", tmp_path]
    subprocess.run(command, check=True, capture_output=True)
    (package,) = tmp_path.iterdir()
    listing = subprocess.run(["tar", "-tzf", package], check=True, capture_output=True, text=True)
    names = listing.stdout.split()
    assert "docspace-exporter/files/rules/docspace.yml" in names
    assert [name for name in names if "/ci/" in name or name.endswith(".gotmpl")] == []


# Schemas


@pytest.fixture(scope="module")
def own_kinds(everything: str) -> list[Resource]:
    """The resources of three value sets, without those of the operator."""
    texts = [everything, *(chart.render(chart.values(name)) for name in ("probe", "minimal"))]
    found = (each for text in texts for each in chart.resources(text))
    return [each for each in found if "monitoring.coreos.com" not in each["apiVersion"]]


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_every_kubernetes_knows_every_field(version: str, own_kinds: list[Resource]) -> None:
    for resource in own_kinds:
        kubernetes_validate.validate(dict(resource), version, strict=True)


def test_the_operator_knows_every_field(everything: str) -> None:
    schemas = operator_schemas()
    seen = set()
    for text in (everything, chart.render(chart.values("probe"))):
        for resource in chart.resources(text):
            if "monitoring.coreos.com" in resource["apiVersion"]:
                key = (resource["apiVersion"], resource["kind"])
                seen.add(key[1])
                assert [error.message for error in schemas[key].iter_errors(resource)] == []
    assert seen == {"ServiceMonitor", "ScrapeConfig", "PrometheusRule"}


def test_the_operators_schemas_refuse_an_unknown_field(everything: str) -> None:
    monitor = json.loads(json.dumps(one(everything, "ServiceMonitor")))
    monitor["spec"]["endpoints"][0]["intervall"] = "1m"
    validator = operator_schemas()["monitoring.coreos.com/v1", "ServiceMonitor"]
    (error,) = validator.iter_errors(monitor)
    assert "intervall" in error.message


# Alerts


def test_the_rules_are_the_projects_own_word_for_word() -> None:
    """Also what looks like a template of Helm in the texts of alerts."""
    text = chart.render(sets=RULES_ON)
    groups = {
        resource["metadata"]["name"].replace("docspace-exporter", "docspace"): resource["spec"]
        for resource in chart.of_kind(text, "PrometheusRule")
    }
    assert groups == {
        name: yaml.load(path.read_bytes(), yaml.CSafeLoader) for name, path in RULES.items()
    }
    assert "{{ $labels.portal }}" in text


def test_promtool_takes_the_rules_of_every_switch(
    promtool: Path, tmp_path: Path, everything: str
) -> None:
    for number, resource in enumerate(chart.of_kind(everything, "PrometheusRule")):
        file = tmp_path / f"{number}.yml"
        file.write_text(yaml.safe_dump(dict(resource["spec"])), encoding="utf-8")
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2
    done = subprocess.run(
        [promtool, "check", "rules", *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_alert_can_be_left_out() -> None:
    every = alerts(chart.render(sets=RULES_ON))
    off = 'prometheusRule.alerts={"DocSpaceClockSkew":{"enabled":false}}'
    assert set(every) - set(alerts(chart.render(sets=(*RULES_ON, off)))) == {"DocSpaceClockSkew"}


def test_labels_go_on_all_alerts_and_those_of_one_win() -> None:
    own = {"for": "20m", "labels": {"team": "network", "severity": "info"}}
    sets = (
        'prometheusRule.alertLabels={"team":"observability"}',
        f"prometheusRule.alerts={json.dumps({'DocSpacePortalDown': own})}",
    )
    found = alerts(chart.render(sets=(*RULES_ON, *sets)))
    assert found["DocSpacePortalDown"]["labels"] == {"team": "network", "severity": "info"}
    assert found["DocSpacePortalDown"]["for"] == "20m"
    others = [rule for name, rule in found.items() if name != "DocSpacePortalDown"]
    assert {rule["labels"]["team"] for rule in others} == {"observability"}


def test_rules_that_record_get_no_labels(everything: str) -> None:
    records = [
        rule
        for resource in chart.of_kind(everything, "PrometheusRule")
        for group in resource["spec"]["groups"]
        for rule in group["rules"]
        if "record" in rule
    ]
    assert records
    assert [rule for rule in records if "labels" in rule] == []


def test_links_of_alerts_lead_to_the_own_grafana_and_runbooks(everything: str) -> None:
    notes = alerts(everything)["DocSpaceKeyExpired"]["annotations"]
    assert notes["dashboard_url"].startswith("https://grafana.example/d/docspace-api-key/")
    assert notes["runbook_url"] == "https://wiki.example/runbooks/DocSpaceKeyExpired.md"


@pytest.mark.parametrize("kind", ["ServiceMonitor", "ScrapeConfig"])
@pytest.mark.parametrize("name", ["everything", "probe"])
def test_the_job_is_one_that_the_alerts_watch(kind: str, name: str) -> None:
    """DocSpaceExporterDown and DocSpaceProbesFailing choose targets by the name of their job."""
    spec = one(chart.render(chart.values(name)), kind)["spec"]
    (relabeling,) = [
        each
        for each in spec.get("endpoints", [spec])[0]["relabelings"]
        if each["targetLabel"] == "job"
    ]
    alert, pattern = {
        "ServiceMonitor": ("DocSpaceExporterDown", r'up\{job=~"([^"]+)"\}'),
        "ScrapeConfig": ("DocSpaceProbesFailing", r'up\{job=~"([^"]+)"\}'),
    }[kind]
    expression = alerts(chart.render(sets=RULES_ON))[alert]["expr"]
    (jobs,) = re.findall(pattern, expression)
    assert re.fullmatch(jobs, relabeling["replacement"])


# Dashboards


def test_the_dashboards_are_the_projects_own(everything: str) -> None:
    found = {
        name: json.loads(text)
        for resource in chart.of_kind(everything, "ConfigMap")
        for name, text in resource.get("data", {}).items()
        if name.endswith(".json")
    }
    assert found == {
        path.name: json.loads(path.read_text(encoding="utf-8"))
        for path in ROOT.glob("grafana/*.json")
    }


def test_a_dashboard_fits_the_annotation_of_a_client_side_apply(everything: str) -> None:
    """Of `kubectl apply` and Argo CD: 256 KiB for the resource as JSON."""
    sizes = [len(json.dumps(each)) for each in chart.of_kind(everything, "ConfigMap")]
    assert max(sizes) < 256 * 1024


# Pods


def annotations(*sets: str) -> dict[str, str]:
    """The annotations of the pod."""
    deployment = one(chart.render(sets=sets), "Deployment")
    found: dict[str, str] = deployment["spec"]["template"]["metadata"]["annotations"]
    return found


def test_a_change_of_the_configuration_restarts_the_pod() -> None:
    other = ONE.replace("acme.onlyoffice.com", "beta.onlyoffice.com")
    assert annotations(*MINIMAL) != annotations(f"config={other}", MINIMAL[1])


def test_a_change_of_a_key_in_a_file_restarts_nothing() -> None:
    """The exporter reads the file at each scrape."""
    first, second = (
        annotations(MINIMAL[0], f'apiKeys={{"acme":"{key}"}}') for key in ("sk-one", "sk-two")
    )
    assert first == second


def test_a_change_of_a_key_in_the_environment_restarts_the_pod() -> None:
    url = 'docspace.url="https://acme.onlyoffice.com"'
    first, second = (
        annotations(url, f'apiKeys={{"docspace":"{key}"}}') for key in ("sk-one", "sk-two")
    )
    assert first != second


@pytest.mark.parametrize("name", ["default", "everything"])
def test_a_key_stands_in_the_secret_alone(name: str) -> None:
    text = chart.render(chart.values(name))
    others = [each for each in chart.resources(text) if each["kind"] != "Secret"]
    assert KEY not in json.dumps(others)
    assert len(chart.of_kind(text, "Secret")) == 1


def test_probes_do_not_ask_for_a_page_that_needs_a_password() -> None:
    deployment = one(chart.render(chart.values("probe")), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe]["tcpSocket"] == {"port": "metrics"}
        assert "httpGet" not in container[probe]


def test_a_digest_pins_the_image() -> None:
    digest = "sha256:" + "0" * 64
    deployment = one(chart.render(sets=(*MINIMAL, f'image.digest="{digest}"')), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"].endswith(f":1.0.0@{digest}")


def test_labels_of_the_user_never_change_which_pods_are_chosen() -> None:
    own = {"app.kubernetes.io/name": "other", "app.kubernetes.io/part-of": "platform"}
    labels = json.dumps(own)
    text = chart.render(sets=(*MINIMAL, f"commonLabels={labels}", f"podLabels={labels}"))
    deployment = one(text, "Deployment")
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector["app.kubernetes.io/name"] == "docspace-exporter"
    found = deployment["spec"]["template"]["metadata"]["labels"]
    assert selector.items() <= found.items()
    assert found["app.kubernetes.io/part-of"] == "platform"


def test_names_that_look_like_numbers_stay_text() -> None:
    own = ('namespaceOverride="123"', 'existingSecret="456"', 'imagePullSecrets=["789"]')
    text = chart.render(sets=(f"config={ONE}", *own, "serviceMonitor.enabled=true"))
    assert {each["metadata"]["namespace"] for each in chart.resources(text)} == {"123"}
    assert one(text, "ServiceMonitor")["spec"]["namespaceSelector"]["matchNames"] == ["123"]
    pod = one(text, "Deployment")["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "789"}]
    assert [each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each] == ["456"]


def test_a_name_with_a_dot_makes_one_that_a_service_may_have() -> None:
    text = chart.render(sets=(*MINIMAL, 'nameOverride="my.keys"'))
    assert one(text, "Service")["metadata"]["name"] == "docspace-exporter-my-keys"


def test_an_annotation_of_the_user_replaces_the_charts_own() -> None:
    name = "kubectl.kubernetes.io/default-container"
    text = chart.render(sets=(*MINIMAL, f"podAnnotations={json.dumps({name: 'other'})}"))
    assert text.count(f"{name}:") == 1
    annotations = one(text, "Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations[name] == "other"


# Network policy


@pytest.mark.parametrize(
    ("portal", "ports"),
    [
        ({"url": "https://acme.example"}, {443}),
        ({"url": "http://acme.example"}, {80}),
        ({"url": "HTTPS://acme.example:8443/portal"}, {8443}),
        ({"url": "http://[2001:db8::1]"}, {80}),
        ({"url": "https://acme.example", "proxy_url": "http://proxy.example:3128"}, {3128}),
    ],
)
def test_the_pod_may_connect_to_ports_of_portals_and_dns(
    portal: dict[str, str], ports: set[int]
) -> None:
    config = json.dumps({"portals": [{"name": "acme", **portal}]})
    text = chart.render(sets=(f"config={config}", MINIMAL[1], "networkPolicy.enabled=true"))
    policy = one(text, "NetworkPolicy")
    dns, portals = policy["spec"]["egress"]
    assert {each["port"] for each in portals["ports"]} == ports
    assert {(each["port"], each["protocol"]) for each in dns["ports"]} == {
        (53, "UDP"),
        (53, "TCP"),
    }


# Values that cannot work


def portals(*fields: dict[str, str]) -> str:
    """`config` with portals of these fields, each with an address."""
    every = [{"url": "https://acme.example", **each} for each in fields]
    return f"config={json.dumps({'portals': every})}"


def refused() -> Iterator[tuple[tuple[str, ...], str]]:
    """Values, and what Helm says of them."""
    secret = MINIMAL[1]
    acme = {"name": "acme"}
    yield (), "set one of docspace.url"
    yield (*MINIMAL, 'docspace.url="https://a.example"'), "set one of docspace.url"
    yield (MINIMAL[0],), "portal acme has no API key"
    yield (*MINIMAL, f'apiKeys={{"acme":"{KEY}"}}'), "set either existingSecret or apiKeys"
    yield (portals(acme), f'apiKeys={{"acme":"{KEY}","acne":"k"}}'), 'no portal is called "acne"'
    yield (portals({"name": "a b"}), secret), "cannot be called"
    yield (portals(acme, acme), secret), "two portals are called"
    yield (portals({**acme, "api_key": KEY}),), "readable in a ConfigMap"
    yield (portals({**acme, "api_key": "${A}", "api_key_file": "b"}),), "has both"
    password = {**acme, "proxy_url": "http://user:pass@proxy.example:1"}
    yield (portals(password), secret), "password in the proxy_url"
    variable = portals({**acme, "url": "${URL}"})
    yield (variable, secret, "networkPolicy.enabled=true"), "networkPolicy.egress.extraPorts"
    own = 'existingConfigMap="own"'
    yield (own, secret, "networkPolicy.enabled=true"), "networkPolicy.egress.extraPorts"
    yield (*MINIMAL, "web.tls=true"), "web.existingSecret"
    web = (*MINIMAL, 'web.existingSecret="web"')
    yield (*web, "web.authentication=true", "serviceMonitor.enabled=true"), "web.scrape.basicAuth"
    yield (*web, 'web.scrape.tlsConfig={"serverName":"x"}'), "needs web.tls"
    yield (*RULES_ON, 'prometheusRule.alerts={"DocSpaceDown":{"enabled":false}}'), "DocSpaceDown"
    yield (*MINIMAL, "nodeSelektor={}"), "nodeSelektor"


@pytest.mark.parametrize(("sets", "message"), list(refused()))
def test_values_that_cannot_work_are_refused(sets: tuple[str, ...], message: str) -> None:
    stderr = refusal(*sets)
    assert message in stderr
    assert KEY not in stderr
