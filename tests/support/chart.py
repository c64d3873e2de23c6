"""Render the Helm chart with a real Helm, for its tests and to write the generated files.

`make chart` runs this file. It writes the golden files, the chart's README and the manifests of
`deploy/kubernetes`.
"""

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from support import tools
from support.tools import ROOT

CHART: Final = ROOT / "deploy" / "helm" / "docspace-exporter"
GOLDEN: Final = ROOT / "tests" / "golden" / "chart"
KUBERNETES: Final = ROOT / "deploy" / "kubernetes"
PROGRAMS: Final = ROOT / ".tools" / "bin"
CRDS: Final = ROOT / ".tools" / "crds"
#: Set by `make chart-test`, which fails if a program is missing.
REQUIRED: Final = "CHART_REQUIRED"
#: The value sets that have a golden file.
SETS: Final = sorted(path.name.removesuffix("-values.yaml") for path in CHART.glob("ci/*.yaml"))
#: The Kubernetes that resources are rendered for; Helm built from source would say 1.20.
KUBE_VERSION: Final = "1.37.0"

Resource = Mapping[str, Any]


def needs(path: Path) -> Path:
    """The path of a program or folder that `make chart-test` installs.

    Fails or skips the test if it is missing.
    """
    if not path.exists():
        message = f"{path.relative_to(ROOT)} is missing: run `make chart-test`"
        tools.unavailable(message, REQUIRED)
    return path


def helm(*arguments: str | Path, chart: Path = CHART) -> str:
    """The output of Helm. Raises CalledProcessError, with its stderr, if it fails."""
    command, *rest = arguments
    name = ["docspace-exporter"] if command == "template" else []
    options = ["--namespace=monitoring", f"--kube-version={KUBE_VERSION}"]
    done = subprocess.run(
        [PROGRAMS / "helm", command, *name, chart, *options, *rest],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def render(*values: Path, sets: Sequence[str] = (), chart: Path = CHART) -> str:
    """The manifests for files of values, and for values as `--set-json` takes them."""
    return _rendered(values, tuple(sets), chart)


@cache
def _rendered(values: tuple[Path, ...], sets: tuple[str, ...], chart: Path) -> str:
    """Cached, because Helm takes a second and many tests need the same manifest."""
    options = [*(f"--values={path}" for path in values), *(f"--set-json={each}" for each in sets)]
    return helm("template", *options, chart=chart)


def values(name: str) -> Path:
    """The file of a value set."""
    return CHART / "ci" / f"{name}-values.yaml"


def resources(text: str) -> list[Resource]:
    """The resources of a manifest."""
    return [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]


def of_kind(text: str, kind: str) -> list[Resource]:
    """The resources of a kind."""
    return [each for each in resources(text) if each["kind"] == kind]


def shortened(text: str) -> str:
    """A manifest without rules and dashboards: these are compared with their own files."""
    text = re.sub(r"(?m)^( +docspace-api-keys?\.json: ).*\n.*$", r'\1"{}"', text)
    return re.sub(r"(?ms)^(kind: PrometheusRule$.*?^  groups:)$.*?(?=^---$|\Z)", r"\1 []\n", text)


def plain(text: str) -> str:
    """A manifest for kubectl: without the labels of Helm and without a namespace."""
    for line in (
        r"# Source: .*",
        r" +helm\.sh/chart: .*",
        r" +app\.kubernetes\.io/managed-by: Helm",
        r"  namespace: monitoring",
        r"  namespaceSelector:\n    matchNames:\n      - monitoring",
        r" +# A changed configuration .*\n +checksum/config: .*",
    ):
        text = re.sub(rf"(?m)^{line}\n", "", text)
    return text


def manifests() -> Iterator[tuple[Path, str]]:
    """The files of `deploy/kubernetes`, with their text."""
    text = plain(render(CHART.parent / "kubectl-values.yaml"))
    parts = [part for part in re.split(r"(?m)^---\n", text) if part.strip()]
    monitors = [part for part in parts if "kind: ServiceMonitor\n" in part]
    others = [part for part in parts if part not in monitors]
    head = (
        "# Written by `make chart` from deploy/helm/kubectl-values.yaml; see docs/kubernetes.md\n"
    )
    yield KUBERNETES / "docspace-exporter.yaml", head + "---\n".join(others)
    yield KUBERNETES / "servicemonitor.yaml", head + "---\n".join(monitors)


def readme() -> str:
    """The chart's README as helm-docs writes it."""
    options = ["--sort-values-order=file", "--dry-run", "--log-level=warning"]
    done = subprocess.run(
        [PROGRAMS / "helm-docs", f"--chart-search-root={CHART}", *options],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return done.stdout.rstrip("\n") + "\n"


def generated() -> Iterator[tuple[Path, str]]:
    """Every file that is generated from the chart, with its text."""
    for name in SETS:
        yield GOLDEN / f"{name}.yaml", shortened(render(values(name)))
    yield from manifests()
    yield CHART / "README.md", readme()


if __name__ == "__main__":
    for path, text in generated():
        path.write_text(text, encoding="utf-8")
