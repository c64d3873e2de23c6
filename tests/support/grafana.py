"""A real Grafana on loopback, with the project's dashboards provisioned.

It comes from `GRAFANA_HOME`, the folder of an unpacked release, or from PATH if it is installed
like the Debian package of Grafana Labs. Nothing is downloaded.
"""

import json
import os
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from support import tools
from support.process import Process
from support.prometheus import eventually

ROOT: Final = Path(__file__).resolve().parents[2]
INSTALLED: Final = Path("/usr/share/grafana")
#: Set by `make grafana-test`, which fails without Grafana.
REQUIRED: Final = "GRAFANA_REQUIRED"
MISSING: Final = "no Grafana: set GRAFANA_HOME to the folder of a release, or put grafana into PATH"


def find() -> tuple[Path, Path]:
    """The program, and the folder with `public` and `conf`.

    Fails or skips the test if Grafana is missing.
    """
    folder = os.environ.get("GRAFANA_HOME")
    home = Path(folder) if folder else INSTALLED
    programs = [home / "bin" / name for name in ("grafana", "grafana-server")]
    if not folder:
        known = (shutil.which(name) for name in ("grafana", "grafana-server"))
        programs = [Path(path) for path in known if path]
    found = next(filter(Path.exists, programs), None)
    if found is None:
        tools.unavailable(MISSING, REQUIRED)
    return found, home


class Grafana:
    """A Grafana without login. ``sources`` are its data sources: name, and URL of a Prometheus."""

    def __init__(self, folder: Path, sources: Mapping[str, str]) -> None:
        self.url = f"http://127.0.0.1:{_free_port()}"
        program, home = find()
        _provision(folder, sources)
        (folder / "grafana.ini").write_text(_settings(folder, self.url), encoding="utf-8")
        options = [f"--homepath={home}", f"--config={folder / 'grafana.ini'}"]
        server = [] if program.name == "grafana-server" else ["server"]
        self._process = Process([program, *server, *options], folder, "")

    def __enter__(self) -> Self:
        eventually(self._healthy, bool, 120.0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.stop(seconds=30.0)

    def api(self, path: str) -> Any:
        """The answer of its API, decoded from JSON."""
        with urllib.request.urlopen(f"{self.url}/api/{path}", timeout=30) as answer:
            return json.load(answer)

    def _healthy(self) -> bool:
        try:
            return bool(self.api("health")["database"] == "ok")
        except (urllib.error.URLError, ConnectionError):
            return False


def _free_port() -> int:
    """A free port: Grafana must know its own URL, which it writes into pages, before it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _settings(folder: Path, url: str) -> str:
    port = url.rpartition(":")[2]
    return f"""
[paths]
data = {folder / "data"}
logs = {folder / "logs"}
plugins = {folder / "plugins"}
provisioning = {folder / "provisioning"}
[server]
http_addr = 127.0.0.1
http_port = {port}
root_url = {url}/
[auth.anonymous]
enabled = true
org_role = Admin
[analytics]
reporting_enabled = false
check_for_updates = false
check_for_plugin_updates = false
[news]
news_feed_enabled = false
[plugins]
preinstall_disabled = true
plugin_admin_enabled = false
[unified_alerting]
enabled = false
[log]
mode = file
[security]
disable_gravatar = true
"""


def _provision(folder: Path, sources: Mapping[str, str]) -> None:
    """Write the files of data sources and dashboards, as JSON, which is YAML."""
    datasources = [
        {
            "name": name,
            "uid": name,
            "type": "prometheus",
            "access": "proxy",
            "url": url,
            "jsonData": {"httpMethod": "POST", "timeInterval": "15s"},
        }
        for name, url in sources.items()
    ]
    provider = {
        "name": "docspace",
        "type": "file",
        "allowUiUpdates": True,
        "options": {"path": str(folder / "dashboards")},
    }
    files = {"datasources": {"datasources": datasources}, "dashboards": {"providers": [provider]}}
    for kind, content in files.items():
        (folder / "provisioning" / kind).mkdir(parents=True)
        file = folder / "provisioning" / kind / "docspace.yaml"
        file.write_text(json.dumps({"apiVersion": 1, **content}), encoding="utf-8")
    (folder / "dashboards").mkdir()
    for dashboard in (ROOT / "grafana").glob("docspace-*.json"):
        shutil.copy(dashboard, folder / "dashboards")
