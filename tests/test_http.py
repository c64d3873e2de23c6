"""A running exporter over HTTP: paths, methods, headers, limits, and invalid requests."""

import gzip
import http.client
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text_format
from support.demo import Demo
from support.process import ExporterProcess
from support.standing import Log

from exporter.clock import Clock
from exporter.config import PortalSettings, Secret, Settings
from exporter.exporter import Exporter
from exporter.httpserver.listen import ListenAddress
from exporter.httpserver.message import Reply
from exporter.httpserver.server import Server
from exporter.metrics.exposition import Renderer
from exporter.web.app import App, WebOptions

# What Prometheus 3.16 sends by default: acceptHeader() in its scrape/scrape.go.
PROMETHEUS_ACCEPT = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,"
    "application/openmetrics-text;version=0.0.1;q=0.6,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.3"
)
PROMETHEUS_TEXT_ACCEPT = "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.7,*/*;q=0.6"


@dataclass(frozen=True)
class Answered:
    """An answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body, as it is sent without compression."""
        return self.body.decode()


def ask(url: str, path: str, method: str = "GET", **headers: str) -> Answered:
    """One request with these headers (an underscore stands for a hyphen) and no others."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answered(answer.status, found, answer.read())
    finally:
        connection.close()


def raw(url: str, content: bytes) -> bytes:
    """The first bytes of the answer to these bytes; empty if the server only closes."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as sock:
        sock.sendall(content)
        return sock.recv(65536)


def samples(text: str) -> dict[str, float]:
    """The samples of a text exposition, by name and labels as they are written."""
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


@pytest.fixture(scope="module")
def portals() -> Iterator[Demo]:
    """The demo's portals, shared by all tests here: each restores them."""
    with Demo() as demo:
        yield demo


@pytest.fixture(scope="module")
def running(portals: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterProcess]:
    folder = tmp_path_factory.mktemp("exporter")
    config = "scrape: {min_interval: 0s}\n" + portals.config()
    with ExporterProcess(folder, config, "--log.level=debug") as exporter:
        yield exporter


@pytest.fixture(scope="module")
def url(running: ExporterProcess) -> str:
    return running.url


@pytest.fixture
def globex_is_slow(portals: Demo) -> Iterator[None]:
    portals.portals["globex"].portal.delay = 30.0
    yield
    portals.portals["globex"].portal.delay = 0.0
    # Else the tests that follow would wait for what it has not answered yet.
    portals.servers["globex"].stop()
    portals.servers["globex"].start()


# What there is


def test_metrics_hold_the_exporter_and_every_portal(url: str) -> None:
    text = ask(url, "/metrics").text
    found = samples(text)
    assert {
        name: found[f'docspace_up{{portal="{name}"}}'] for name in ("acme", "globex", "initech")
    } == {
        "acme": 1.0,
        "globex": 1.0,
        "initech": 1.0,
    }
    assert "docspace_exporter_build_info" in text
    assert "process_resident_memory_bytes" in text


@pytest.mark.parametrize(
    ("query", "ours", "theirs"),
    [
        ("collect[]=exporter", True, False),
        ("collect%5B%5D=exporter", True, False),
        ("collect[]=portals", False, True),
        ("collect[]=portals&collect[]=exporter", True, True),
        ("unknown=parameter", True, True),
    ],
)
def test_collect_narrows_the_metrics(url: str, query: str, *, ours: bool, theirs: bool) -> None:
    text = ask(url, f"/metrics?{query}").text
    assert ("docspace_exporter_build_info{" in text, "docspace_up{" in text) == (ours, theirs)


@pytest.mark.parametrize("query", ["collect[]=keys", "collect[]=", "collect[]=portals&collect[]=x"])
def test_unknown_section_is_a_callers_mistake(url: str, query: str) -> None:
    answered = ask(url, f"/metrics?{query}")
    assert (answered.status, answered.text) == (400, "collect[]: expected exporter or portals\n")


def test_narrowing_to_the_exporter_asks_no_portal(url: str, portals: Demo) -> None:
    asked = portals.portals["acme"].portal.requests.total()
    ask(url, "/metrics?collect[]=exporter")
    assert portals.portals["acme"].portal.requests.total() == asked


def test_probe_holds_one_portal_alone(url: str) -> None:
    text = ask(url, "/probe?target=globex").text
    assert set(re.findall(r'portal="(\w+)"', text)) == {"globex"}
    assert "docspace_exporter_build_info" not in text


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?",
        "?target=",
        "?target=nobody",
        "?target=ACME",
        "?target=acme&target=globex",
        "?target=acme&target=acme",
        "?target=http://127.0.0.1:1/",
        "?target=http%3A%2F%2F169.254.169.254%2F",
        "?target=../acme",
        "?target=acme%00",
        "?target=%FF",
        "?module=acme",
    ],
)
def test_probe_takes_the_name_of_one_configured_portal_only(url: str, query: str) -> None:
    answered = ask(url, f"/probe{query}")
    assert (answered.status, answered.text.startswith("target: expected the name")) == (400, True)


def test_wrong_target_is_not_repeated_in_the_answer(url: str) -> None:
    assert "script" not in ask(url, "/probe?target=%3Cscript%3E").text


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready"])
def test_health_is_answered_without_asking_a_portal(url: str, portals: Demo, path: str) -> None:
    asked = portals.portals["acme"].portal.requests.total()
    assert ask(url, path).status == 200
    assert portals.portals["acme"].portal.requests.total() == asked


def test_front_page_leads_to_the_metrics(url: str) -> None:
    answered = ask(url, "/")
    assert (answered.status, answered.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert 'href="metrics"' in answered.text


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/metrics/", "/METRICS", "/metrics/../metrics", "/%00", "/%FF"],
)
def test_anything_else_is_not_found(url: str, path: str) -> None:
    answered = ask(url, path)
    assert (answered.status, answered.text) == (404, "no such page; the metrics are at /metrics\n")


PATHS = ["/", "/metrics", "/probe?target=acme", "/probe", "/sd", "/-/healthy", "/-/ready", "/no"]


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_the_body(url: str, path: str) -> None:
    get, head = ask(url, path), ask(url, path, "HEAD")
    changing = {"date", "content-length"}
    assert (head.status, head.body) == (get.status, b"")
    assert {n: v for n, v in head.headers.items() if n not in changing} == {
        n: v for n, v in get.headers.items() if n not in changing
    }
    assert "content-length" in head.headers


@pytest.mark.parametrize("path", PATHS[:-1])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"])
def test_other_methods_are_refused_with_what_is_allowed(url: str, path: str, method: str) -> None:
    answered = ask(url, path, method)
    assert (answered.status, answered.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", PATHS)
def test_browser_must_not_guess_a_type(url: str, path: str) -> None:
    assert ask(url, path).headers["x-content-type-options"] == "nosniff"


# Formats


def test_text_is_the_default(url: str) -> None:
    answered = ask(url, "/metrics")
    assert answered.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert len(list(text_format(answered.text))) > 30


@pytest.mark.parametrize("accept", ["application/openmetrics-text", PROMETHEUS_ACCEPT])
def test_openmetrics_is_given_where_it_is_preferred(url: str, accept: str) -> None:
    answered = ask(url, "/metrics", Accept=accept)
    assert answered.headers["content-type"].startswith("application/openmetrics-text; version=1")
    assert answered.text.endswith("# EOF\n")
    assert len(list(openmetrics(answered.text))) > 30


@pytest.mark.parametrize(
    ("accept", "media"),
    [(PROMETHEUS_ACCEPT, "application/openmetrics-text"), (PROMETHEUS_TEXT_ACCEPT, "text/plain")],
)
def test_content_type_names_the_escaping_that_prometheus_asks_for(
    url: str, accept: str, media: str
) -> None:
    expected = f"{media}; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
    assert ask(url, "/metrics", Accept=accept).headers["content-type"] == expected


def test_both_formats_hold_the_same_keys(url: str) -> None:
    pattern = r"docspace_api_key_info\{(.*)\} 1"
    text, other = (
        ask(url, "/metrics", Accept=accept).text for accept in ("text/plain", PROMETHEUS_ACCEPT)
    )
    keys = re.findall(pattern, text)
    assert len(keys) > 30
    assert {key.split(",key_name")[0] for key in keys} == {
        key.split(",key_name")[0] for key in re.findall(pattern, other)
    }


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("gzip;q=0.1", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("identity", False),
        ("", False),
    ],
)
def test_gzip_is_given_where_it_is_accepted(url: str, accepted: str, *, packed: bool) -> None:
    answered = ask(url, "/metrics", Accept_Encoding=accepted)
    body = gzip.decompress(answered.body) if packed else answered.body
    assert ("content-encoding" in answered.headers) == packed
    assert int(answered.headers["content-length"]) == len(answered.body)
    assert b"docspace_up{" in body


def test_caches_learn_what_the_answer_depends_on(url: str) -> None:
    assert ask(url, "/metrics").headers["vary"] == "Accept, Accept-Encoding"


# Deadlines


@pytest.mark.usefixtures("globex_is_slow")
def test_slow_portal_costs_its_own_series_alone(url: str) -> None:
    answered = ask(url, "/metrics", X_Prometheus_Scrape_Timeout_Seconds="1.2")
    found = samples(answered.text)
    assert answered.status == 200
    assert found['docspace_up{portal="globex"}'] == 0
    # The scrape ended before the portal's timeout: that says nothing of the portal.
    assert found['docspace_scrape_errors_total{portal="globex",reason="timeout"}'] == 0
    assert found['docspace_up{portal="acme"}'] == found['docspace_up{portal="initech"}'] == 1
    assert not re.search(r'docspace_api_key\w*\{[^}]*portal="globex"', answered.text)


@pytest.mark.usefixtures("globex_is_slow")
@pytest.mark.parametrize("timeout", ["0.2", "1e-9"])
def test_timeout_too_short_for_anything_is_an_answer(url: str, timeout: str) -> None:
    answered = ask(url, "/probe?target=globex", X_Prometheus_Scrape_Timeout_Seconds=timeout)
    assert samples(answered.text)['docspace_up{portal="globex"}'] == 0


@pytest.mark.parametrize("timeout", ["", "soon", "-1", "0", "nan", "inf", "1e999", "9" * 400])
def test_timeout_that_is_none_does_no_harm(url: str, timeout: str) -> None:
    answered = ask(url, "/probe?target=acme", X_Prometheus_Scrape_Timeout_Seconds=timeout)
    assert samples(answered.text)['docspace_up{portal="acme"}'] == 1


# Limits and faults


@pytest.fixture(scope="module")
def narrow(portals: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an exporter that allows one scrape at once."""
    folder = tmp_path_factory.mktemp("narrow")
    config = "scrape: {min_interval: 0s}\n" + portals.config("acme")
    with ExporterProcess(folder, config, "--web.max-requests=1") as exporter:
        exporter.wait_for('msg="portal answers"')  # the first fetch, of the start
        yield exporter.url


def test_more_scrapes_than_allowed_are_refused(portals: Demo, narrow: str) -> None:
    """The pages of health checks are never refused."""
    acme = portals.portals["acme"].portal
    asked, acme.delay = acme.requests["/api/2.0/keys"], 0.5
    first = threading.Thread(target=ask, args=(narrow, "/metrics"))
    first.start()
    while acme.requests["/api/2.0/keys"] == asked:
        time.sleep(0.01)
    assert ask(narrow, "/probe?target=acme").status == 503
    assert ask(narrow, "/-/healthy").status == 200
    acme.delay = 0.0
    first.join(60)
    assert ask(narrow, "/metrics").status == 200


def test_a_loop_of_probes_asks_the_portal_once_a_second(portals: Demo, tmp_path: Path) -> None:
    """`/metrics` and `/probe` share the results of fetches, also of failed ones."""
    acme = portals.portals["acme"].portal
    acme.condition = "broken"
    with ExporterProcess(tmp_path, portals.config("acme")) as exporter:
        exporter.wait_for('msg="cannot read the keys of the portal"')
        before = acme.requests["/api/2.0/keys"]
        started = time.monotonic()
        for path in ("/probe?target=acme", "/metrics") * 20:
            assert ask(exporter.url, path).status == 200
        seconds = time.monotonic() - started
    acme.condition = "ok"
    assert acme.requests["/api/2.0/keys"] - before <= seconds + 1


def test_scrapes_that_wait_for_the_same_portals_share_one_place(portals: Demo, narrow: str) -> None:
    """The portal is slow, and there are more clients than places."""
    name = "docspace_exporter_rejected_scrapes_total"
    before = samples(ask(narrow, "/metrics").text)[name]
    portals.portals["acme"].portal.delay = 0.5
    with ThreadPoolExecutor(9) as pool:
        answers = list(pool.map(lambda _: ask(narrow, "/metrics"), range(9)))
    portals.portals["acme"].portal.delay = 0.0
    assert {answered.status for answered in answers} == {200}
    assert samples(ask(narrow, "/metrics").text)[name] == before


def test_internal_error_is_a_500_counted_and_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    settings = Settings(portals=(PortalSettings("p", "http://127.0.0.1:1", Secret("sk-1")),))
    exporter = Exporter(lambda: settings, Clock(), log.log)
    app = App(exporter, lambda _: Reply.text("front"), WebOptions())

    def fault(*_: object, **__: object) -> bytes:
        raise ZeroDivisionError("with something nobody should see")

    listening = ListenAddress("127.0.0.1", 0).bind()
    url = ListenAddress.of(listening).url()
    count = exporter.faults.raise_by_one
    server = Server([listening], app, log.log, threads=4, on_fault=count)
    server.start()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(Renderer, "joined", fault)
            answered = ask(url, "/metrics")
        assert (answered.status, answered.text) == (500, "internal error, see the exporter's log\n")
        assert log.count("request failed") == 1
        assert (log.count("ZeroDivisionError"), log.count("nobody should see")) == (1, 0)
        again = ask(url, "/metrics")
        assert samples(again.text)["docspace_exporter_internal_errors_total"] == 1.0
    finally:
        server.stop()
        exporter.close()


# Rude clients


@pytest.mark.parametrize(
    "content",
    [
        b"\r\n\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /metrics\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"GET metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost x\r\n\r\n",
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: nonsense\r\n\r\n",
        b"CONNECT portal.invalid:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://portal.invalid/metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET //metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
def test_malformed_request_is_refused_and_forgotten(url: str, content: bytes) -> None:
    received = raw(url, content)
    assert re.match(rb"(?:$|HTTP/1\.[01] [45])", received)
    assert ask(url, "/-/healthy").status == 200


@pytest.mark.parametrize(
    "content",
    [
        b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 40_000 + b"\r\n",
    ],
    ids=["path", "header", "headers"],
)
def test_oversized_request_is_refused(url: str, content: bytes) -> None:
    try:
        received = raw(url, content)
    except ConnectionError:  # refused before it was read to its end
        received = b""
    assert re.match(rb"(?:$|HTTP/1\.[01] 4\d\d )", received)
    assert ask(url, "/-/healthy").status == 200


def test_client_that_leaves_in_the_middle_is_no_error(
    url: str, running: ExporterProcess, portals: Demo
) -> None:
    parts = urlsplit(url)
    acme = portals.portals["acme"].portal
    acme.delay = 0.3
    with socket.create_connection((parts.hostname, parts.port)) as sock:
        sock.sendall(b"GET /probe?target=acme HTTP/1.1\r\nHost: x\r\n\r\n")
    # Waits for the same answer of the portal as the client that has left.
    assert ask(url, "/probe?target=acme").status == 200
    acme.delay = 0.0
    assert ask(url, "/metrics").status == 200
    assert "level=error" not in running.stderr


def test_slow_clients_do_not_keep_others_out(url: str) -> None:
    parts = urlsplit(url)
    slow = [socket.create_connection((parts.hostname, parts.port)) for _ in range(20)]
    for sock in slow:
        sock.sendall(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
    assert ask(url, "/-/healthy").status == 200
    for sock in slow:
        sock.close()


def test_connection_serves_several_requests(url: str) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    connection.connect()
    first = connection.sock
    for path in ("/-/healthy", "/metrics?collect[]=exporter", "/no", "/-/ready"):
        connection.request("GET", path)
        connection.getresponse().read()
        assert connection.sock is first
    connection.close()


def test_nothing_here_is_counted_as_an_internal_error(url: str, running: ExporterProcess) -> None:
    """The last test, for all tests above."""
    found = samples(ask(url, "/metrics").text)
    assert found["docspace_exporter_internal_errors_total"] == 0
    assert "Traceback" not in running.stderr
