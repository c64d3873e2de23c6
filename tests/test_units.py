"""Durations as in Prometheus, sizes, and the other scalars of the configuration."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.config import Secret, Window, values
from exporter.yamlfile import scalars

UNITS = {"y": 365 * 86400, "w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
FACTORS = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}

PARSERS = [
    scalars.text,
    values.duration,
    values.positive_duration,
    values.timeout,
    values.min_interval,
    values.people_interval,
    values.windows,
    values.withhold,
    values.size,
    values.concurrency,
    values.max_keys,
    scalars.boolean,
    values.secret,
    values.portal_url,
    values.proxy_url,
]

# What YAML and ${VAR} can hand to a parser.
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


# Durations


@pytest.mark.parametrize(
    ("spelled", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        (0, 0),
        ("10s", 10),
        ("500ms", 0.5),
        ("1h30m", 5400),
        ("7d", 604800),
        ("2w", 1209600),
        ("1y", 31536000),
        ("1y2w3d4h5m6s7ms", 31536000 + 1209600 + 259200 + 14400 + 300 + 6 + 0.007),
        ("90m", 5400),
    ],
)
def test_duration(spelled: object, seconds: float) -> None:
    assert values.duration(spelled) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "spelled",
    ["", "10", 10, "1.5h", "-1s", "+1s", "30m1h", "1h1h", "1 h", " 1h", "1h\n", "s", "h1", "1H",
     "1µs", "\u0661s", True, None, 1.5, ["1s"], {},
     pytest.param("9" * 5000 + "s", id="huge"), pytest.param(10**5000, id="endless")],
)  # fmt: skip
def test_no_duration(spelled: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a duration such as 10s, 1h30m or 7d$"):
        values.duration(spelled)


@pytest.mark.parametrize("spelled", ["10y1ms", "11y", "293y", "999y", "522w", "999999999m"])
def test_duration_is_at_most_ten_years(spelled: str) -> None:
    """No timer and no date that is computed with it can overflow."""
    assert values.duration("10y") == values.duration("3650d") == 315_360_000
    for parse in (values.duration, values.positive_duration):
        with pytest.raises(ValueError, match=r"^expected a duration of at most 10y$"):
            parse(spelled)
    with pytest.raises(ValueError, match=r"^expected a duration of at most 10y$"):
        values.windows(["7d", spelled])


@pytest.mark.parametrize("parse", [values.timeout, values.min_interval])
def test_timeout_and_min_interval_are_at_most_an_hour(parse: Callable[[object], float]) -> None:
    assert parse("1h") == 3600
    with pytest.raises(ValueError, match=r"^expected a duration of at most 1h$"):
        parse("1h1ms")


def test_min_interval_may_be_nothing_and_a_timeout_not() -> None:
    assert values.min_interval("0s") == 0
    with pytest.raises(ValueError, match=r"^expected a duration longer than 0s$"):
        values.timeout("0s")


@given(st.lists(st.integers(0, 9) | st.none(), min_size=7, max_size=7))
def test_duration_is_the_sum_of_its_parts(counts: list[int | None]) -> None:
    parts = [(count, unit) for count, unit in zip(counts, UNITS, strict=True) if count is not None]
    spelled = "".join(f"{count}{unit}" for count, unit in parts) or "0"
    assert values.duration(spelled) == pytest.approx(
        sum(count * UNITS[unit] for count, unit in parts)
    )


@given(st.integers(0, 3650 * 86_400_000))
def test_milliseconds_round_trip_as_prometheus_writes_them(milliseconds: int) -> None:
    """As Prometheus' String(): from the longest unit to the shortest, without zeros."""
    left, spelled = milliseconds, ""
    for unit in ("w", "d", "h", "m", "s", "ms"):
        count, left = divmod(left, round(UNITS[unit] * 1000))
        spelled += f"{count}{unit}" if count else ""
    assert round(values.duration(spelled or "0s") * 1000) == milliseconds


def test_positive_duration_is_more_than_nothing() -> None:
    assert values.positive_duration("1ms") == 0.001
    for nothing in ("0", "0s", 0, "0h0m"):
        with pytest.raises(ValueError, match=r"^expected a duration longer than 0s$"):
            values.positive_duration(nothing)


@pytest.mark.parametrize(("spelled", "seconds"), [("1m", 60.0), ("5m", 300.0), ("1d", 86400.0)])
def test_people_interval(spelled: str, seconds: float) -> None:
    assert values.people_interval(spelled) == seconds


@pytest.mark.parametrize("wrong", ["59s", "0s", 0, "1d1ms", "1w"])
def test_people_interval_is_neither_a_moment_nor_for_ever(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a duration from 1m to 1d$"):
        values.people_interval(wrong)


# Windows


def test_windows_are_sorted_and_keep_their_spelling() -> None:
    expected = (Window("1d12h", 129600.0), Window("1w", 604800.0), Window("30d", 2592000.0))
    assert values.windows(["30d", "1d12h", "1w"]) == expected


def test_no_window_is_a_choice_too() -> None:
    assert values.windows([]) == ()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("7d", r"expected a list of durations such as \[7d, 30d\]"),
        ({"7d": 1}, r"expected a list of durations such as \[7d, 30d\]"),
        (["7d", "soon"], "expected a duration such as 10s, 1h30m or 7d"),
        (["7d", "0s"], "expected a duration longer than 0s"),
        (["7d", "1w"], "expected durations of different length"),
        (["7d", ["1w"]], "expected a duration such as 10s, 1h30m or 7d"),
    ],
)
def test_no_windows(wrong: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        values.windows(wrong)


# What is withheld


def test_withheld_labels_are_named_in_a_list() -> None:
    assert values.withhold(["key_name", "creator", "creator"]) == {"creator", "key_name"}
    assert values.withhold([]) == frozenset()


@pytest.mark.parametrize("wrong", ["creator", ["creators"], ["key_id"], [["creator"]], [None], {}])
def test_other_labels_cannot_be_withheld(wrong: object) -> None:
    message = r"^expected a list such as \[creator\] of creator, key_name, permissions$"
    with pytest.raises(ValueError, match=message):
        values.withhold(wrong)


# Sizes


@given(st.integers(1, 10**12 - 1), st.sampled_from(sorted(FACTORS)))
def test_size_is_count_times_unit(count: int, unit: str) -> None:
    assert values.size(f"{count}{unit}") == count * FACTORS[unit]


@given(st.integers(1, 10**12 - 1))
def test_size_may_be_a_plain_number_of_bytes(count: int) -> None:
    assert values.size(count) == count


@pytest.mark.parametrize(
    "spelled",
    ["", "0", 0, "0MiB", "64MB", "64mib", "64 MiB", "1.5GiB", "-1", -1, "MiB", "1TiB", "1KiB\n",
     "\u0663KiB", True, None, 1.5, ["1KiB"], pytest.param(10**5000, id="endless")],
)  # fmt: skip
def test_no_size(spelled: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a size such as 512KiB, 64MiB or 1GiB$"):
        values.size(spelled)


# The others


@pytest.mark.parametrize(("given_", "count"), [(1, 1), ("32", 32), (9999, 9999)])
def test_concurrency(given_: object, count: int) -> None:
    assert values.concurrency(given_) == count


@pytest.mark.parametrize("wrong", [0, -1, 10_000, "01", "1.0", 1.0, True, "", "x", None, "\u0661"])
def test_no_concurrency(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a whole number from 1 to 9999$"):
        values.concurrency(wrong)


@pytest.mark.parametrize(("given_", "count"), [(1, 1), ("100000", 100_000), (1_000_000, 1_000_000)])
def test_max_keys(given_: object, count: int) -> None:
    assert values.max_keys(given_) == count


@pytest.mark.parametrize("wrong", [0, -1, 1_000_001, "100,000", "1e5", True, 10**20])
def test_no_max_keys(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a whole number from 1 to 1000000$"):
        values.max_keys(wrong)


@pytest.mark.parametrize(
    ("spelled", "expected"), [(True, True), (False, False), ("true", True), ("false", False)]
)
def test_boolean(spelled: object, expected: bool) -> None:  # noqa: FBT001, a parameter of the test
    assert scalars.boolean(spelled) is expected


@pytest.mark.parametrize("wrong", [1, 0, "yes", "True", "", None, [], {}])
def test_no_boolean(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"^expected true or false$"):
        scalars.boolean(wrong)


@given(st.text())
@example("\x85")
def test_text_is_one_stripped_line_or_refused(text: str) -> None:
    try:
        parsed = scalars.text(text)
    except ValueError:
        return
    assert parsed == text.strip()
    assert parsed
    assert not set(parsed) & {"\0", "\n", "\r", "\t", "\x7f"}
    assert parsed.encode()


@pytest.mark.parametrize(
    ("spelled", "url"),
    [
        ("https://acme.onlyoffice.com", "https://acme.onlyoffice.com"),
        ("http://10.0.0.1/", "http://10.0.0.1"),
        ("https://docs.example:8443/space//", "https://docs.example:8443/space"),
        (" https://[2001:db8::1]:8443 ", "https://[2001:db8::1]:8443"),
        ("HTTPS://ACME.example/DocSpace", "https://acme.example/DocSpace"),
        ("Http://[2001:DB8::0]:80", "http://[2001:db8::]:80"),
        ("https://Büro.example", "https://büro.example"),
        ("https://acme.example:", "https://acme.example"),
        ("https://acme_space:8443/a%20b%C3%A4", "https://acme_space:8443/a%20b%C3%A4"),
        ("https://acme.example.", "https://acme.example."),
        (f"https://{'a.' * 126}b", f"https://{'a.' * 126}b"),
    ],
)
def test_portal_url(spelled: str, url: str) -> None:
    assert values.portal_url(spelled) == url


@pytest.mark.parametrize(
    "wrong",
    ["acme.example", "ftp://acme.example", "https://", "https:///path", "//acme.example",
     "https:acme", "https://acme.example:0", "https://acme.example:65536", "https://acme.example:port",
     "https://[::1", "https://acme .example", "https://acme.example\\path", "https://user@acme.example",
     "https://user:hunter2@acme.example", "https://acme.example?", "https://acme.example/#",
     "file:///etc/passwd"],
)  # fmt: skip
def test_no_portal_url(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"^expected an address (such as https://|without )"):
        values.portal_url(wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (f"https://{'a.' * 126}bc", "expected a host name of at most 253 characters"),
        (f"https://{'a' * 100_000}", "expected a host name of at most 253 characters"),
        (f"https://{'ä.' * 60}b", "expected a host name of at most 253 characters"),
        (f"https://{'a' * 64}.example", "expected a host name of letters, digits, - and ."),
        ("https://acme..example", "expected a host name of letters, digits, - and ."),
        ("https://.", "expected a host name of letters, digits, - and ."),
        ("https://acme%00.example", "expected a host name of letters, digits, - and ."),
        ("https://acme%2eexample", "expected a host name of letters, digits, - and ."),
        ("https://acme,example", "expected a host name of letters, digits, - and ."),
        ("https://[v1.example]", "expected an IP v6 address in the brackets"),
        ("https://acme.example/%00", "expected each % to begin an escape such as %20"),
        ("https://acme.example/%0d%0a", "expected each % to begin an escape such as %20"),
        ("https://acme.example/%7F", "expected each % to begin an escape such as %20"),
        ("https://acme.example/%zz", "expected each % to begin an escape such as %20"),
        ("https://acme.example/100%", "expected each % to begin an escape such as %20"),
        ("https://acme.example/\u202e", "expected an address such as https://"),
    ],
)
def test_address_that_no_request_could_go_to(wrong: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        values.portal_url(wrong)


@given(st.text(max_size=20), st.sampled_from(["http", "HTTPS", "hTTps"]))
@example("[2001:DB8::1%25eth0]:8443", "https")
def test_address_that_is_read_twice_is_the_same(rest: str, scheme: str) -> None:
    try:
        url = values.portal_url(f"{scheme}://{rest}")
    except ValueError:
        return
    assert url.startswith(("http://", "https://"))
    assert values.portal_url(url) == url


def test_proxy_of_any_case_is_normalised_but_for_its_password() -> None:
    proxy = values.proxy_url("HTTP://User:Hunter2@Proxy.Example:3128")
    assert proxy == Secret("http://User:Hunter2@proxy.example:3128")


def test_proxy_url_may_hold_a_password_and_is_a_secret() -> None:
    assert values.proxy_url("http://user:hunter2@proxy:1") == Secret("http://user:hunter2@proxy:1")


@pytest.mark.parametrize(
    ("spelled", "path"),
    [
        ("acme.key", "/etc/docspace/acme.key"),
        ("/run/acme.key", "/run/acme.key"),
        ("../a", "/etc/docspace/../a"),
    ],
)
def test_relative_path_starts_at_the_folder(spelled: str, path: str) -> None:
    assert scalars.path_in(Path("/etc/docspace"), spelled) == Path(path)


def test_path_may_start_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/acme")
    assert scalars.path_in(Path("/etc"), "~/acme.key") == Path("/home/acme/acme.key")


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__name__)
@given(value=ANYTHING)
def test_any_value_parses_or_is_a_value_error_on_one_line(
    parse: Callable[[object], Any], value: object
) -> None:
    try:
        parse(value)
    except ValueError as exc:
        message = str(exc)
        assert message.startswith("expected ")
        assert message.isprintable()
