"""Logs: one line for each event, logfmt or JSON, nothing global."""

import io
import json
import re
import threading
import time

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from exporter.logs import BackgroundStream, Level, LogFormat, background_log, make_log

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"
FORMATS: list[LogFormat] = ["logfmt", "json"]
LEVELS: list[Level] = ["debug", "info", "warn", "error"]


def logged(form: LogFormat, event: str, level: Level = "debug", **fields: object) -> str:
    stream = io.StringIO()
    make_log(stream, level, form).warning(event, **fields)
    return stream.getvalue()


def test_logfmt_line() -> None:
    line = logged("logfmt", "cannot read", portal="acme", keys=3)
    assert re.fullmatch(rf'ts={TIME} level=warn msg="cannot read" portal=acme keys=3\n', line)


def test_json_line() -> None:
    line = json.loads(logged("json", "cannot read", portal="acmé", keys=3))
    assert re.fullmatch(TIME, line.pop("ts"))
    assert line == {"level": "warn", "msg": "cannot read", "portal": "acmé", "keys": 3}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("level", LEVELS)
def test_level_is_the_least_that_is_logged(level: Level, form: LogFormat) -> None:
    stream = io.StringIO()
    log = make_log(stream, level, form)
    for each in (log.debug, log.info, log.warning, log.error):
        each("event")
    assert stream.getvalue().count("\n") == 4 - LEVELS.index(level)


@pytest.mark.parametrize("form", FORMATS)
@given(event=st.text(), fields=st.text())
def test_event_is_one_line_whatever_its_fields(form: LogFormat, event: str, fields: str) -> None:
    line = logged(form, event, fields=fields)
    assert line.endswith("\n")
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("form", FORMATS)
def test_terminal_is_safe_from_what_is_logged(form: LogFormat) -> None:
    assert logged(form, "event", fields="\x1b[31m\r\x07\x9b")[:-1].isprintable()


@given(event=st.text(), fields=st.text())
def test_json_holds_what_was_logged(event: str, fields: str) -> None:
    line = json.loads(logged("json", event, fields=fields))
    assert (line["msg"], line["fields"]) == (event, fields)


def test_nothing_global_is_configured() -> None:
    before = structlog.get_config()
    make_log(io.StringIO(), "info", "json").info("event")
    assert structlog.get_config() == before
    assert not structlog.is_configured()


# A stream that blocks


class Blocked(io.StringIO):
    """A pipe that is full until it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read_on = threading.Event()

    def write(self, text: str) -> int:
        """Write once it is read."""
        assert self.read_on.wait(10)
        return super().write(text)


def test_no_one_waits_for_a_stream_that_blocks_and_nothing_is_lost() -> None:
    stream = Blocked()
    with background_log(stream, "info", "logfmt") as log:
        for number in range(100):
            log.info("event", number=number)
        stream.read_on.set()
    assert [line.partition("number=")[2] for line in stream.getvalue().splitlines()] == [
        str(number) for number in range(100)
    ]


def test_lines_over_the_limit_are_counted() -> None:
    stream = Blocked()
    background = BackgroundStream(stream, limit=3)
    background.write("first\n")
    while background._waiting:
        time.sleep(0.001)
    for number in range(5):
        background.write(f"{number}\n")
    stream.read_on.set()
    background.drain(10)
    assert stream.getvalue().splitlines() == [
        "first", "0", "1", "2", "2 log lines were dropped: standard error was blocked",
    ]  # fmt: skip


def test_a_log_whose_thread_cannot_start_fails_nobody_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    stream = io.StringIO()
    background = BackgroundStream(stream)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        background.write("first\n")
    background.write("second\n")
    background.drain(10)
    assert stream.getvalue() == "first\nsecond\n"


def test_the_last_lines_are_written_where_no_thread_can_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    stream = io.StringIO()
    monkeypatch.setattr(threading.Thread, "start", start)
    with background_log(stream, "info", "logfmt") as log:
        log.error("cannot start")
    assert stream.getvalue().count('msg="cannot start"') == 1


def test_the_end_does_not_wait_for_ever() -> None:
    stream = Blocked()
    background = BackgroundStream(stream)
    background.write("never\n")
    background.drain(0.05)
    assert stream.getvalue() == ""
    stream.read_on.set()
