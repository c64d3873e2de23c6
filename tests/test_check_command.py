"""`docspace-exporter check`, as a process, on portals in every condition."""

import json
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from rich.cells import cell_len
from support.certificates import Issued, issue
from support.demo import Demo
from support.process import Process, run
from support.terminal import Screen, on_terminal

from exporter.check import findings
from exporter.check.diagnosis import CHECKS
from exporter.demo.server import DemoServer
from exporter.docspace.wire import parse_keys

Findings = dict[str, dict[str, Any]]


def check(folder: Path, config: str, *flags: str) -> "CompletedProcess[str]":
    """Run it on a configuration."""
    file = folder / "config.yaml"
    file.write_text(config, encoding="utf-8")
    return run("check", f"--config.file={file}", *flags, cwd=folder)


def examined(folder: Path, config: str) -> tuple[str, Findings]:
    """The verdict and the findings of a configuration with one portal."""
    result = check(folder, config, "--format=json")
    (portal,) = json.loads(result.stdout)["portals"]
    assert result.returncode == (portal["verdict"] == "problem")
    return portal["verdict"], {finding["check"]: finding for finding in portal["checks"]}


def entry(url: str, key: str, more: str = "") -> str:
    """A configuration with one portal."""
    return f"portals:\n  - {{name: acme, url: '{url}', api_key: {key}{more}}}\n"


def statuses(found: Findings) -> dict[str, str]:
    """The status of each check."""
    return {name: finding["status"] for name, finding in found.items()}


# A portal that works.


def test_a_good_portal_passes_every_check(demo: Demo, tmp_path: Path) -> None:
    verdict, found = examined(tmp_path, demo.config("acme"))
    assert verdict == "ok"
    assert statuses(found) == dict.fromkeys(CHECKS, "ok")
    assert found["keys"]["value"] == len(demo.keys("acme"))
    assert found["visibility"]["value"] == "all"
    assert found["own_key_expiry"]["detail"].startswith("in ")
    assert found["scope"]["detail"] == "*:read"


def test_a_finding_has_these_fields(demo: Demo, tmp_path: Path) -> None:
    result = check(tmp_path, demo.config("acme"), "--format=json")
    (portal,) = json.loads(result.stdout)["portals"]
    assert set(portal) == {"portal", "url", "verdict", "checks"}
    assert [set(finding) for finding in portal["checks"]] == [
        {"check", "status", "detail", "value", "next_step"}
    ] * len(CHECKS)


def test_warnings_leave_the_exit_code_at_0(demo: Demo, tmp_path: Path) -> None:
    """The reader's own key runs out in days, and the portal's clock is 90 s ahead."""
    verdict, found = examined(tmp_path, demo.config("globex"))
    assert verdict == "warning"
    assert "own key expires in" in found["own_key_expiry"]["next_step"]
    assert found["clock_skew"]["value"] == pytest.approx(90, abs=2)
    assert "ahead" in found["clock_skew"]["detail"]


def test_a_key_of_somebody_who_is_no_admin_is_a_warning(demo: Demo, tmp_path: Path) -> None:
    _, found = examined(tmp_path, demo.config("initech"))
    assert found["visibility"]["value"] == "own"
    assert "DocSpace admin" in found["visibility"]["next_step"]


def test_a_key_that_may_do_everything_is_a_warning(demo: Demo, tmp_path: Path) -> None:
    key = demo.portals["acme"].portal.add_key("full")
    _, found = examined(tmp_path, entry(demo.servers["acme"].url, key.secret))
    assert statuses(found)["scope"] == "warning"
    assert statuses(found)["own_key_expiry"] == "ok", "never"


def test_a_session_token_is_accepted(demo: Demo, tmp_path: Path) -> None:
    """It has no key of its own to ask for: the list tells whether it is good."""
    portal, url = demo.portals["acme"].portal, demo.servers["acme"].url
    (person,) = (person for person in portal.people.values() if person.is_owner)
    verdict, found = examined(tmp_path, entry(url, portal.open_session(person)))
    assert verdict == "ok"
    assert statuses(found)["own_key_expiry"] == "skipped"


def test_records_that_are_no_keys_are_a_warning() -> None:
    listing = parse_keys(b'{"response": [{"id": "a", "isActive": true}, {}]}')
    found = findings.keys(listing)
    assert (found.status, found.detail, found.value) == ("warning", "1; 1 record not understood", 1)


def test_a_fetch_that_takes_most_of_the_timeout_is_a_warning() -> None:
    assert findings.latency(6.0, timeout=10.0).status == "warning"
    assert findings.latency(4.0, timeout=10.0).status == "ok"


# A key that does not do.


def test_a_key_that_is_too_narrow_is_told_from_a_wrong_one(demo: Demo, tmp_path: Path) -> None:
    key = demo.portals["acme"].portal.add_key("narrow", permissions=("files:read",))
    verdict, found = examined(tmp_path, entry(demo.servers["acme"].url, key.secret))
    assert verdict == "problem"
    assert statuses(found)["key"] == "ok"
    assert found["scope"]["next_step"] == (
        "this key is limited to files:read; create one with *:read as an admin"
    )


def test_what_comes_after_a_problem_is_skipped(demo: Demo, tmp_path: Path) -> None:
    _, found = examined(tmp_path, entry(demo.servers["acme"].url, "sk-wrong"))
    after = CHECKS[CHECKS.index("key") + 1 :]
    assert {name: statuses(found)[name] for name in after} == dict.fromkeys(after, "skipped")


def test_a_wrong_key_is_a_problem_of_the_key_and_not_of_the_api(demo: Demo, tmp_path: Path) -> None:
    _, found = examined(tmp_path, entry(demo.servers["acme"].url, "sk-wrong"))
    assert (statuses(found)["api"], statuses(found)["key"]) == ("ok", "problem")


def test_a_key_file_that_is_missing_is_named(demo: Demo, tmp_path: Path) -> None:
    url = demo.servers["acme"].url
    config = f"portals:\n  - {{name: acme, url: '{url}', api_key_file: no-such-file}}\n"
    _, found = examined(tmp_path, config)
    assert "no-such-file" in found["key"]["detail"]
    assert statuses(found)["api"] == "skipped"


# A portal that does not answer as it should.


@pytest.mark.parametrize(
    ("condition", "detail", "step"),
    [
        ("unpaid", "HTTP 402", "tariff"),
        ("suspended", "HTTP 404", "suspended"),
        ("broken", "HTTP 500", "logs"),
        ("bad_gateway", "HTTP 502", "reverse proxy"),
        ("html", "HTML page", "login page"),
        ("redirect", "HTTP 301 to https://", "`url`"),
    ],
)
def test_a_portal_in_trouble_is_a_problem_of_the_api(
    demo: Demo, tmp_path: Path, condition: Any, detail: str, step: str
) -> None:
    demo.portals["acme"].portal.condition = condition
    verdict, found = examined(tmp_path, demo.config("acme"))
    assert verdict == "problem"
    assert statuses(found)["api"] == "problem"
    assert detail in found["api"]["detail"]
    assert step in found["api"]["next_step"]


def test_an_address_that_is_not_allowed_is_a_problem_of_the_api(demo: Demo, tmp_path: Path) -> None:
    """Of any key but the owner's: `initech` is read with another person's."""
    demo.portals["initech"].portal.condition = "ip_blocked"
    _, found = examined(tmp_path, demo.config("initech"))
    assert statuses(found)["api"] == "problem"
    assert "HTTP 403" in found["api"]["detail"]
    assert "IP allow-list" in found["api"]["next_step"]


def test_a_refused_connection_is_a_problem_of_the_connection(demo: Demo, tmp_path: Path) -> None:
    demo.servers["acme"].stop()
    _, found = examined(tmp_path, demo.config("acme"))
    assert statuses(found)["name_resolution"] == "ok"
    assert found["connection"]["detail"] == "Connection refused"


def test_a_name_that_no_host_can_have_is_a_problem_of_the_name(tmp_path: Path) -> None:
    _, found = examined(tmp_path, entry("http://a..b", "sk-x"))
    assert statuses(found)["name_resolution"] == "problem"


def test_a_portal_that_hangs_is_a_problem_of_its_own(demo: Demo, tmp_path: Path) -> None:
    demo.portals["acme"].portal.delay = 30.0
    result = check(tmp_path, "scrape: {timeout: 1s}\n" + demo.config(), "--format=json")
    portals = {portal["portal"]: portal for portal in json.loads(result.stdout)["portals"]}
    assert portals["acme"]["verdict"] == "problem"
    assert {portals["globex"]["verdict"], portals["initech"]["verdict"]} == {"warning"}


# Certificates.


@pytest.fixture
def ca(tmp_path: Path) -> Issued:
    """A certificate authority that no system knows."""
    return issue(tmp_path, "corp-ca")


def encrypted(demo: Demo, shown: Issued, **options: Any) -> DemoServer:
    """The portal acme behind a certificate."""
    certificate = (shown.cert_file, shown.key_file)
    return DemoServer(demo.portals["acme"].portal, certificate=certificate, **options)


def examined_tls(demo: Demo, folder: Path, server: DemoServer, tls: str) -> Findings:
    """The findings on a portal behind TLS."""
    key = demo.portals["acme"].exporter_key
    with server:
        return examined(folder, entry(server.url, key, f", tls: {{{tls}}}"))[1]


def test_a_certificate_is_told_with_issuer_and_end(demo: Demo, ca: Issued, tmp_path: Path) -> None:
    leaf = issue(tmp_path, "leaf", ca, valid_hours=24 * 60 + 1)
    found = examined_tls(demo, tmp_path, encrypted(demo, leaf), f"ca_file: {ca.cert_file}")
    assert found["tls"]["detail"] == "by corp-ca, ends in 60 days"
    ends = leaf.certificate.not_valid_after_utc
    assert found["tls"]["value"] == ends.isoformat().replace("+00:00", "Z")
    assert statuses(found) == dict.fromkeys(CHECKS, "ok")


def test_a_certificate_that_ends_soon_is_a_warning(demo: Demo, ca: Issued, tmp_path: Path) -> None:
    leaf = issue(tmp_path, "leaf", ca, valid_hours=24)
    found = examined_tls(demo, tmp_path, encrypted(demo, leaf), f"ca_file: {ca.cert_file}")
    assert statuses(found)["tls"] == "warning"
    assert statuses(found)["latency"] == "ok"


@pytest.mark.parametrize(
    ("trusted", "host", "hours", "detail", "step"),
    [
        (False, "127.0.0.1", 1.0, "issued by corp-ca, which is not trusted", "`tls.ca_file`"),
        (True, "127.0.0.1", -5.0, "expired 5 hours ago", "renew"),
        (True, "127.0.0.9", 1.0, "is for 127.0.0.9", "issued for 127.0.0.1"),
    ],
)
def test_a_refused_certificate_is_explained_and_no_request_sent(
    demo: Demo,
    ca: Issued,
    tmp_path: Path,
    trusted: bool,  # noqa: FBT001, a case of the table
    host: str,
    hours: float,
    detail: str,
    step: str,
) -> None:
    leaf = issue(tmp_path, "leaf", ca, host=host, valid_hours=hours)
    tls = f"ca_file: {ca.cert_file}" if trusted else ""
    found = examined_tls(demo, tmp_path, encrypted(demo, leaf), tls)
    assert detail in found["tls"]["detail"]
    assert step in found["tls"]["next_step"]
    assert not demo.portals["acme"].portal.requests


def test_a_certificate_that_nobody_checks_is_a_warning(
    demo: Demo, ca: Issued, tmp_path: Path
) -> None:
    leaf = issue(tmp_path, "leaf", ca, valid_hours=-5.0)
    server = encrypted(demo, leaf)
    found = examined_tls(demo, tmp_path, server, "insecure_skip_verify: true")
    assert found["tls"]["detail"] == "not verified; by corp-ca, ends 5 hours ago"
    assert statuses(found)["tls"] == "warning"
    assert statuses(found)["keys"] == "ok"


def test_a_portal_that_wants_a_client_certificate_is_a_problem_of_tls(
    demo: Demo, ca: Issued, tmp_path: Path
) -> None:
    leaf = issue(tmp_path, "leaf", ca)
    server = encrypted(demo, leaf, client_ca=ca.cert_file)
    found = examined_tls(demo, tmp_path, server, f"ca_file: {ca.cert_file}")
    assert statuses(found)["tls"] == "problem"


def test_a_server_that_speaks_no_tls_is_a_problem_of_tls(demo: Demo, tmp_path: Path) -> None:
    url = demo.servers["acme"].url.replace("http:", "https:")
    _, found = examined(tmp_path, entry(url, "sk-x"))
    assert "handshake failed" in found["tls"]["detail"]


# A proxy on the way.


class _Proxy(BaseHTTPRequestHandler):
    """Passes each GET on to one portal, whatever host it is for."""

    portal = ""

    def do_GET(self) -> None:
        path = "/" + self.path.split("/", 3)[3]
        key = self.headers["Authorization"]
        request = urllib.request.Request(self.portal + path, headers={"Authorization": key})
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def proxy(demo: Demo) -> Iterator[str]:
    """The address of a proxy that leads to acme."""
    handler = type("Proxy", (_Proxy,), {"portal": demo.servers["acme"].url})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://user:secret@127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_proxy_is_what_is_resolved_and_connected_to(
    demo: Demo, proxy: str, tmp_path: Path
) -> None:
    key = demo.portals["acme"].exporter_key
    more = f", proxy_url: '{proxy}'"
    verdict, found = examined(tmp_path, entry("http://portal.invalid", key, more))
    assert verdict == "warning"
    assert found["name_resolution"]["detail"] == "127.0.0.1 (proxy)"
    assert found["connection"]["detail"].endswith("ms (proxy)")
    assert statuses(found)["keys"] == "ok"


def test_plain_http_to_another_machine_is_a_warning(demo: Demo, proxy: str, tmp_path: Path) -> None:
    key = demo.portals["acme"].exporter_key
    more = f", proxy_url: '{proxy}'"
    _, found = examined(tmp_path, entry("http://portal.invalid", key, more))
    assert found["tls"]["detail"] == "plain http"
    assert "unencrypted" in found["tls"]["next_step"]


def test_a_certificate_behind_a_proxy_is_not_looked_at(proxy: str, tmp_path: Path) -> None:
    """The proxy opens no tunnels: so the request fails, not the look at the certificate."""
    more = f", proxy_url: '{proxy}'"
    _, found = examined(tmp_path, entry("https://portal.invalid", "sk-x", more))
    assert (statuses(found)["tls"], found["tls"]["detail"]) == ("skipped", "through proxy")
    assert "HTTP 501" in found["api"]["detail"]


# What is printed.


def test_a_pipe_gets_no_escape_sequences_and_no_progress(demo: Demo, tmp_path: Path) -> None:
    result = check(tmp_path, demo.config())
    assert result.returncode == 0
    assert result.stderr == ""
    assert "\x1b" not in result.stdout
    assert "✓ acme    all is well, 27 keys seen" in result.stdout


def test_no_key_is_ever_printed(demo: Demo, tmp_path: Path) -> None:
    demo.portals["globex"].portal.condition = "broken"
    demo.portals["initech"].portal.condition = "redirect"
    for form in ("table", "json"):
        flags = (f"--format={form}", "--log.level=debug")
        result = check(tmp_path, demo.config(), *flags)
        assert result.returncode == 1
        assert "level=debug" in result.stderr
        for portal in demo.portals.values():
            assert portal.exporter_key not in result.stdout + result.stderr


def look(folder: Path, config: str, columns: int, **env: str) -> Screen:
    """Run it on a terminal."""
    file = folder / "config.yaml"
    file.write_text(config, encoding="utf-8")
    return on_terminal("check", f"--config.file={file}", columns=columns, cwd=folder, env=env)


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_a_terminal_of_any_width_holds_every_line(demo: Demo, tmp_path: Path, columns: int) -> None:
    demo.portals["initech"].portal.condition = "unpaid"
    screen = look(tmp_path, demo.config(), columns)
    assert screen.code == 1
    assert screen.coloured
    assert max(map(cell_len, screen.lines)) <= columns
    assert "its owner has to settle it" in " ".join(screen.text.split())


def test_a_wide_terminal_shows_portals_beside_each_other(demo: Demo, tmp_path: Path) -> None:
    assert look(tmp_path, demo.config(), 100).lines[0].split() == ["acme", "globex", "initech"]


def test_no_color_is_respected(demo: Demo, tmp_path: Path) -> None:
    assert not look(tmp_path, demo.config("acme"), 80, NO_COLOR="1").coloured


# The command line.


def test_portals_are_chosen_by_name(demo: Demo, tmp_path: Path) -> None:
    result = check(tmp_path, demo.config(), "--portal=globex", "--format=json")
    assert [portal["portal"] for portal in json.loads(result.stdout)["portals"]] == ["globex"]


def test_an_unknown_portal_is_refused_with_the_known_names(demo: Demo, tmp_path: Path) -> None:
    result = check(tmp_path, demo.config(), "--portal=nope")
    assert result.returncode == 2
    assert "--portal: expected one of acme, globex, initech" in result.stderr


def test_a_bad_configuration_is_exit_code_2(tmp_path: Path) -> None:
    assert check(tmp_path, "portals: []\n").returncode == 2


def test_ctrl_c_ends_it_at_once(demo: Demo, tmp_path: Path) -> None:
    demo.portals["acme"].portal.delay = 30.0
    file = tmp_path / "config.yaml"
    file.write_text(demo.config("acme"), encoding="utf-8")
    command = [sys.executable, "-m", "exporter", "check", f"--config.file={file}"]
    process = Process(command, tmp_path, "")
    while not demo.portals["acme"].portal.requests:
        time.sleep(0.05)
    assert process.stop(signal.SIGINT, seconds=5.0) == 130
    assert process.stderr == ""
