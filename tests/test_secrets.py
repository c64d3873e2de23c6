"""Keys and passwords must not appear in any output.

The exporter gets the markers below as its secrets. No output may have even a part of one.
"""

import copy
import json
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support import faults
from support.faults import FaultServer, Peer, Script, answer, says
from support.process import ExporterProcess, run
from support.standing import Log

from exporter.clock import Clock
from exporter.config import ConfigError, PortalSettings, Secret, Settings, load
from exporter.demo.model import Portal as DemoPortal
from exporter.demo.server import DemoServer
from exporter.docspace import credential, fetch
from exporter.docspace.deadline import Alarm
from exporter.docspace.errors import PortalError
from exporter.docspace.tls import TLSContexts
from exporter.docspace.transport import Transport
from exporter.exporter import Exporter
from exporter.httpserver.listen import ListenAddress
from exporter.httpserver.message import Reply
from exporter.httpserver.server import Server
from exporter.web.app import App, WebOptions

KEY = "sk-" + "deadbeef" * 8
PASSWORD = "pr0xyp4ssw0rd"
#: Parts long enough to be no accident: the key list itself shows a key's last four characters.
TRACES = ("deadbeef", "sk-d", PASSWORD, "chiwehlwnhnzdzbyza", "pr0xy")


def assert_clean(*texts: str) -> None:
    for text in texts:
        for trace in TRACES:
            assert trace not in text.lower()


class Scraped:
    """A scrape of one portal in this process, and all its outputs."""

    def __init__(self, portal: PortalSettings) -> None:
        log = Log()
        settings = Settings(portals=(portal,))
        exporter = Exporter(lambda: settings, Clock(), log.log)
        try:
            self.metrics = exporter.expose(exporter.fleet.portals, 2.0, "text", own=True).decode()
            exporter.expose(exporter.fleet.portals, 2.0, "openmetrics", own=True)
            last = exporter.fleet.portals[0].last
        finally:
            exporter.close()
        assert last is not None
        self.error = last.error
        self.log = "\n".join(log.lines)
        self.reprs = repr(settings) + repr(last) + repr(exporter.fleet.portals) + str(last)

    @property
    def message(self) -> str:
        """The text of the error."""
        assert self.error is not None
        return f"{self.error} {self.error!r} {self.error.hint} {self.error.args}"

    def clean(self) -> None:
        """No output has a part of a marker."""
        assert_clean(self.metrics, self.log, self.reprs, self.message if self.error else "")


def portal(url: str, **settings: object) -> PortalSettings:
    return PortalSettings("acme", url, **{"api_key": Secret(KEY), "timeout": 0.4, **settings})


# What a portal says back


def refusing(status: str, message: str) -> bytes:
    body = {"error": {"message": message, "stack": f"at {KEY}", "type": KEY}, "statusCode": 500}
    return answer(json.dumps(body).encode(), status)


ECHOES: dict[str, bytes] = {
    "in the message": refusing("500 Oops", f"no such key: {KEY}"),
    "in upper case": refusing("500 Oops", f"no such key: {KEY.upper()}"),
    "split": refusing(
        "500 Oops", "no such key: " + " ".join(KEY[i : i + 11] for i in range(0, 67, 11))
    ),
    "less its last four": refusing("500 Oops", f"no such key: {KEY[:-4]}"),
    "less its beginning": refusing("500 Oops", f"no such key: {KEY[3:]}"),
    "with its scheme": refusing("403 No", f"Authorization: Bearer {KEY} is not allowed"),
    "many times": refusing("401 No", f"{KEY} " * 50),
    "where the message is cut": refusing("404 No", "x" * 160 + KEY),
    "at the end of the cut": refusing("402 No", "x" * 195 + KEY),
    "with spaces around a cut": refusing("429 No", " \n" * 300 + "x " * 70 + KEY),
    "escaped": answer(
        b'{"error": {"message": "'
        + "".join(f"\\u{ord(char):04x}" for char in KEY).encode()
        + b'"}}',
        "500 Oops",
    ),
    "in the reason phrase": answer(b"", f"500 {KEY}"),
    "in a page": answer(f"<html>{KEY}</html>".encode(), "502 Bad Gateway"),
    "in a page that is no error": answer(f"<html>{KEY}</html>".encode()),
    "in JSON that is none": answer(f'{{"response": {KEY}}}'.encode()),
    "in an envelope of something else": answer(json.dumps({"response": KEY}).encode()),
    "as a field": answer(json.dumps({KEY: KEY}).encode()),
    "in the path of a Location": answer(b"", "302 Found", f"Location: https://x/{KEY}"),
    "in the query of a Location": answer(b"", "302 Found", f"Location: https://x/?k={KEY}"),
    "in the user of a Location": answer(b"", "302 Found", f"Location: https://{KEY}@x/"),
    "in the fragment of a Location": answer(b"", "302 Found", f"Location: /#{KEY}"),
    "in the host of a Location": answer(b"", "302 Found", f"Location: https://{KEY}.x/"),
    "where a Location is cut": answer(b"", "301 M", f"Location: https://x/{'y' * 160}{KEY}"),
    "in a Location that is none": answer(b"", "302 Found", f"Location: http://[{KEY}"),
    "in Retry-After": answer(b"", "429 Too Many", f"Retry-After: {KEY}"),
    "in Date": answer(b'{"response": []}', "200 OK", f"Date: {KEY}"),
    "in a rate limit": answer(b'{"response": []}', "200 OK", f"X-RateLimit-Limit: {KEY}"),
    "in its encoding": answer(b"x", "200 OK", f"Content-Encoding: gzip, {KEY}"),
    "in its length": b"HTTP/1.1 200 OK\r\nContent-Length: 1, " + KEY.encode() + b"\r\n\r\n",
    "in a header that is none": b"HTTP/1.1 500 No\r\n" + KEY.encode() + b"\r\n\r\n",
    "as its status line": KEY.encode() + b"\r\n\r\n",
    "in a chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + KEY.encode()
    + b"\r\n",
    "in a record that is none": answer(
        json.dumps({"response": [KEY, {"id": 5, "x": KEY}]}).encode()
    ),
    "as the full key": answer(
        json.dumps({"response": [{"id": "1", "isActive": True, "key": KEY}]}).encode()
    ),
    "in a date of a record": answer(
        json.dumps({"response": [{"id": "1", "isActive": True, "createOn": KEY}]}).encode()
    ),
}


@pytest.mark.parametrize("content", ECHOES.values(), ids=list(ECHOES))
def test_key_that_the_portal_repeats_goes_no_further(content: bytes) -> None:
    with FaultServer(faults.answers_once(content)) as server:
        Scraped(portal(server.url)).clean()


def test_session_token_that_the_portal_repeats_goes_no_further() -> None:
    token = f"{PASSWORD}/+=" * 8
    with FaultServer(says(refusing("500 Oops", f"bad token {token}!"))) as server:
        scraped = Scraped(portal(server.url, api_key=Secret(token)))
    scraped.clean()
    assert "bad token ***!" in scraped.message


def test_header_with_a_scheme_that_the_portal_repeats_goes_no_further() -> None:
    header = "Basic cHIweHlwNHNzdzByZDpwcjB4eXA0c3N3MHJk"
    with FaultServer(says(refusing("401 No", f"{header}, {header[6:]}"))) as server:
        Scraped(portal(server.url, api_key=Secret(header))).clean()


def test_headers_that_the_portal_repeats_go_no_further() -> None:
    """As a debugging proxy does."""

    def script(peer: Peer) -> None:
        head = peer.request().decode()
        peer.send(refusing("500 Oops", head))

    with FaultServer(script) as server:
        scraped = Scraped(portal(server.url))
    scraped.clean()
    assert "HTTP 500: GET /api/2.0/keys" in scraped.message


# What goes wrong on the way

WAYS: dict[str, Script] = {
    "timeout": faults.never_answers,
    "drip": faults.drips(b"HTTP/1.1 200 OK\r\n\r\n"),
    "connection": faults.closes_on_request,
    "reset": faults.resets_mid_body,
    "gzip": says(answer(b"x", "200 OK", "Content-Encoding: gzip")),
    "nonsense": faults.answers_once(bytes(range(256))),
    "size": says(answer(b"x" * 2000)),
    "empty": says(answer(b"")),
    **{
        status: says(answer(b"", f"{status} No"))
        for status in ("301", "401", "402", "403", "404", "418", "429", "500", "503")
    },
}


def whole_traceback(error: PortalError) -> str:
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize("script", WAYS.values(), ids=list(WAYS))
def test_no_error_holds_the_key_nor_does_its_traceback(script: Script) -> None:
    with FaultServer(script) as server:
        scraped = Scraped(portal(server.url, max_response_size=1000))
    scraped.clean()
    assert scraped.error is not None
    assert_clean(whole_traceback(scraped.error))


def test_no_error_before_the_connection_holds_the_key() -> None:
    for url in ("http://127.0.0.1:1", "http://portal.invalid", "https://127.0.0.1:1"):
        scraped = Scraped(portal(url))
        scraped.clean()
        assert scraped.error is not None
        assert_clean(whole_traceback(scraped.error))


PROXIES: dict[str, Script] = {
    "refuses": says(answer(f"{PASSWORD}".encode(), f"407 not {PASSWORD}")),
    "closes": faults.closes_on_request,
    "speaks nonsense": faults.answers_once(b"\x00\x01\x02\r\n\r\n"),
    "says nothing": faults.never_answers,
    "redirects": says(answer(b"", "302 Found", f"Location: http://u:{PASSWORD}@x/")),
}


@pytest.mark.parametrize("url", ["http://portal.invalid", "https://portal.invalid"])
@pytest.mark.parametrize("script", PROXIES.values(), ids=list(PROXIES))
def test_password_of_a_proxy_that_fails_goes_no_further(script: Script, url: str) -> None:
    with FaultServer(script) as proxy:
        secret = Secret(proxy.url.replace("//", f"//someone:{PASSWORD}@"))
        Scraped(portal(url, proxy_url=secret)).clean()


@pytest.mark.parametrize("url", ["http://portal.invalid", "https://portal.invalid"])
@pytest.mark.parametrize("proxy", ["127.0.0.1:1", "proxy.invalid:3128"])
def test_password_of_a_proxy_that_is_not_there_goes_no_further(url: str, proxy: str) -> None:
    secret = Secret(f"http://someone:{PASSWORD}@{proxy}")
    scraped = Scraped(portal(url, proxy_url=secret))
    scraped.clean()
    assert scraped.error is not None
    assert_clean(whole_traceback(scraped.error))


@pytest.mark.parametrize(
    "proxy",
    [
        f"http://someone:{PASSWORD}@[::1",
        f"http://someone:{PASSWORD}@a:b:c",
        f"socks5://someone:{PASSWORD}@127.0.0.1:1",
        f"someone:{PASSWORD}@127.0.0.1:1",
        f"http://someone:{PASSWORD}@",
        f"{PASSWORD}",
    ],
)
def test_password_of_a_proxy_of_the_environment_goes_no_further(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    scraped = Scraped(portal("http://portal.invalid"))
    scraped.clean()
    assert scraped.error is not None


# Key files

FILES = {
    "newline in the middle": KEY[:40].encode() + b"\n" + KEY[40:].encode(),
    "two keys": f"{KEY}\n{KEY}\n".encode(),
    "binary": KEY.encode() + b"\x00\xff\xfe",
    "UTF-16": KEY.encode("utf-16"),
    "a header": f"Authorization: Bearer {KEY}\r\nX: y".encode(),
    "an assignment": f"KEY={KEY}\nPASSWORD={PASSWORD}\n".encode(),
    "large": KEY.encode() * 2000,
    "letters from afar": f"{KEY}\u00e9".encode(),
}


@pytest.mark.parametrize("content", FILES.values(), ids=list(FILES))
def test_key_file_that_is_unfit_is_not_shown(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with FaultServer(says(answer(b"", "401 No"))) as server:
        scraped = Scraped(portal(server.url, api_key=None, api_key_file=file))
        assert server.accepted == 0
    scraped.clean()
    assert str(file) in scraped.message
    assert scraped.error is not None
    assert_clean(whole_traceback(scraped.error))


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_key_file_that_cannot_be_read_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path if kind == "folder" else tmp_path / "missing"
    scraped = Scraped(portal("http://127.0.0.1:1", api_key=None, api_key_file=path))
    assert scraped.message.startswith(f"{path}: cannot be read: ")


def test_key_file_that_one_may_not_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As seen by a user other than root, who may read everything."""
    path = tmp_path / "key"
    path.write_text(KEY)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(credential, "_at_once", refuse)
    scraped = Scraped(portal("http://127.0.0.1:1", api_key=None, api_key_file=path))
    scraped.clean()
    assert f"{path}: cannot be read: Permission denied" in scraped.message


# Internal errors


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer(DemoPortal(clock=Clock().now)) as running:
        running.portal.add_key("exporter", secret=KEY)
        yield running


@pytest.mark.parametrize("place", ["KeyListReader.read", "parse_profile"])
def test_internal_error_that_holds_the_key_takes_its_portal_down_without_it(
    server: DemoServer, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def fault(*_: object) -> None:
        raise RuntimeError(KEY, {"Authorization": f"Bearer {KEY}"})

    monkeypatch.setattr(f"exporter.docspace.wire.{place}", fault)
    log = Log()
    settings = Settings(portals=(portal(server.url, timeout=5.0),))
    exporter = Exporter(lambda: settings, Clock(), log.log)
    app = App(exporter, lambda _: Reply.text("front"), WebOptions())
    listening = ListenAddress("127.0.0.1", 0).bind()
    serving = Server([listening], app, log.log, threads=4)
    url = ListenAddress.of(listening).url()
    serving.start()
    try:
        answer = requests.get(f"{url}/metrics", timeout=60)
    finally:
        serving.stop()
        exporter.close()
    body = answer.text
    assert answer.status_code == 200
    assert 'docspace_up{portal="acme"} 0.0' in body
    assert "docspace_exporter_internal_errors_total 1.0" in body
    assert log.count("RuntimeError") >= 1
    assert_clean(body, *log.lines)


# What is printed by accident


def test_no_repr_shows_a_secret() -> None:
    settings = portal(
        "http://127.0.0.1:1", proxy_url=Secret(f"http://someone:{PASSWORD}@127.0.0.1:1")
    )
    who = credential.read(settings)
    transport = Transport(settings, TLSContexts(), Clock(), Alarm())
    fetcher = fetch.Fetcher(settings, transport, Clock())
    things = [settings, Settings(portals=(settings,)), who, who.header, transport, fetcher]
    assert_clean(*(f"{thing!r} {thing!s}" for thing in things))
    assert_clean(f"{settings.api_key} {settings.api_key!r:>80} {'%s' % settings.api_key}")  # noqa: UP031, one way to print


def test_secret_does_not_leave_the_process() -> None:
    for leave in (pickle.dumps, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError) as caught:
            leave(Secret(KEY))
        assert_clean(str(caught.value))


# Configuration

CONFIGS = {
    "key as a list": f"portals: [{{name: a, url: 'http://x', api_key: [{KEY}]}}]",
    "key as a mapping": f"portals: [{{name: a, url: 'http://x', api_key: {{{KEY}: 1}}}}]",
    "key under another name": f"portals: [{{name: a, url: 'http://x', apikey: {KEY}}}]",
    "key twice": f"portals:\n- name: a\n  url: http://x\n  api_key: {KEY}\n  api_key: {KEY}\n",
    "key as a file as well": f"portals: [{{name: a, url: x, api_key: x, api_key_file: {KEY}}}]",
    "key in the address": f"portals: [{{name: a, url: 'http://{KEY}@x', api_key: x}}]",
    "key in the query": f"portals: [{{name: a, url: 'http://x/?{KEY}', api_key: x}}]",
    "key as the address": f"portals: [{{name: a, url: {KEY}, api_key: x}}]",
    "key as a timeout": f"portals: [{{name: a, url: 'http://x', api_key: x, timeout: {KEY}}}]",
    "key as a portal": f"portals: [{KEY}]",
    "key as all portals": f"portals: {KEY}",
    "key with a tab": f"portals:\n- name: a\n\tapi_key: {KEY}\n",
    "key in bad YAML": f"portals: [{{name: a, api_key: {KEY}",
    "key in bad quotes": f'portals: [{{name: a, api_key: "{KEY}}}]',
    "key with an alias": f"portals: [{{name: a, api_key: *{PASSWORD}}}]",
    "key with a tag": f"portals: [{{name: a, api_key: !{PASSWORD} x}}]",
    "control character in the key": f'portals: [{{name: a, url: x, api_key: "{KEY}\\n"}}]x',
    "password of a proxy": f"portals: [{{name: a, proxy_url: 'ftp://u:{PASSWORD}@x'}}]",
    "proxy without a port": f"portals: [{{name: a, proxy_url: 'http://u:{PASSWORD}@x:y'}}]",
}


@pytest.mark.parametrize("content", CONFIGS.values(), ids=list(CONFIGS))
def test_problem_of_the_configuration_does_not_repeat_a_secret(
    tmp_path: Path, content: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert_clean(*caught.value.problems)


def test_variable_with_a_secret_in_the_wrong_field_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("portals: [{name: a, url: '${URL}', api_key: x, timeout: '${KEY}'}]")
    with pytest.raises(ConfigError) as caught:
        load(file, {"URL": f"{PASSWORD}://x", "KEY": KEY})
    assert_clean(*caught.value.problems)


# The whole thing


def test_process_with_everything_wrong_keeps_its_secrets(tmp_path: Path) -> None:
    """Every page, metric and log line of a run at level debug."""
    (tmp_path / "broken").write_bytes(FILES["binary"])
    (tmp_path / "good").write_text(KEY)
    echo = says(refusing("403 No", f"{KEY} " * 9))
    moved = says(answer(b"", "302 Found", f"Location: https://x/{KEY}?{PASSWORD}"))
    with FaultServer(echo) as first, FaultServer(moved) as second:
        config = f"""
portals:
  - {{name: echo, url: '{first.url}', api_key: '${{KEY}}'}}
  - {{name: moved, url: '{second.url}', api_key_file: good}}
  - {{name: file, url: '{first.url}', api_key_file: broken}}
  - {{name: gone, url: '{first.url}', api_key_file: /nowhere}}
  - {{name: proxy, url: 'http://x', api_key: '{KEY}', proxy_url: 'http://u:{PASSWORD}@127.0.0.1:1'}}
"""
        flags, env = ("--log.level=debug", "--web.enable-lifecycle"), {"KEY": KEY}
        with ExporterProcess(tmp_path, config, *flags, env=env) as exporter:
            pages = [exporter.get(path) for path in ("/", "/metrics", "/sd", "/-/healthy", "/")]
            (tmp_path / "config.yaml").write_text(f"portals: [{{api_key: {KEY}, x: {PASSWORD}}}]")
            reloaded = exporter.get("/metrics")
            assert exporter.stop() == 0
    assert reloaded.count("docspace_up{") == 5
    assert exporter.stderr.count('msg="cannot read the keys of the portal"') == 5
    assert_clean(exporter.stderr, exporter.out, reloaded, *pages)


def test_refused_reload_keeps_its_secrets(tmp_path: Path) -> None:
    good = f"portals: [{{name: a, url: 'http://127.0.0.1:1', api_key: {KEY}}}]"
    with ExporterProcess(tmp_path, good, "--log.level=debug") as exporter:
        (tmp_path / "config.yaml").write_text(f"portals: [{{api_key: {KEY}, url: {PASSWORD}}}]")
        exporter.send(1)
        exporter.wait_for("cannot reload")
        assert exporter.stop() == 0
    assert_clean(exporter.stderr)


@pytest.mark.parametrize("flags", [(), ("--config.check",)])
def test_refused_configuration_keeps_its_secrets(tmp_path: Path, flags: tuple[str, ...]) -> None:
    (tmp_path / "config.yaml").write_text(CONFIGS["key in the address"] + "\n")
    ended = run(*flags, cwd=tmp_path)
    assert ended.returncode == 2
    assert_clean(ended.stdout, ended.stderr)
