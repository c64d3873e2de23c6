"""Flags: the sources of their values, mistakes, and the documentation of all of them."""

from pathlib import Path
from types import ModuleType

import pytest
from support import tools
from support.process import ExporterProcess, call

from exporter.cli import COMMANDS, main
from exporter.flags import SERVE, Flag, FlagError

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "portals: [{name: a, url: 'http://127.0.0.1:1', api_key: sk-x}]\n"
BY_NAME = {flag.name: flag for flag in SERVE}


def _page() -> ModuleType:
    return tools.module(ROOT / "docs" / "flags.py")


def test_the_documentation_has_every_flag() -> None:
    """docs/flags.md is what `make generated` writes."""
    page = _page()
    assert page.PAGE.read_text(encoding="utf-8") == page.reference()


def test_every_command_is_in_the_help(tmp_path: Path) -> None:
    shown = call("--help", cwd=tmp_path).stdout
    assert all(f"\n    {command} " in shown for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_names_flags_and_variables(command: str, tmp_path: Path) -> None:
    shown = call(command, "--help", cwd=tmp_path).stdout
    flags, _ = COMMANDS[command]
    for flag in flags:
        assert flag.name in shown
        assert flag.variable in "".join(shown.split())


def test_the_command_line_comes_before_the_environment() -> None:
    flag = BY_NAME["--log.level"]
    assert flag.value(["error"], {flag.variable: "debug"}) == "error"


def test_the_environment_comes_before_the_default() -> None:
    flag = BY_NAME["--log.level"]
    assert flag.value(None, {flag.variable: "debug"}) == "debug"
    assert flag.value(None, {}) == "info"


def test_an_empty_variable_counts_as_unset() -> None:
    flag = BY_NAME["--log.level"]
    assert flag.value(None, {flag.variable: ""}) == "info"


def test_the_variable_of_a_repeatable_flag_separates_by_commas() -> None:
    flag = BY_NAME["--web.listen-address"]
    addresses = flag.value(None, {flag.variable: "127.0.0.1:1, [::1]:2"})
    assert [str(address) for address in addresses] == ["127.0.0.1:1", "[::1]:2"]


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("", False)])
def test_the_variable_of_a_switch_says_true_or_false(text: str, value: bool) -> None:  # noqa: FBT001, data
    flag = BY_NAME["--web.enable-lifecycle"]
    assert flag.value(None, {flag.variable: text}) is value


WRONG = [
    ("--log.level", "loud", "expected one of debug, info, warn, error"),
    ("--web.max-requests", "0", "expected a whole number from 1 to 9999"),
    ("--web.max-requests", "many", "expected a whole number from 1 to 9999"),
    ("--web.telemetry-path", "metrics", "expected a path such as /metrics"),
    (
        "--web.telemetry-path",
        "/probe",
        "expected a path that the exporter does not use for anything else",
    ),
    (
        "--web.listen-address",
        "10180",
        "expected an address such as :10180, 127.0.0.1:10180 or [::1]:10180",
    ),
    (
        "--web.external-url",
        "exporter",
        "expected an address such as https://acme.onlyoffice.com",
    ),
]


@pytest.mark.parametrize(("name", "text", "problem"), WRONG)
def test_a_wrong_value_names_the_flag_and_what_was_expected(
    name: str, text: str, problem: str
) -> None:
    with pytest.raises(FlagError) as raised:
        BY_NAME[name].value([text], {})
    assert str(raised.value) == f"{name}: {problem}"


@pytest.mark.parametrize(("name", "text", "problem"), WRONG)
def test_a_wrong_variable_is_named_too(name: str, text: str, problem: str) -> None:
    flag = BY_NAME[name]
    with pytest.raises(FlagError) as raised:
        flag.value(None, {flag.variable: text})
    assert str(raised.value) == f"{flag.variable}: {problem}"


def test_a_switch_with_another_word_is_an_error() -> None:
    flag = BY_NAME["--web.enable-lifecycle"]
    with pytest.raises(FlagError, match="expected true or false"):
        flag.value(None, {flag.variable: "yes"})


def test_a_flag_given_twice_is_an_error() -> None:
    with pytest.raises(FlagError, match="expected once, not 2 times"):
        BY_NAME["--log.level"].value(["info", "debug"], {})


def test_variables_are_unique_within_a_command() -> None:
    for flags, _ in COMMANDS.values():
        variables = [flag.variable for flag in flags]
        assert len(set(variables)) == len(variables)


def test_a_flag_that_cannot_be_used_ends_with_two_and_one_line(tmp_path: Path) -> None:
    ended = call("--web.max-requests=none", cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr == (
        "docspace-exporter serve: --web.max-requests: expected a whole number from 1 to 9999\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--web.listen=:1"], "serve: no flag --web.listen; did you mean --web.listen-address?"),
        (["-config.file=x"], "serve: no flag -config.file; did you mean --config.file?"),
        (["keys", "--exit-cod"], "keys: no flag --exit-cod; did you mean --exit-code?"),
        (["--output=x"], "serve: --output is a flag of textfile, not of serve"),
        (["--listen", ":1"], "serve: no flag --listen; did you mean --web.listen-address?"),
        (["--port", "1"], "serve: no flag --port; did you mean --web.listen-address?"),
        (["--web.port=1"], "serve: no flag --web.port; did you mean --web.listen-address?"),
        (["--addr=:1"], "serve: no flag --addr; did you mean --web.listen-address?"),
        (["--config", "x"], "serve: no flag --config; did you mean --config.file?"),
        (["-c", "x"], "serve: no flag -c; did you mean --config.file?"),
        (["--web.config=x"], "serve: no flag --web.config; did you mean --web.config.file?"),
        (["--log-level=warn"], "serve: no flag --log-level; did you mean --log.level?"),
        (["--log-format=json"], "serve: no flag --log-format; did you mean --log.format?"),
        (["--check"], "serve: no flag --check; did you mean --config.check?"),
        (
            ["--format=json"],
            "serve: --format is a flag of check, keys, not of serve; did you mean --log.format?",
        ),
        (["keys", "-p", "acme"], "keys: no flag -p; did you mean --portal?"),
        (["keys", "--web.tls-key=x"], "keys: no flag --web.tls-key"),
        (["-v"], "serve: no flag -v; did you mean --version?"),
        (["-p", "1"], "serve: no flag -p"),
        (["check", "--flub=x"], "check: no flag --flub"),
        (["--Config=x"], "serve: no such flag; did you mean --config.file?"),
        (["--log-0123456789=x"], "serve: no such flag; did you mean --log.level?"),
        (["check", "--0123456789abcdef"], "check: no such flag"),
        (["---"], "serve: no such flag"),
        (["check", "acme"], "check: expected flags only, not a word by itself"),
        (["check", "--portal"], "check: argument --portal: expected one argument"),
        (["--log.level=debug", "check"], "serve: put the command first: docspace-exporter check …"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_flags_is_one_line_that_says_where_they_are(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    command = message.partition(":")[0]
    where = f"(see `docspace-exporter {command} --help`)"
    assert raised.value.code == 2
    assert capsys.readouterr() == ("", f"docspace-exporter {message} {where}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [("chek", "no command chek; did you mean check?"), ("sk-0123", "no such command")],
)
def test_an_unknown_command_is_one_line_that_says_where_they_are(
    text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main([text])
    assert raised.value.code == 2
    shown = capsys.readouterr().err
    assert shown == f"docspace-exporter: {message} (see `docspace-exporter --help`)\n"


def test_the_help_without_a_command_has_the_flags_of_serve(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert [flag.name for flag in SERVE if f"\n  {flag.name}" not in shown] == []


def test_the_exporter_runs_by_environment_alone(tmp_path: Path) -> None:
    """Every flag of serve works as a variable."""
    env = {
        "DOCSPACE_EXPORTER_WEB_TELEMETRY_PATH": "/m",
        "DOCSPACE_EXPORTER_LOG_FORMAT": "json",
        "DOCSPACE_EXPORTER_WEB_DISABLE_STATUS_PAGE": "true",
    }
    with ExporterProcess(tmp_path, CONFIG, env=env) as exporter:
        assert "docspace_up" in exporter.get("/m")
        assert '"msg":' in exporter.lines[0]
        assert 'href="m"' in exporter.get("/")


def test_it_listens_on_every_address_named(tmp_path: Path) -> None:
    extra = "--web.listen-address=127.0.0.1:0"
    with ExporterProcess(tmp_path, CONFIG, extra) as exporter:
        addresses = [line for line in exporter.lines if "msg=listening" in line]
        assert len(addresses) == 2


def test_a_flag_is_a_row(tmp_path: Path) -> None:
    """The attribute and the variable follow from the name."""
    flag = Flag("--web.some-thing", "")
    assert (flag.dest, flag.variable) == ("web_some_thing", "DOCSPACE_EXPORTER_WEB_SOME_THING")
