"""The findings of `docspace-exporter check` on portals in all conditions, and its output."""

import json
import os
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from observations import parse_keys
from rich.cells import cell_len
from support.certificates import Issued, issue
from support.demo import Demo
from support.faults import FaultServer, Peer, answer, says
from support.process import Process, call, run
from support.terminal import Screen, on_terminal

from exporter.check import findings
from exporter.check.diagnosis import CHECKS, Diagnosis
from exporter.check.examination import OWN_KEY, examine
from exporter.clock import Clock
from exporter.config import load
from exporter.demo.model import Fault
from exporter.demo.server import DemoServer
from exporter.docspace.errors import Forbidden
from exporter.docspace.facts import VERSION
from exporter.docspace.fetch import KEYS
from exporter.docspace.model import ApiKey

Findings = dict[str, dict[str, Any]]


def check(folder: Path, config: str, *flags: str) -> "CompletedProcess[str]":
    """Run `check` on a configuration."""
    file = folder / "config.yaml"
    file.write_text(config, encoding="utf-8")
    return call("check", f"--config.file={file}", *flags, cwd=folder)


def diagnosed(folder: Path, config: str) -> Diagnosis:
    """The diagnosis of a configuration with one portal, made in this process."""
    file = folder / "config.yaml"
    file.write_text(config, encoding="utf-8")
    (portal,) = load(file, os.environ).portals
    return examine(portal, Clock())


def examined(folder: Path, config: str) -> tuple[str, Findings]:
    """The verdict and the findings of a configuration with one portal."""
    diagnosis = diagnosed(folder, config)
    return diagnosis.verdict, {finding.check: asdict(finding) for finding in diagnosis.findings}


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
    assert set(portal) == {"portal", "url", "version", "verdict", "checks"}
    assert [set(finding) for finding in portal["checks"]] == [
        {"check", "status", "detail", "value", "next_step"}
    ] * len(CHECKS)


@pytest.mark.parametrize(
    ("name", "verdict", "code"),
    [("acme", "ok", 0), ("globex", "warning", 0), ("gone", "problem", 1)],
)
def test_only_a_problem_is_exit_code_1(
    demo: Demo, tmp_path: Path, name: str, verdict: str, code: int
) -> None:
    if name == "gone":
        name = "acme"
        demo.servers[name].stop()
    result = check(tmp_path, demo.config(name), "--format=json")
    assert json.loads(result.stdout)["portals"][0]["verdict"] == verdict
    assert result.returncode == code


def test_warnings_name_what_is_off(demo: Demo, tmp_path: Path) -> None:
    """The exporter's own key expires in days, and the portal's clock is 90 s ahead."""
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
    """There is no own key to ask for: the list shows whether the token is accepted."""
    portal, url = demo.portals["acme"].portal, demo.servers["acme"].url
    (person,) = (person for person in portal.people.values() if person.is_owner)
    verdict, found = examined(tmp_path, entry(url, portal.open_session(person)))
    assert verdict == "ok"
    assert statuses(found)["own_key_expiry"] == "skipped"


def test_records_that_are_no_keys_are_a_warning() -> None:
    listing = parse_keys(b'{"response": [{"id": "a", "isActive": true}, {}]}')
    found = findings.keys(listing)
    assert (found.status, found.detail, found.value) == ("warning", "1; 1 record not valid", 1)


def test_a_fetch_that_takes_most_of_the_timeout_is_a_warning() -> None:
    assert findings.latency(6.0, timeout=10.0).status == "warning"
    assert findings.latency(4.0, timeout=10.0).status == "ok"


# The version of the portal.


def test_the_version_is_that_of_the_build(demo: Demo, tmp_path: Path) -> None:
    """`GET /api/2.0/settings/version/build` has the portal's version (`docSpace`)."""
    version = demo.portals["acme"].portal.version
    assert diagnosed(tmp_path, demo.config("acme")).version == version
    result = check(tmp_path, demo.config("acme"), "--format=json")
    assert json.loads(result.stdout)["portals"][0]["version"] == version


def test_the_version_is_asked_for_where_the_key_may_not_list_keys(
    demo: Demo, tmp_path: Path
) -> None:
    """The version decides what a key may do."""
    portal = demo.portals["acme"].portal
    key = portal.add_key("narrow", permissions=("files:read",))
    config = entry(demo.servers["acme"].url, key.secret)
    assert diagnosed(tmp_path, config).version == portal.version


@pytest.mark.parametrize("fault", [Fault(404), Fault(200, b"<html>")])
def test_a_version_that_is_not_given_is_no_problem(
    demo: Demo, tmp_path: Path, fault: Fault
) -> None:
    demo.portals["acme"].portal.faults[VERSION] = fault
    diagnosis = diagnosed(tmp_path, demo.config("acme"))
    assert (diagnosis.version, diagnosis.verdict) == ("", "ok")


def test_a_version_that_is_not_known_is_null(demo: Demo, tmp_path: Path) -> None:
    demo.servers["acme"].stop()
    result = check(tmp_path, demo.config("acme"), "--format=json")
    assert json.loads(result.stdout)["portals"][0]["version"] is None


def test_the_table_shows_the_version_below_the_address(demo: Demo, tmp_path: Path) -> None:
    demo.portals["globex"].portal.faults[VERSION] = Fault(404)
    lines = check(tmp_path, demo.config("acme", "globex")).stdout.splitlines()
    (row,) = (line for line in lines if line.startswith("version"))
    assert row.split() == ["version", demo.portals["acme"].portal.version, "\u2013"]


# Keys that do not suffice.


def test_a_key_that_is_too_narrow_is_distinct_from_a_wrong_one(demo: Demo, tmp_path: Path) -> None:
    """200 on `@self` and 403 on the list: its scope, if the key's permissions do not suffice."""
    key = demo.portals["acme"].portal.add_key("narrow", permissions=("files:read",))
    verdict, found = examined(tmp_path, entry(demo.servers["acme"].url, key.secret))
    assert verdict == "problem"
    assert statuses(found)["key"] == "ok"
    assert found["scope"]["next_step"] == (
        "this key is limited to files:read; create one with *:read as an admin"
    )


@pytest.mark.parametrize("permissions", [("*:read",), ("*:write",), None], ids=str)
def test_a_key_that_suffices_is_not_blamed_for_a_403(
    demo: Demo, tmp_path: Path, permissions: tuple[str, ...] | None
) -> None:
    """Else the portal is being restored, moved or encrypted, or the caller is a guest."""
    portal = demo.portals["acme"].portal
    key = portal.add_key("wide", permissions=permissions)
    portal.faults[KEYS] = Fault(403)
    _, found = examined(tmp_path, entry(demo.servers["acme"].url, key.secret))
    assert (statuses(found)["key"], statuses(found)["keys"]) == ("ok", "problem")
    assert statuses(found)["scope"] in {"ok", "warning"}
    assert "restored, moved or encrypted" in found["keys"]["next_step"]
    assert "guest" in found["keys"]["next_step"]


def test_a_guest_is_named_as_a_cause(demo: Demo, tmp_path: Path) -> None:
    """Servers after 3.8: a guest gets 403."""
    portal = demo.portals["acme"].portal
    guest = next(iter(portal.people.values()))
    key = portal.add_key("guest", permissions=("*:read",), creator=guest)
    portal.faults[KEYS] = Fault(403, b'{"statusCode": 403, "error": {"message": "Access denied"}}')
    _, found = examined(tmp_path, entry(demo.servers["acme"].url, key.secret))
    assert found["keys"]["detail"] == "HTTP 403: Access denied"
    assert "the key's creator is a guest" in found["keys"]["next_step"]


def test_a_portal_that_is_restored_is_not_blamed_on_the_key(demo: Demo, tmp_path: Path) -> None:
    """It answers `@self`, and the list with 403 and problem+json."""
    demo.portals["acme"].portal.condition = "restoring"
    _, found = examined(tmp_path, demo.config("acme"))
    assert statuses(found)["scope"] == "ok"
    assert found["keys"]["next_step"] == (
        "the portal is being restored, moved or encrypted: wait until that is done"
    )


def test_a_403_for_the_own_key_is_not_about_its_scope(demo: Demo, tmp_path: Path) -> None:
    """`@self` works with any scope."""
    demo.portals["acme"].portal.faults[OWN_KEY] = Fault(403)
    _, found = examined(tmp_path, demo.config("acme"))
    assert statuses(found)["api"] == "problem"
    assert "any permission suffices" in found["api"]["next_step"]


def test_a_403_without_the_own_key_has_the_hint_of_a_scrape(demo: Demo, tmp_path: Path) -> None:
    """`@self` came with 3.1.1."""
    portal = demo.portals["acme"].portal
    portal.faults[OWN_KEY] = Fault(404)
    portal.faults[KEYS] = Fault(403)
    _, found = examined(tmp_path, demo.config("acme"))
    assert statuses(found)["api"] == "problem"
    assert found["api"]["next_step"] == Forbidden("", "scope").hint


@pytest.mark.parametrize(
    ("permissions", "suffice"),
    [
        (("*",), True),
        (("*:read",), True),
        (("*:write",), True),
        (("files:read",), False),
        (("accounts.self:read", "rooms:write"), False),
    ],
)
def test_to_list_keys_takes_read_or_write_of_everything_or_full_access(
    permissions: tuple[str, ...], *, suffice: bool
) -> None:
    key = ApiKey("1", "key", "77fe", True, permissions, None, None, None, None)  # noqa: FBT003
    assert findings.lists_keys(key) is suffice


def test_a_narrow_key_that_may_list_keys_for_now_is_a_warning() -> None:
    """3.2.1 to 3.6.1 let any scope list keys."""
    key = ApiKey("1", "narrow", "77fe", True, ("files:read",), None, None, None, None)  # noqa: FBT003
    found = findings.scope(key)
    assert (found.status, found.detail) == ("warning", "files:read")
    assert "3.7.1" in found.next_step


def test_a_refused_key_has_all_its_causes(demo: Demo, tmp_path: Path) -> None:
    """Missing, wrong, disabled or expired key; its creator is removed or disabled."""
    _, found = examined(tmp_path, entry(demo.servers["acme"].url, "sk-wrong"))
    for cause in ("wrong", "disabled", "expired", "removed"):
        assert cause in found["key"]["next_step"]


def test_a_key_with_a_foreign_scheme_is_not_sent(demo: Demo, tmp_path: Path) -> None:
    """The portal would write it in full into its own log."""
    url, key = demo.servers["acme"].url, demo.portals["acme"].exporter_key
    _, found = examined(tmp_path, entry(url, f"Basic {key}"))
    assert statuses(found)["key"] == "problem"
    assert "its own log" in found["key"]["next_step"]
    assert not demo.portals["acme"].portal.requests


def test_what_comes_after_a_problem_is_skipped(demo: Demo, tmp_path: Path) -> None:
    _, found = examined(tmp_path, entry(demo.servers["acme"].url, "sk-wrong"))
    after = CHECKS[CHECKS.index("key") + 1 :]
    assert {name: statuses(found)[name] for name in after} == dict.fromkeys(after, "skipped")
    assert {found[name]["detail"] for name in after} == {"not checked"}


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


TROUBLE: dict[str, dict[str, Any]] = {
    **{
        condition: {"condition": condition}
        for condition in ("unpaid", "no_such_portal", "restoring", "broken", "html", "redirect")
    },
    **{
        f"{status} for the list": {"faults": {KEYS: Fault(status)}}
        for status in (200, 401, 403, 404, 429, 500)
    },
    "401 for the own key": {"faults": {OWN_KEY: Fault(401)}},
}


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=list(TROUBLE))
def test_nothing_is_ok_after_a_problem(demo: Demo, tmp_path: Path, trouble: dict[str, Any]) -> None:
    for name, value in trouble.items():
        setattr(demo.portals["acme"].portal, name, value)
    _, found = examined(tmp_path, demo.config("acme"))
    assert_ends_with_a_problem(found)


def test_nothing_is_ok_after_a_connection_that_failed(demo: Demo, tmp_path: Path) -> None:
    """Plain http within the machine is ok, but is not shown after a problem."""
    demo.servers["acme"].stop()
    _, found = examined(tmp_path, demo.config("acme"))
    assert_ends_with_a_problem(found)


def assert_ends_with_a_problem(found: Findings) -> None:
    """One problem, and all checks after it are skipped."""
    order = [statuses(found)[name] for name in CHECKS]
    assert set(order[order.index("problem") + 1 :]) <= {"skipped"}
    assert order.count("problem") == 1


@pytest.mark.parametrize(
    ("condition", "detail", "step"),
    [
        ("unpaid", "HTTP 402", "tariff"),
        ("suspended", "HTTP 404", "suspended"),
        ("no_such_portal", "HTTP 500: Could not resolve", "no portal of this name"),
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
    """For all keys except the owner's: `initech` is read with another person's key."""
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


def test_a_name_without_an_address_is_a_problem_of_the_name(tmp_path: Path) -> None:
    _, found = examined(tmp_path, entry("http://portal.invalid", "sk-x"))
    assert statuses(found)["name_resolution"] == "problem"
    assert found["name_resolution"]["detail"].startswith("the host name")


def test_a_portal_that_hangs_is_a_problem_of_its_own(demo: Demo, tmp_path: Path) -> None:
    demo.portals["acme"].portal.delay = 30.0
    (tmp_path / "config.yaml").write_text("scrape: {timeout: 1s}\n" + demo.config())
    result = run("check", "--format=json", cwd=tmp_path)
    portals = {portal["portal"]: portal for portal in json.loads(result.stdout)["portals"]}
    assert portals["acme"]["verdict"] == "problem"
    assert {portals["globex"]["verdict"], portals["initech"]["verdict"]} == {"warning"}


# Certificates.


@pytest.fixture
def ca(tmp_path: Path) -> Issued:
    """A certificate authority that no system trusts."""
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


def test_a_certificate_is_shown_with_issuer_and_end(demo: Demo, ca: Issued, tmp_path: Path) -> None:
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


def test_a_port_that_speaks_no_tls_is_a_problem_of_tls(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.sock.recv(1)
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with FaultServer(script) as server:
        _, found = examined(tmp_path, entry(f"https://127.0.0.1:{server.port}", "sk-x"))
    assert found["tls"]["detail"] == "the port does not speak TLS"
    assert "`url` begins with https" in found["tls"]["next_step"]


def test_a_port_that_speaks_tls_alone_is_a_problem_of_the_api(tmp_path: Path) -> None:
    """Nginx answers plain HTTP on its TLS port with a 400."""
    page = b"<center>The plain HTTP request was sent to HTTPS port</center>"
    with FaultServer(says(answer(page, "400 Bad Request"))) as server:
        _, found = examined(tmp_path, entry(server.url, "sk-x"))
    assert statuses(found)["api"] == "problem"
    assert "`url` must begin with https://" in found["api"]["next_step"]


# A proxy on the way.


class _Proxy(BaseHTTPRequestHandler):
    """Passes each GET on to one portal, for any host."""

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
        """Log nothing."""


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
    """The proxy opens no tunnels: the request fails, since the certificate is not read."""
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
    """Run `check` on a terminal."""
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
