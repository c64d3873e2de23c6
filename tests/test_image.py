"""The container image, built from the Dockerfile and run without a shell.

`make image-test` runs this as root, and fails where a program is missing. `make test` skips it: a
build takes minutes.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support import chart, image
from support.image import Engine
from support.prometheus import eventually
from support.tools import ROOT

from exporter.version import VERSION

REVISION = "abc1234"
USER = 65532
GET = """
import http.client, sys
connection = http.client.HTTPConnection("localhost", 10180, timeout=30)
connection.request("GET", sys.argv[1])
sys.stdout.write(connection.getresponse().read().decode())
"""
DISTRIBUTIONS = """
from importlib.metadata import distributions
print(*sorted(f"{each.name}=={each.version}" for each in distributions()), sep="\\n")
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """Both buildah and podman, with a storage of their own."""
    image.available()
    folder = Path(tempfile.mkdtemp(prefix="image-", dir="/tmp"))
    engine = Engine(folder)
    try:
        yield engine
    finally:
        engine.remove()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def built(engine: Engine) -> str:
    """The image without any shell: what runs from it runs without the help of one."""
    return engine.without_shells(engine.build(engine.base(), REVISION))


@pytest.fixture(scope="module")
def demo(engine: Engine, built: str) -> str:
    """A container that runs the demo at the image's own port."""
    return ready(engine, engine.start(built, "demo", "--web.listen-address=127.0.0.1:10180"))


def ready(engine: Engine, container: str) -> str:
    """The container, once it serves."""
    eventually(lambda: engine.log(container), lambda text: "is ready" in text)
    return container


def get(engine: Engine, container: str, path: str) -> str:
    """A page that the container serves on its loopback."""
    done = engine.execute(container, ["python", "-c", GET, path])
    assert done.returncode == 0, done.stderr
    return done.stdout


def status(engine: Engine, container: str) -> dict[str, str]:
    """/proc/…/status of the container's process."""
    text = Path(f"/proc/{engine.state(container)['Pid']}/status").read_text(encoding="ascii")
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in pairs}


def test_it_serves_without_a_shell_on_a_file_system_that_cannot_be_written(
    engine: Engine, demo: str
) -> None:
    assert 'docspace_up{portal="acme"} 1' in get(engine, demo, "/metrics")
    mounts = Path(f"/proc/{engine.state(demo)['Pid']}/mountinfo").read_text(encoding="utf-8")
    (options,) = re.findall(r"(?m)^\d+ \d+ \S+ \S+ / (\S+) ", mounts)
    assert "ro" in options.split(",")


def test_its_process_is_a_user_without_a_name_and_without_privileges(
    engine: Engine, demo: str
) -> None:
    found = status(engine, demo)
    assert set(found["Uid"].split()) == set(found["Gid"].split()) == {str(USER)}
    assert {int(found[f"Cap{name}"], 16) for name in ("Prm", "Eff", "Bnd", "Amb")} == {0}
    assert found["NoNewPrivs"] == "1"


def test_the_exporter_is_the_first_process(engine: Engine, demo: str) -> None:
    """Signals of the engine reach it, and no other program starts it."""
    line = Path(f"/proc/{engine.state(demo)['Pid']}/cmdline").read_bytes().split(b"\0")
    assert line[1:3] == [b"/opt/docspace-exporter/bin/docspace-exporter", b"demo"]
    assert status(engine, demo)["NSpid"].split()[-1] == "1"


def test_no_configuration_makes_a_working_container_unhealthy(engine: Engine, built: str) -> None:
    """The image has no health check of its own: it would have to know port, TLS and users."""
    configuration = engine.configuration(built)
    assert not configuration.get("Healthcheck")
    assert not configuration.get("HealthCheck")


def test_the_health_check_of_compose_runs_in_the_image(engine: Engine, demo: str) -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    kind, *command = compose["services"]["exporter"]["healthcheck"]["test"]
    assert kind == "CMD", "CMD-SHELL would need a shell"
    assert engine.execute(demo, command).returncode == 0


def test_it_names_version_revision_and_base(engine: Engine, built: str, demo: str) -> None:
    labels = engine.configuration(built)["Labels"]
    assert labels["org.opencontainers.image.revision"] == REVISION
    assert labels["org.opencontainers.image.base.name"] == "localhost/base:test"
    version = engine.execute(demo, ["docspace-exporter", "--version"]).stdout
    assert VERSION in version
    assert REVISION in version


def test_it_has_the_packages_of_the_lock_and_no_other(engine: Engine, demo: str) -> None:
    """Neither pip nor what built the package."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = {canonical(line) for line in re.findall(r"(?m)^([\w.-]+==[\w.]+)", lock)}
    done = engine.execute(demo, ["python", "-c", DISTRIBUTIONS])
    found = {canonical(line) for line in done.stdout.split()}
    assert found == locked | {f"docspace-exporter=={VERSION}"}


def canonical(requirement: str) -> str:
    """A pinned requirement with the name as an index spells it."""
    return re.sub(r"[-_.]+(?=.*==)", "-", requirement).lower()


def test_a_stop_ends_it_in_order(engine: Engine, built: str) -> None:
    container = ready(engine, engine.start(built, "demo", "--web.listen-address=127.0.0.1:10180"))
    engine.podman("stop", "--time=30", container)
    assert engine.state(container)["ExitCode"] == 0


def test_without_a_portal_it_says_what_is_missing(engine: Engine, built: str) -> None:
    container = engine.start(built)
    eventually(lambda: engine.state(container)["Status"], lambda text: text == "exited")
    assert engine.state(container)["ExitCode"] == 2
    assert "DOCSPACE_URL" in engine.log(container)


def test_it_runs_as_the_chart_has_it_run(engine: Engine, built: str, tmp_path: Path) -> None:
    """With the chart's flags, its configuration, and a key that only the pod's group may read."""
    manifest = (chart.GOLDEN / "default.yaml").read_text(encoding="utf-8")
    (configuration,) = chart.of_kind(manifest, "ConfigMap")
    (deployment,) = chart.of_kind(manifest, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    content = {"config": configuration["data"], "api-keys": {"acme": "sk-not-a-real-key"}}
    tmp_path.chmod(0o755)
    mounts = {}
    for mount in container["volumeMounts"]:
        folder = tmp_path / mount["name"]
        folder.mkdir()
        for name, text in content[mount["name"]].items():
            (folder / name).write_text(text, encoding="utf-8")
            os.chown(folder / name, 0, pod["securityContext"]["fsGroup"])
            (folder / name).chmod(0o440)
        mounts[folder] = mount["mountPath"]
    running = ready(engine, engine.start(built, *container["args"], mounts=mounts))
    for probe in ("livenessProbe", "readinessProbe"):
        get(engine, running, container[probe]["httpGet"]["path"])
    metrics = get(engine, running, "/metrics")
    assert 'docspace_up{portal="acme"} 0' in metrics
    errors = dict(
        re.findall(r'docspace_scrape_errors_total\{portal="acme",reason="(\w+)"\} (\d+)', metrics)
    )
    # It has no network, and got as far as to need one: the key was read.
    assert int(errors["connection"]) > 0
    assert errors["credential"] == "0"
