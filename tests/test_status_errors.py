"""An answer that is not 200 becomes the error that says why."""

import json
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from exporter.docspace import errors
from exporter.docspace.credential import Credential
from exporter.docspace.headers import number
from exporter.docspace.status_errors import status_error
from exporter.docspace.transport import Response

NOW = 1_790_000_000.0
KEY = "sk-" + "0123456789abcdef" * 4
WHO = Credential.of(KEY)


def refused(status: int, body: bytes = b"", **headers: str) -> errors.Refused:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status_error(Response(status, CaseInsensitiveDict(named), body, NOW), NOW, WHO)


def wait(**headers: str) -> float:
    """Seconds that a 429 with these headers asks for."""
    error = refused(429, b"", **headers)
    assert isinstance(error, errors.RateLimited)
    return error.retry_after


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, errors.Redirected),
        (308, errors.Redirected),
        (401, errors.Unauthorized),
        (402, errors.PaymentRequired),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (429, errors.RateLimited),
        (500, errors.ServerError),
        (503, errors.ServerError),
        (599, errors.ServerError),
        (204, errors.UnexpectedStatus),
        (400, errors.UnexpectedStatus),
        (418, errors.UnexpectedStatus),
    ],
)
def test_status_decides_the_error(status: int, kind: type[errors.Refused]) -> None:
    error = refused(status)
    assert (type(error), error.status) == (kind, status)


@given(st.integers(201, 999), st.binary(), st.text(), st.text())
def test_any_answer_is_an_error_of_one_line(
    status: int, body: bytes, location: str, retry_after: str
) -> None:
    error = refused(status, body, Location=location, Retry_After=retry_after)
    assert type(error).reason in errors.REASONS
    assert str(error).startswith(f"HTTP {status}")
    assert "\n" not in str(error)


def test_message_has_the_portals_words_but_no_stack() -> None:
    error = {"message": "Access denied", "type": "X", "stack": "at Foo.Bar()", "hresult": 0}
    body = json.dumps({"status": 1, "statusCode": 403, "error": error}).encode()
    assert str(refused(403, body)) == "HTTP 403: Access denied"


@pytest.mark.parametrize("body", [b"", b"<html>secret backend</html>", b"{}", b'{"error": null}'])
def test_message_without_the_portals_words(body: bytes) -> None:
    assert str(refused(502, body)) == "HTTP 502"


def test_key_in_the_portals_words_is_masked() -> None:
    body = json.dumps({"error": {"message": f"no such key {KEY} (Bearer {KEY})"}}).encode()
    assert str(refused(401, body)) == "HTTP 401: no such key *** (***)"


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://new.example/api/2.0/keys", "https://new.example/api/2.0/keys"),
        ("https://new.example:8443/", "https://new.example:8443/"),
        ("https://user:hunter2@new.example/?key=hunter2#hunter2", "https://new.example/"),
        ("/login", "/login"),
        (f"https://new.example/{KEY}", "https://new.example/***"),
        ("", "nowhere"),
        ("https://new.example:port/", "an address that is none"),
        ("https://new.example/\x1b[31m", "nowhere"),
    ],
)
def test_redirect_tells_where_to(location: str, told: str) -> None:
    assert str(refused(302, Location=location)) == f"HTTP 302 to {told}"


def test_header_names_have_no_case() -> None:
    assert wait(**{"retry-after": "7"}) == 7


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7), (" 7 ", 7), ("0", 1), ("900", 900), ("86400", 900)]
)
def test_retry_after_in_seconds_within_bounds(text: str, seconds: float) -> None:
    assert wait(Retry_After=text) == seconds


@pytest.mark.parametrize(("seconds", "expected"), [(30, 30), (-30, 1), (86400, 900)])
def test_retry_after_as_a_date(seconds: float, expected: float) -> None:
    date = format_datetime(datetime.fromtimestamp(NOW + seconds, UTC), usegmt=True)
    assert wait(Retry_After=date) == expected


def test_reset_counts_where_there_is_no_retry_after() -> None:
    assert wait(X_RateLimit_Reset=str(round(NOW) + 42)) == 42


def test_retry_after_comes_before_reset() -> None:
    assert wait(Retry_After="7", X_RateLimit_Reset=str(round(NOW) + 42)) == 7


def test_a_minute_where_the_portal_names_no_time() -> None:
    assert wait() == 60


@given(st.text(), st.text())
def test_wait_is_always_within_bounds(retry_after: str, reset: str) -> None:
    assert 1 <= wait(Retry_After=retry_after, X_RateLimit_Reset=reset) <= 900


@given(
    st.datetimes().map(lambda date: format_datetime(date))
    | st.from_regex(r"\w{3}, \d{1,9} \w{3} \d{1,9} \d+:\d+:\d+ [+-]\d{4,6}")
)
def test_wait_for_any_date_is_within_bounds(retry_after: str) -> None:
    assert 1 <= wait(Retry_After=retry_after) <= 900


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("1500", 1500), (" 7 ", 7), (None, None), ("", None), ("-1", None), ("1.5", None),
     ("1e3", None), ("²", None), ("\u0661", None), ("nan", None), ("9" * 400, None)],
)  # fmt: skip
def test_number_of_a_header(text: str | None, expected: float | None) -> None:
    assert number(text) == expected
