"""Other tools on the same portal, for docs/comparison.md: ``python -m benchmarks.peers``.

json_exporter and blackbox_exporter are measured where they are on PATH (Debian's
prometheus-blackbox-exporter too), a cron script where curl and jq are. Each is asked for the most
that it can say of DocSpace's keys; docs/comparison.md says what that is.
"""

import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import processes
from benchmarks.portal import SECRET
from benchmarks.processes import PROMETHEUS, Client, Process

#: Keys, and scrapes measured.
SIZES = ((100, 60), (1000, 20), (10_000, 8))

_JSON_EXPORTER = f"""\
modules:
  default:
    http_client_config: {{authorization: {{credentials: {SECRET}}}}}
    metrics:
      - name: docspace_api_key
        type: object
        path: '{{.response[*]}}'
        labels:
          key_id: '{{.id}}'
          key_name: '{{.name}}'
          key_postfix: '{{.keyPostfix}}'
          creator: '{{.createBy.displayName}}'
          expires: '{{.expiresAt}}'
        values: {{active: '{{.isActive}}'}}
"""

_BLACKBOX_EXPORTER = f"""\
modules:
  docspace:
    prober: http
    timeout: 50s
    http:
      authorization: {{credentials: {SECRET}}}
      fail_if_body_not_matches_regexp: ['"isActive"']
"""

_SCRIPT = r"""
curl -sf --compressed -H "Authorization: Bearer $2" "$1/api/2.0/keys" | jq -r '
def t: .[:19] + "Z" | fromdate;
def quoted: gsub("\\\\"; "\\\\\\\\") | gsub("\""; "\\\"");
.response[] | "{key_id=\"\(.id)\",key_name=\"\(.name | quoted)\"}" as $l |
"docspace_api_key_active\($l) \(if .isActive then 1 else 0 end)",
(select(.expiresAt) | "docspace_api_key_expiry_timestamp_seconds\($l) \(.expiresAt | t)"),
"docspace_api_key_created_timestamp_seconds\($l) \(.createOn | t)",
(select(.lastUsed) | "docspace_api_key_last_used_timestamp_seconds\($l) \(.lastUsed | t)")
' > "$3.new" && mv "$3.new" "$3"
"""


def main() -> None:
    """Print a row for each tool and number of keys."""
    print(f"load {os.getloadavg()[0]:.1f}\n")
    print("| keys | tool | CPU of a scrape | time | resident |\n|---|---|---|---|---|")
    for keys, rounds in SIZES:
        with processes.portals(keys) as portal, tempfile.TemporaryDirectory() as folder:
            for name, measure in _tools(portal, Path(folder), rounds):
                cpu, wall, memory = measure()
                print(
                    f"| {keys:,} | {name} | {cpu * 1e3:.1f} ms | {wall * 1e3:.1f} ms | {memory} |",
                    flush=True,
                )


#: Seconds of CPU, seconds, and memory as text.
Measured = tuple[float, float, str]


def _tools(
    portal: Process, folder: Path, rounds: int
) -> Iterator[tuple[str, Callable[[], Measured]]]:
    url = f"http://127.0.0.1:{portal.ports[0]}"
    yield "docspace-exporter", lambda: _ours(portal, rounds)
    for name, configuration, query in (
        ("json_exporter", _JSON_EXPORTER, f"target={url}/api/2.0/keys"),
        ("blackbox_exporter", _BLACKBOX_EXPORTER, f"module=docspace&target={url}/api/2.0/keys"),
    ):
        program = shutil.which(name) or shutil.which(f"prometheus-{name.replace('_', '-')}")
        if program is not None:
            file = folder / f"{name}.yml"
            file.write_text(configuration, encoding="utf-8")
            command = [program, f"--config.file={file}"]
            yield name, lambda command=command, query=query: _theirs(command, query, rounds)
    if shutil.which("curl") and shutil.which("jq"):
        yield "curl and jq", lambda: _script(url, folder / "keys.prom")


def _ours(portal: Process, rounds: int) -> Measured:
    with processes.exporter(portal.ports) as exporter:
        return _measured(exporter, "/metrics", rounds)


def _theirs(command: list[str], query: str, rounds: int) -> Measured:
    with _listening(command) as exporter:
        return _measured(exporter, f"/probe?{query}", rounds)


def _measured(exporter: Process, path: str, rounds: int) -> Measured:
    scrape = Client(exporter.ports[0], path, PROMETHEUS)
    scrape()
    before, times = exporter.cpu, []
    for _ in range(rounds):
        began = time.perf_counter()
        scrape()
        times.append(time.perf_counter() - began)
    cpu = (exporter.cpu - before) / rounds
    return cpu, statistics.median(times), f"{exporter.memory:.0f} MiB"


def _script(url: str, output: Path) -> Measured:
    measured = []
    for _ in range(5):
        began = time.perf_counter()
        process = subprocess.Popen(["/bin/sh", "-c", _SCRIPT, "sh", url, SECRET, output])
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, status
        measured.append((used.ru_utime + used.ru_stime, time.perf_counter() - began))
    cpu, wall = (statistics.median(each) for each in zip(*measured, strict=True))
    return cpu, wall, ""


@contextlib.contextmanager
def _listening(command: list[str]) -> Iterator[Process]:
    """A process of another tool on a free port, once it accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    process = subprocess.Popen(
        [*command, f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield Process(process, [port])
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
