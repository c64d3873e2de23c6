"""``docspace-exporter`` as a process: its start, its output, its end."""

import contextlib
import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.demo import Demo
from support.faults import FaultServer, never_answers
from support.process import ExporterProcess, Process, call, run
from support.prometheus import eventually

from exporter.commands import serve
from exporter.commands.hints import listen_hint
from exporter.config import PortalSettings, Secret, Settings, TLSSettings
from exporter.docspace import tls
from exporter.httpserver.listen import ListenAddress
from exporter.version import VERSION

ROOT = Path(__file__).parents[1]
SIGNALS = [signal.SIGTERM, signal.SIGINT]


def config(url: str) -> str:
    return f"portals: [{{name: acme, url: '{url}', api_key: sk-1}}]\n"


def connects(address: tuple[str, int]) -> bool:
    """Whether a process listens on the address."""
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(address, timeout=60).close()
        return True
    return False


# How it ends

SLOW_END = """
import os, signal, time
from exporter.commands import signals

class Slow:
    def __del__(self, sleep=time.sleep):
        sleep(1.0)

signals._END_SECONDS = 0.5
slow = Slow()
noted = signals.Signals({signal.SIGTERM: 0})
os.kill(os.getpid(), signal.SIGTERM)
assert noted.wait() == signal.SIGTERM
"""


def test_the_exit_code_is_right_though_the_interpreter_takes_long_to_end(tmp_path: Path) -> None:
    """The timer that ends a hanging process must not kill one that is ending."""
    assert (
        subprocess.run([sys.executable, "-c", SLOW_END], cwd=tmp_path, timeout=60).returncode == 0
    )


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    with ExporterProcess(tmp_path, config("http://127.0.0.1:1")) as exporter:
        assert exporter.stop(number) == 0
    assert "Traceback" not in exporter.stderr


def scrape_forever(url: str) -> None:
    with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
        urllib.request.urlopen(f"{url}/metrics", timeout=60).close()


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_ends_it_with_scrapes_in_flight_on_every_address(
    tmp_path: Path, number: signal.Signals
) -> None:
    second = "--web.listen-address=127.0.0.1:0"
    with (
        FaultServer(never_answers) as portal,
        ExporterProcess(tmp_path, config(portal.url), second) as exporter,
    ):
        urls = re.findall(r"msg=listening address=(\S+)", exporter.stderr)
        scrapes = [
            threading.Thread(target=scrape_forever, args=(f"http://{address}",)) for address in urls
        ]
        for scrape in scrapes:
            scrape.start()
        while not portal.heads:
            time.sleep(0.01)
        code = exporter.stop(number)
        for scrape in scrapes:
            scrape.join(60)
    assert (len(urls), code) == (2, 0)


def test_scrape_in_flight_is_still_answered_if_it_ends_soon(tmp_path: Path, demo: Demo) -> None:
    portal = demo.portals["acme"].portal
    answers: list[str] = []
    config = "scrape: {min_interval: 0s}\n" + demo.config("acme")
    with ExporterProcess(tmp_path, config) as exporter:
        exporter.get()  # also asks what is asked once an hour
        asked, portal.delay = portal.requests["/api/2.0/keys"], 0.4
        scrape = threading.Thread(target=lambda: answers.append(exporter.get()))
        scrape.start()
        while portal.requests["/api/2.0/keys"] == asked:
            time.sleep(0.01)
        exporter.send(signal.SIGTERM)
        scrape.join(60)
        assert exporter.wait() == 0
    assert 'docspace_up{portal="acme"} 1.0' in answers[0]


def test_a_log_that_nobody_reads_keeps_no_scrape_waiting(tmp_path: Path, demo: Demo) -> None:
    """Standard error is a pipe, and full."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 65536)
    os.set_blocking(writing, True)
    (tmp_path / "config.yaml").write_text(demo.config("acme"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "exporter", f"--web.listen-address=127.0.0.1:{port}"],
        cwd=tmp_path,
        stderr=writing,
    )
    try:
        eventually(lambda: connects(("127.0.0.1", port)), bool)
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/metrics",
            headers={"X-Prometheus-Scrape-Timeout-Seconds": "5"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert b'docspace_up{portal="acme"} 1.0' in answer.read()
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reading)
        os.close(writing)


def test_many_signals_at_once_end_it_too(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path, config("http://127.0.0.1:1")) as exporter:
        for _ in range(20):
            exporter.send(signal.SIGHUP)
            exporter.send(signal.SIGINT)
        assert exporter.stop(signal.SIGTERM) == 0
    assert "Traceback" not in exporter.stderr


# How it starts


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", ":0", "localhost:0"])
def test_it_listens_on(tmp_path: Path, address: str) -> None:
    with ExporterProcess(tmp_path, config("http://127.0.0.1:1"), address=address) as exporter:
        port = exporter.url.rpartition(":")[2]
        host = {":0": "127.0.0.1", "localhost:0": "localhost"}.get(address, address[:-2])
        with urllib.request.urlopen(f"http://{host}:{port}/-/healthy", timeout=60) as answer:
            assert answer.status == 200


def test_without_a_host_it_listens_on_both_families(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path, config("http://127.0.0.1:1"), address=":0") as exporter:
        port = int(exporter.url.rpartition(":")[2])
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), timeout=60).close()


def test_port_in_use_is_logged_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(config("http://127.0.0.1:1"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(f"--web.listen-address=127.0.0.1:{port}", cwd=tmp_path)
    (line,) = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout) == (1, "")
    assert 'level=error msg="cannot listen"' in line
    assert f'address=127.0.0.1:{port} error="Address already in use"' in line
    assert f"another program listens on port {port}, maybe `docspace-exporter demo`" in line
    assert f"--web.listen-address=127.0.0.1:{port + 1 if port < 65535 else port - 1}" in line


def test_address_of_no_interface_is_logged_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(config("http://127.0.0.1:1"))
    ended = run("--web.listen-address=192.0.2.1:10180", cwd=tmp_path)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)
    assert "no network interface has this address" in ended.stderr


def test_another_port_is_named_as_a_person_would_write_it() -> None:
    hint = listen_hint(OSError(errno.EADDRINUSE, "in use"), ListenAddress.parse(":10180"))
    assert hint.endswith("choose another port with --web.listen-address=:10181")


def test_port_that_needs_rights_has_a_hint() -> None:
    hint = listen_hint(PermissionError(errno.EACCES, "denied"), ListenAddress("::", 80))
    assert hint.startswith("this user may not listen on port 80: ")


def test_other_errors_of_an_address_speak_for_themselves() -> None:
    assert listen_hint(OSError(errno.EINVAL, "not a name"), ListenAddress("a", 80)) == ""


def test_second_address_in_use_ends_the_first(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(config("http://127.0.0.1:1"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(
            "--web.listen-address=127.0.0.1:0",
            f"--web.listen-address=127.0.0.1:{port}",
            cwd=tmp_path,
        )
    assert (ended.returncode, "cannot listen" in ended.stderr) == (1, True)


@pytest.mark.parametrize("flags", [("--version",), ("serve", "--version")])
def test_version_is_printed(tmp_path: Path, flags: tuple[str, ...]) -> None:
    ended = call(*flags, cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.fullmatch(rf"docspace-exporter {re.escape(VERSION)} \(revision \S+\)\n", ended.stdout)


@pytest.mark.parametrize("flags", [(), ("--config.check",)], ids=["start", "check"])
def test_bad_configuration_is_reported_and_ends_it(tmp_path: Path, flags: tuple[str, ...]) -> None:
    (tmp_path / "config.yaml").write_text("portals: [{name: acme, url: nonsense, key: x}]\n")
    ended = run(*flags, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    lines = ended.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("config.yaml: portals[0].") for line in lines)


def test_missing_configuration_is_reported(tmp_path: Path) -> None:
    ended = run("--config.file=gone.yaml", cwd=tmp_path)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith("gone.yaml: cannot be read: ")


@pytest.mark.parametrize(
    "flags",
    [("--nonsense",), ("--web.listen-address=nonsense",), ("--log.level=loud",), ("nonsense",)],
)
def test_bad_flag_is_reported_and_ends_it(tmp_path: Path, flags: tuple[str, ...]) -> None:
    ended = call(*flags, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "docspace-exporter" in ended.stderr
    assert "Traceback" not in ended.stderr


def environment(**variables: str) -> Mapping[str, str]:
    """The environment of this process without the exporter's variables, and with these."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith("DOCSPACE")}
    return {**rest, **variables}


def test_shipped_configuration_needs_only_an_address_and_a_key(tmp_path: Path, demo: Demo) -> None:
    shutil.copy(ROOT / "config.yaml", tmp_path)
    env = environment(
        DOCSPACE_URL=demo.servers["acme"].url, DOCSPACE_API_KEY=demo.portals["acme"].exporter_key
    )
    program = Path(sys.executable).with_name("docspace-exporter")
    command = [program, "--config.file=config.yaml", "--web.listen-address=127.0.0.1:0"]
    with Process(command, tmp_path, r"docspace-exporter is ready", env) as exporter:
        address = exporter.wait_for(r"msg=listening address=(\S+)")[1]
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as answer:
            text = answer.read().decode()
    assert 'docspace_up{portal="docspace"} 1.0' in text
    assert f'docspace_api_keys{{portal="docspace"}} {float(len(demo.keys("acme")))}' in text


def test_shipped_configuration_without_them_says_what_is_missing(tmp_path: Path) -> None:
    shutil.copy(ROOT / "config.yaml", tmp_path)
    ended = subprocess.run(
        [sys.executable, "-m", "exporter"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert "the environment variable DOCSPACE_URL is not set" in ended.stderr
    assert "the environment variable DOCSPACE_API_KEY is not set" in ended.stderr


# What it says

LOGFMT = re.compile(r'(?:[a-z_]+=(?:"(?:[^"\\]|\\.)*"|[^\s"=]*)(?: |$))+')


@pytest.mark.parametrize("level", ["debug", "info"])
def test_each_line_of_the_log_is_logfmt(tmp_path: Path, level: str) -> None:
    """Also if the error has text of the portal."""
    with (
        FaultServer(never_answers) as portal,
        ExporterProcess(tmp_path, config(portal.url), f"--log.level={level}") as exporter,
    ):
        exporter.get(headers={"X-Prometheus-Scrape-Timeout-Seconds": "0.2"})
        assert exporter.stop() == 0
    assert len(exporter.lines) >= 4
    for line in exporter.lines:
        assert LOGFMT.fullmatch(line), line
        assert line.startswith("ts=20")


def test_each_line_of_the_log_is_json(tmp_path: Path) -> None:
    flags = ("--log.format=json", "--log.level=debug")
    with ExporterProcess(tmp_path, config("http://127.0.0.1:1"), *flags) as exporter:
        exporter.get()
        assert exporter.stop() == 0
    events = [json.loads(line) for line in exporter.lines]
    (down,) = (event for event in events if event["msg"] == "cannot read the keys of the portal")
    assert (down["portal"], down["reason"], down["level"]) == ("acme", "connection", "warn")
    assert all({"ts", "level", "msg"} <= event.keys() for event in events)


def test_nothing_is_said_on_stdout(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path, config("http://127.0.0.1:1")) as exporter:
        exporter.get()
        assert exporter.stop() == 0
    assert exporter.out == ""


def test_level_error_is_quiet_where_nothing_is_wrong_with_us(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(config("http://127.0.0.1:1"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    command = [sys.executable, "-m", "exporter", f"--web.listen-address=127.0.0.1:{address[1]}"]
    with subprocess.Popen(
        [*command, "--log.level=error"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        eventually(lambda: connects(address), bool)
        process.terminate()
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")


def test_clients_that_say_nothing_keep_nobody_out(tmp_path: Path) -> None:
    """A load balancer's open connections, more than there are threads; none is closed here."""
    script = "import exporter.httpserver.clients as clients\nclients.CLIENT_SECONDS = 3600.0\n"
    flags = ("--web.max-requests=4", "--web.listen-address=127.0.0.1:0")
    exporter = started_by(script, tmp_path, *flags)
    address = ListenAddress.parse(exporter.wait_for(r"msg=listening address=(\S+)")[1])
    with contextlib.ExitStack() as silent:
        for _ in range(40):
            silent.enter_context(socket.create_connection((address.host, address.port)))
        for path, expected in (("/-/healthy", "healthy"), ("/metrics", "docspace_up")):
            with urllib.request.urlopen(address.url() + path, timeout=60) as answer:
                assert expected in answer.read().decode()
    assert exporter.stop() == 0


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            "api_key_file: none",
            "portals[0].api_key_file: {folder}/none: cannot be read: No such file",
        ),
        (
            "api_key: sk-x, tls: {ca_file: none}",
            "portals[0].tls: {folder}/none: cannot be read: No such file",
        ),
        (
            "api_key: 'Token sk-1'",
            "portals[0].api_key: expected an API key alone, as DocSpace showed it\n",
        ),
        ("api_key_file: fifo", "portals[0].api_key_file: {folder}/fifo: expected a regular file"),
        (
            "api_key: sk-x, tls: {ca_file: fifo}",
            "portals[0].tls: {folder}/fifo: expected a regular file",
        ),
    ],
)
def test_config_check_opens_the_files(tmp_path: Path, fields: str, problem: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    file = tmp_path / "config.yaml"
    file.write_text(f"portals: [{{name: a, url: 'https://a.example', {fields}}}]\n")
    ended = call("--config.check", f"--config.file={file}", cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"{file}: {problem.format(folder=tmp_path)}")


def test_config_check_makes_one_tls_context_for_portals_that_trust_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A context has all certificates of the system, and reading them takes long."""
    made = []
    build = tls._build
    monkeypatch.setattr(tls, "_build", lambda settings: made.append(settings) or build(settings))
    portals = tuple(
        PortalSettings(f"portal-{n}", "https://a.example", Secret("sk-x")) for n in range(400)
    )
    serve._check_files(Settings(portals))
    assert made == [TLSSettings()]


def test_what_a_finalizer_meets_is_a_line_of_the_log(tmp_path: Path) -> None:
    """Python would print a traceback between the lines."""
    script = (
        "import sys, threading, os, signal, exporter.commands.serve as serve\n"
        "class Gone:\n"
        "    def __del__(self):\n"
        "        raise BrokenPipeError('secret')\n"
        "class Now(serve.Exporter):\n"
        "    def __init__(self, *arguments):\n"
        "        Gone()\n"
        "        super().__init__(*arguments)\n"
        "serve.Exporter = Now\n"
        "from exporter.cli import main\n"
        "threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()\n"
        "sys.exit(main(['--web.listen-address=127.0.0.1:0', '--log.level=debug']))\n"
    )
    config = "portals: [{name: a, url: 'http://127.0.0.1:1', api_key: sk-x}]\n"
    (tmp_path / "config.yaml").write_text(config)
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0
    assert 'msg="ignored in a finalizer" error=BrokenPipeError' in ended.stderr
    assert "secret" not in ended.stderr


# What keeps it from starting


def started_by(script: str, folder: Path, *arguments: str) -> Process:
    """The command line, started after a script that changes something."""
    (folder / "config.yaml").write_text(config("http://127.0.0.1:1"))
    code = f"import sys\n{script}\nfrom exporter.cli import main\nsys.exit(main(sys.argv[1:]))\n"
    return Process([sys.executable, "-c", code, *arguments], folder, "")


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "name.invalid"])
def test_host_that_is_none_ends_the_start(tmp_path: Path, host: str) -> None:
    """With a name that no resolver accepts, the process used to wait without end."""
    (tmp_path / "config.yaml").write_text(config("http://127.0.0.1:1"))
    ended = run(f"--web.listen-address={host}:10180", cwd=tmp_path)
    (line,) = ended.stderr.splitlines()
    assert ended.returncode == 1
    assert f'level=error msg="cannot listen" address={host}:10180 error=' in line


NO_THREADS = """
import _thread, threading
def refuse(*_, **__): raise RuntimeError("can't start new thread")
"""


@pytest.mark.parametrize(
    "refused", ["threading._start_new_thread = refuse", "threading.Thread.start = refuse"]
)
def test_threads_that_cannot_start_end_the_start(tmp_path: Path, refused: str) -> None:
    """As with a TasksMax that is too low, or too little memory."""
    flag = "--web.listen-address=127.0.0.1:0"
    process = started_by(NO_THREADS + refused, tmp_path, flag)
    assert process.wait(20) == 1
    (line,) = process.lines
    assert 'level=error msg="cannot start" error="can\'t start new thread"' in line


STUCK = """
import socket, time
real = socket.getaddrinfo
def stuck(*arguments, **options):
    sys.stderr.write("resolving\\n")
    sys.stderr.flush()
    time.sleep(600)
socket.getaddrinfo = stuck
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_ends_a_start_that_is_stuck(tmp_path: Path, number: signal.Signals) -> None:
    process = started_by(STUCK, tmp_path, "--web.listen-address=name.invalid:0")
    process.wait_for("resolving")
    assert process.stop(number) == 0


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_ends_it_whatever_the_end_waits_for(tmp_path: Path, number: signal.Signals) -> None:
    """Here the exporter takes ten minutes to close its connections."""
    script = (
        "import time, exporter.commands.serve as serve\n"
        "serve.Exporter.close = lambda _: time.sleep(600)\n"
    )
    process = started_by(script, tmp_path, "--web.listen-address=127.0.0.1:0")
    process.wait_for("docspace-exporter is ready")
    assert process.stop(number) == 0


def test_server_that_fails_ends_the_process(tmp_path: Path) -> None:
    """Otherwise the process would live and not answer. Its thread may take long to end."""
    script = (
        "import asyncio, time, exporter.httpserver.server as server\n"
        "run = server.Server._run\n"
        "server.Server._run = lambda self: (run(self), time.sleep(600))\n"
        "async def fail(self):\n"
        "    self._loop = asyncio.get_running_loop()\n"
        "    self._started.set_result(None)\n"
        "    await asyncio.sleep(1)\n"
        "    raise ZeroDivisionError\n"
        "server.Server._serve = fail\n"
    )
    process = started_by(script, tmp_path, "--web.listen-address=127.0.0.1:0")
    assert process.wait(20) == 1
    assert "error=ZeroDivisionError" in process.stderr


def test_hangups_that_come_during_a_reload_are_not_lost(tmp_path: Path, demo: Demo) -> None:
    with ExporterProcess(tmp_path, demo.config("acme")) as exporter:
        for _ in range(50):
            exporter.send(signal.SIGHUP)
        (tmp_path / "config.yaml").write_text(demo.config("globex"))
        exporter.send(signal.SIGHUP)
        eventually(exporter.get, lambda text: 'portal="globex"' in text, 60)
        assert exporter.stop() == 0
