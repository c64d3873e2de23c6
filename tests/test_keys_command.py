"""`docspace-exporter keys`: the list, its order, its formats."""

import csv
import io
import json
import re
import shlex
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from rich.cells import cell_len
from support.demo import Demo
from support.process import call
from support.terminal import Screen, on_terminal

from exporter.demo.key import DemoKey
from exporter.formatting import moment

DAY = 86400.0
FIELDS = [
    "portal", "id", "name", "postfix", "state", "active", "access", "permissions", "creator",
    "creator_status", "orphaned", "superseded", "created", "last_used", "expires", "seconds_left",
]  # fmt: skip


def keys(folder: Path, config: str, *flags: str) -> "CompletedProcess[str]":
    """Run it on a configuration."""
    file = folder / "config.yaml"
    file.write_text(config, encoding="utf-8")
    return call("keys", f"--config.file={file}", *flags, cwd=folder)


def records(folder: Path, config: str, *flags: str) -> list[dict[str, Any]]:
    """The keys in its JSON output."""
    result = keys(folder, config, "--format=json", *flags)
    assert result.stderr == ""
    found: list[dict[str, Any]] = json.loads(result.stdout)["keys"]
    return found


def add(demo: Demo, name: str, left: float | None = None) -> DemoKey:
    """Add a key to acme that expires in ``left`` seconds."""
    expires = None if left is None else time.time() + left
    return demo.portals["acme"].portal.add_key(name, expires_at=expires)


# What is listed.


def test_every_key_of_every_portal_is_listed(demo: Demo, tmp_path: Path) -> None:
    listed = {(key["portal"], key["id"]) for key in records(tmp_path, demo.config())}
    assert listed == {(name, key.id) for name in demo.portals for key in demo.keys(name)}


def test_a_record_says_what_the_portal_knows(demo: Demo, tmp_path: Path) -> None:
    listed = {key["id"]: key for key in records(tmp_path, demo.config("acme"))}
    (known,) = (key for key in demo.keys("acme") if key.name == "billing-export")
    record = listed[known.id]
    assert list(record) == FIELDS
    assert known.expires_at is not None
    expires = datetime.fromisoformat(record["expires"])
    assert expires.timestamp() == pytest.approx(known.expires_at, abs=1)
    assert record["seconds_left"] == pytest.approx(known.expires_at - time.time(), abs=30)
    assert record["expires"].endswith("Z")
    assert (record["name"], record["postfix"]) == (known.name, known.postfix)
    assert (record["state"], record["active"], record["access"]) == ("active", True, "read")
    assert record["permissions"] == ["files:read", "rooms:read"]
    assert record["creator"] == "Liam O'Brien"


def test_what_is_not_known_is_null(demo: Demo, tmp_path: Path) -> None:
    listed = {key["name"]: key for key in records(tmp_path, demo.config("acme"))}
    assert listed["★ launch $1 ✓"]["last_used"] is None
    assert listed["★ launch $1 ✓"]["expires"] is None
    assert listed["★ launch $1 ✓"]["seconds_left"] is None


def test_portals_are_listed_with_what_can_be_seen_of_them(demo: Demo, tmp_path: Path) -> None:
    demo.portals["globex"].portal.condition = "unpaid"
    result = keys(tmp_path, demo.config(), "--format=json")
    portals = {portal["portal"]: portal for portal in json.loads(result.stdout)["portals"]}
    assert {name: portal["visibility"] for name, portal in portals.items()} == {
        "acme": "all",
        "globex": "unknown",
        "initech": "own",
    }
    assert portals["acme"]["error"] is None
    assert portals["globex"]["error"]["reason"] == "payment_required"


def test_states_filter(demo: Demo, tmp_path: Path) -> None:
    listed = records(tmp_path, demo.config(), "--state=disabled", "--state=expired")
    assert {key["state"] for key in listed} == {"disabled", "expired"}


def test_expiring_within_is_about_active_keys(demo: Demo, tmp_path: Path) -> None:
    listed = records(tmp_path, demo.config(), "--expiring-within=7d")
    assert listed
    assert {key["state"] for key in listed} == {"active", "rotated"}
    assert all(0 < key["seconds_left"] <= 7 * DAY for key in listed)


def test_portals_are_chosen_by_name(demo: Demo, tmp_path: Path) -> None:
    flags = ("--portal=globex", "--portal=initech")
    listed = records(tmp_path, demo.config(), *flags)
    assert {key["portal"] for key in listed} == {"globex", "initech"}
    assert not demo.portals["acme"].portal.requests


# Its order.


def test_the_next_to_expire_comes_first_and_never_comes_last(demo: Demo, tmp_path: Path) -> None:
    listed = records(tmp_path, demo.config())
    expires = [key["expires"] or "never" for key in listed]
    assert expires == sorted(expires)
    never = [key["name"].casefold() for key in listed if key["expires"] is None]
    assert never == sorted(never)


@pytest.mark.parametrize(
    ("order", "field"),
    [("name", "name"), ("portal", "portal"), ("created", "created"), ("last-used", "last_used")],
)
def test_other_orders(demo: Demo, tmp_path: Path, order: str, field: str) -> None:
    """The oldest use is first; keys that were never used are before all others."""
    listed = records(tmp_path, demo.config(), f"--sort={order}")
    values = [(key[field] or "").casefold() for key in listed]
    assert values == sorted(values)


# Exit codes.


def test_exit_code_is_1_where_a_key_expires_within_the_window(demo: Demo, tmp_path: Path) -> None:
    result = keys(tmp_path, demo.config("acme"), "--exit-code", "--expiring-within=7d")
    assert result.returncode == 1
    assert "billing-export" in result.stdout


def test_exit_code_is_0_where_none_does(demo: Demo, tmp_path: Path) -> None:
    result = keys(tmp_path, demo.config("initech"), "--exit-code", "--expiring-within=1h")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_the_window_of_exit_code_is_30_days_by_default(demo: Demo, tmp_path: Path) -> None:
    add(demo, "in-29", 29 * DAY)
    add(demo, "in-31", 31 * DAY)
    result = keys(tmp_path, demo.config("acme"), "--exit-code")
    assert result.returncode == 1
    assert "in-29" in result.stdout
    assert "in-31" not in result.stdout


def test_without_exit_code_what_expires_is_no_failure(demo: Demo, tmp_path: Path) -> None:
    assert keys(tmp_path, demo.config("acme"), "--expiring-within=7d").returncode == 0


def test_a_portal_that_fails_costs_its_own_keys_only(demo: Demo, tmp_path: Path) -> None:
    demo.portals["globex"].portal.condition = "unpaid"
    result = keys(tmp_path, demo.config())
    assert result.returncode == 1
    assert result.stderr == (
        "docspace-exporter keys: globex: HTTP 402: The portal's tariff is not paid "
        "(payment_required); the portal's tariff is unpaid; its owner has to settle it\n"
    )
    portals = {line.split()[0] for line in result.stdout.splitlines()[1:]}
    assert portals == {"acme", "initech"}


def test_an_unknown_portal_is_refused_with_the_known_names(demo: Demo, tmp_path: Path) -> None:
    result = keys(tmp_path, demo.config(), "--portal=nope")
    assert result.returncode == 2
    assert "--portal: expected one of acme, globex, initech" in result.stderr


def test_a_window_that_is_none_is_refused(demo: Demo, tmp_path: Path) -> None:
    result = keys(tmp_path, demo.config(), "--expiring-within=soon")
    assert result.returncode == 2
    assert "--expiring-within: expected a duration" in result.stderr


# The table in a pipe.


def test_a_pipe_gets_each_key_on_one_whole_line(demo: Demo, tmp_path: Path) -> None:
    name = "x" * 256
    add(demo, name)
    result = keys(tmp_path, demo.config("acme"))
    assert len(result.stdout.splitlines()) == 1 + len(demo.keys("acme"))
    assert name in result.stdout
    assert "\x1b" not in result.stdout
    assert result.stderr == ""


def test_a_pipe_does_not_wait_for_the_tables_of_rich(demo: Demo, tmp_path: Path) -> None:
    """It needs only `rich.cells`, which measures text."""
    (tmp_path / "config.yaml").write_text(demo.config(), encoding="utf-8")
    script = """
import sys
from exporter import cli
code = cli.main(["keys"])
sys.exit(f"{code} {'rich.console' in sys.modules}")
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == "0 False\n"
    assert done.stdout.startswith("Portal ")


def test_the_table_has_times_in_words(demo: Demo, tmp_path: Path) -> None:
    add(demo, "tomorrow-but-one", 3 * DAY + 60)
    result = keys(tmp_path, demo.config("acme"))
    (line,) = (line for line in result.stdout.splitlines() if "tomorrow-but-one" in line)
    assert re.split(r"\s{2,}", line)[-3:-1] == ["never", "in 3 days"]


def test_a_key_that_was_rotated_says_so(demo: Demo, tmp_path: Path) -> None:
    result = keys(tmp_path, demo.config("acme"))
    states = [line.split()[2] for line in result.stdout.splitlines() if line.startswith("deploy")]
    assert states == ["rotated", "active"]


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("two\nlines", r"two\nlines"),
        ("tab\there", r"tab\there"),
        ("\x1b[31mred", "\N{REPLACEMENT CHARACTER}[31mred"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u2066b\u2069", r"a\u2066b\u2069"),
        ("a\u2028b", r"a\u2028b"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("[bold]no markup[/bold] :smile:", "[bold]no markup[/bold] :smile:"),
    ],
)
def test_a_name_cannot_steer_the_terminal(demo: Demo, tmp_path: Path, name: str, seen: str) -> None:
    add(demo, name)
    assert f"\n{seen} " in keys(tmp_path, demo.config("acme")).stdout


def test_a_closed_pipe_is_no_error(demo: Demo, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(demo.config(), encoding="utf-8")
    command = f"{shlex.quote(sys.executable)} -m exporter keys --config.file=config.yaml | true"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_a_closed_standard_output_is_reported(demo: Demo, tmp_path: Path, form: str) -> None:
    (tmp_path / "config.yaml").write_text(demo.config(), encoding="utf-8")
    command = f"{shlex.quote(sys.executable)} -m exporter keys --format={form} >&-"
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, stderr=subprocess.PIPE, text=True, check=False
    )
    message = "docspace-exporter: cannot write to standard output: it is closed\n"
    assert (done.returncode, done.stderr) == (1, message)


def test_a_closed_standard_error_costs_its_messages_only(demo: Demo, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(demo.config(), encoding="utf-8")
    command = f"{shlex.quote(sys.executable)} -m exporter keys --format=csv 2>&-"
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=False
    )
    assert (done.returncode, done.stdout.startswith("portal,")) == (0, True)


def test_a_full_disk_is_reported(demo: Demo, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(demo.config(), encoding="utf-8")
    command = [sys.executable, "-m", "exporter", "keys", f"--config.file={file}"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == (
        "docspace-exporter: cannot write to standard output: No space left on device\n"
    )


# JSON and CSV.


def test_csv_has_the_fields_of_json(demo: Demo, tmp_path: Path) -> None:
    result = keys(tmp_path, demo.config("acme"), "--format=csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout, newline="")))
    assert list(rows[0]) == FIELDS
    listed = {row["id"]: row for row in rows}
    (known,) = (key for key in demo.keys("acme") if key.name == "billing-export")
    assert listed[known.id]["permissions"] == "files:read,rooms:read"
    assert listed[known.id]["active"] == "true"
    assert {row["name"] for row in rows} >= {'the "old" C:\\proxy', "summer\ncampaign"}


def test_csv_ends_its_lines_as_rfc_4180_wants(demo: Demo, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(demo.config("initech"), encoding="utf-8")
    command = [sys.executable, "-m", "exporter", "keys", f"--config.file={file}", "--format=csv"]
    output = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
    assert output.count(b"\r\n") == output.count(b"\n") == 1 + len(demo.keys("initech"))


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_csv_holds_no_formula(demo: Demo, tmp_path: Path, name: str) -> None:
    add(demo, name)
    result = keys(tmp_path, demo.config("acme"), "--format=csv")
    # Python's text mode has turned carriage returns into line ends.
    names = {row["name"] for row in csv.DictReader(io.StringIO(result.stdout, newline=""))}
    assert "'" + name.replace("\r", "\n") in names


def test_csv_keeps_negative_numbers(demo: Demo, tmp_path: Path) -> None:
    result = keys(tmp_path, demo.config("acme"), "--format=csv", "--state=expired")
    rows = list(csv.DictReader(io.StringIO(result.stdout, newline="")))
    assert all(int(row["seconds_left"]) < 0 for row in rows)


def test_json_gives_names_back_as_they_are_but_prints_them_safely(
    demo: Demo, tmp_path: Path
) -> None:
    name = "\u202e備份\n\U000e0041"
    add(demo, name)
    result = keys(tmp_path, demo.config("acme"), "--format=json")
    assert name in {key["name"] for key in json.loads(result.stdout)["keys"]}
    assert r"\u202e備份\n\udb40\udc41" in result.stdout


def test_no_key_is_ever_printed(demo: Demo, tmp_path: Path) -> None:
    for form in ("table", "json", "csv"):
        flags = (f"--format={form}", "--log.level=debug")
        result = keys(tmp_path, demo.config(), *flags)
        assert "level=info" in result.stderr
        assert not re.search(r"sk-[0-9a-f]{8}", result.stdout + result.stderr)


# The terminal.


def look(folder: Path, config: str, columns: int, *flags: str, **env: str) -> Screen:
    """Run it on a terminal."""
    file = folder / "config.yaml"
    file.write_text(config, encoding="utf-8")
    return on_terminal(
        "keys", f"--config.file={file}", *flags, columns=columns, cwd=folder, env=env
    )


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 120, 160])
def test_a_terminal_of_any_width_holds_every_line(demo: Demo, tmp_path: Path, columns: int) -> None:
    """Also if names have wide characters, or run from right to left."""
    lines = look(tmp_path, demo.config(), columns).lines
    assert max(map(cell_len, lines)) <= columns
    assert any(line.endswith("never") or "never " in line for line in lines)
    assert any("備份服務" in line for line in lines)


@pytest.mark.parametrize("columns", [70, 80, 93, 100, 119, 120])
def test_no_terminal_cuts_the_last_column(demo: Demo, tmp_path: Path, columns: int) -> None:
    """No expiry is cut, also if names and permissions are folded."""
    add(demo, "soon", 104.5)
    heading, _, *rows, _ = look(tmp_path, demo.config("acme"), columns).lines
    assert re.search(r"  (Expires|Expiry date)$", heading.rstrip())
    expiries = [row.rstrip()[heading.index("Expires") :] for row in rows if row.isascii()]
    whole = re.compile(r"(never|now|in \d+ \w+s|\d+ \w+s ago)?( +\d{4}-\d\d-\d\d)?")
    assert [text for text in expiries if not whole.fullmatch(text)] == []


def test_a_narrow_terminal_keeps_name_and_expiry(demo: Demo, tmp_path: Path) -> None:
    screen = look(tmp_path, demo.config("acme"), 40)
    assert re.search(r"^billing-export +in 2 days *$", screen.text, re.MULTILINE)
    assert "too narrow for" in screen.text


def test_a_wide_terminal_leaves_nothing_out(demo: Demo, tmp_path: Path) -> None:
    text = look(tmp_path, demo.config(), 160).text
    assert "Expiry date" in text
    assert "too narrow for" not in text


def test_expiries_are_coloured_by_urgency(demo: Demo, tmp_path: Path) -> None:
    """Red is within the portal's shortest window, yellow within the longest."""
    add(demo, "soon", DAY * 6.5)
    add(demo, "later", DAY * 20.5)
    raw = look(tmp_path, demo.config("acme"), 160).raw
    assert re.search(r"\x1b\[1;31min 6 days", raw)
    assert re.search(r"\x1b\[33min 20 days", raw)


def test_without_windows_nothing_is_urgent(demo: Demo, tmp_path: Path) -> None:
    raw = look(tmp_path, "expiring_within: []\n" + demo.config("acme"), 160).raw
    assert not re.search(r"\x1b\[(1;31|33)min ", raw)
    assert "billing-export" in raw


def test_no_color_is_respected(demo: Demo, tmp_path: Path) -> None:
    assert not look(tmp_path, demo.config("acme"), 80, NO_COLOR="1").coloured


def test_text_that_runs_from_the_right_ends_before_the_next_column(
    demo: Demo, tmp_path: Path
) -> None:
    """Otherwise a terminal with right-to-left text would move the dates to the left of the name."""
    assert "مزامنة الملفات\u200e" in look(tmp_path, demo.config("acme"), 160).text


def test_an_empty_list_says_so_on_a_terminal(demo: Demo, tmp_path: Path) -> None:
    screen = look(tmp_path, demo.config("initech"), 80, "--expiring-within=1m")
    assert (screen.lines, screen.code) == (["no key matches"], 0)


# Words.


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "never"),
        (0.0, "now"),
        (1.0, "in 1 second"),
        (119.0, "in 119 seconds"),
        (-7199.0, "119 minutes ago"),
        (-7200.0, "2 hours ago"),
        (2 * DAY - 1, "in 47 hours"),
        (3 * DAY, "in 3 days"),
        (-1200 * DAY, "1,200 days ago"),
    ],
)
def test_moments_in_words(seconds: float | None, words: str) -> None:
    assert moment(seconds) == words
