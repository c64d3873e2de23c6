"""The errors for answers that are not 200.

Tests whose docstring quotes a statement rest on it: the table of answers that are not 200.
"""

import json
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from exporter.docspace import errors
from exporter.docspace.credential import Credential
from exporter.docspace.status_errors import status_error
from exporter.docspace.transport import Response, number

NOW = 1_790_000_000.0
KEY = "sk-" + "0123456789abcdef" * 4
CREDENTIAL = Credential.of(KEY)


def refused(status: int, body: bytes = b"", **headers: str) -> errors.Refused:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status_error(Response(status, CaseInsensitiveDict(named), body, NOW), NOW, CREDENTIAL)


def wait(**headers: str) -> float:
    """Seconds without requests after a 429 with these headers."""
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
    assert type(error) is kind
    assert str(error).startswith(f"HTTP {status}")


# 401


@pytest.mark.parametrize("status", [502, 503])
def test_a_page_of_the_reverse_proxy_is_not_in_the_message(status: int) -> None:
    error = refused(status, b"<html><h1>Bad Gateway</h1></html>", Content_Type="text/html")
    assert (type(error), str(error)) == (errors.ServerError, f"HTTP {status}")


def test_an_empty_401_without_www_authenticate_is_the_portals() -> None:
    error = refused(401)
    assert isinstance(error, errors.Unauthorized)
    assert "disabled" in error.hint


def test_a_429_with_limit_and_remaining_only_waits_for_the_sliding_minute() -> None:
    assert wait(X_RateLimit_Limit="1500", X_RateLimit_Remaining="0") == 60.0


def test_401_names_all_its_causes() -> None:
    """Missing, wrong, disabled or expired key; its creator is removed or disabled."""
    hint = refused(401).hint
    for cause in ("missing", "wrong", "disabled", "expired", "created it was removed or disabled"):
        assert cause in hint


def test_401_with_www_authenticate_is_not_the_portals() -> None:
    """401: no `WWW-Authenticate`."""
    assert "proxy" in refused(401, www_authenticate="Basic").hint
    assert "proxy" not in refused(401).hint


# 403: the shape of its body shows the cause


PROBLEM = json.dumps({"title": "Forbidden", "status": 403}).encode()
DENIED = json.dumps({"statusCode": 403, "error": {"message": "Access denied"}}).encode()

SHAPES: dict[str, tuple[bytes, dict[str, str], str]] = {
    "nothing": (b"", {}, "scope"),
    "nothing, and says so": (b"", {"Content_Length": "0"}, "scope"),
    "only white space": (b"\r\n", {}, "scope"),
    "nothing of a body that broke off": (b"", {"Content_Length": "40"}, "unknown"),
    "plain text": (b"Not allowed", {"Content_Type": "text/plain; charset=utf-8"}, "address"),
    "plain text without its type": (b"Not allowed", {}, "address"),
    "a problem": (PROBLEM, {"Content_Type": "application/problem+json"}, "state"),
    "a problem without its type": (PROBLEM, {"Content_Type": "application/json"}, "state"),
    "a problem that broke off": (b"", {"Content_Type": "Application/Problem+JSON"}, "state"),
    "a page": (b"<html></html>", {"Content_Type": "text/html"}, "proxy"),
    "a page without its type": (b"<!DOCTYPE html>", {}, "proxy"),
    "the portal's own error": (DENIED, {"Content_Type": "application/json"}, "unknown"),
    "JSON of another kind": (b"[1]", {}, "unknown"),
    "nesting without end": (b"[" * 60_000, {}, "unknown"),
    "an image": (b"GIF89a", {"Content_Type": "image/gif"}, "unknown"),
}


@pytest.mark.parametrize(("body", "headers", "cause"), SHAPES.values(), ids=list(SHAPES))
def test_403_by_the_shape_of_its_body(body: bytes, headers: dict[str, str], cause: str) -> None:
    """Scope too narrow: empty; address not allowed: plain text; restored: problem+json."""
    error = refused(403, body, **headers)
    assert isinstance(error, errors.Forbidden)
    assert error.cause == cause


def test_403_of_a_narrow_scope_names_what_suffices() -> None:
    """Listing keys needs `*:read`, `*:write` or full access; after 3.8 a guest gets 403."""
    assert "*:read, *:write or full access" in refused(403).hint
    assert "guest" in refused(403).hint


def test_403_of_an_address_speaks_of_the_list_and_not_of_the_scope() -> None:
    """The caller's address is outside the IP allow-list; the owner's keys are exempt."""
    hint = refused(403, b"Not allowed").hint
    assert "IP allow-list" in hint
    assert "owner's keys are exempt" in hint
    assert "*:read" not in hint


def test_403_of_a_portal_that_is_worked_on_speaks_of_that_alone() -> None:
    """The portal is being restored, moved or encrypted."""
    hint = refused(403, PROBLEM).hint
    assert hint == "the portal is being restored, moved or encrypted: wait until that is done"


def test_403_of_an_unknown_shape_names_every_cause() -> None:
    hint = refused(403, DENIED).hint
    for cause in ("*:read", "guest", "IP allow-list", "restored, moved or encrypted"):
        assert cause in hint


# No such portal


def oops(message: str) -> bytes:
    return json.dumps({"statusCode": 500, "error": {"message": message}}).encode()


def test_500_without_a_tenant_is_a_portal_that_does_not_exist() -> None:
    """500 `Could not resolve current tenant :-(.`: no such portal on this cloud."""
    error = refused(500, oops("Could not resolve current tenant :-(."))
    assert type(error) is errors.NotFound
    assert str(error) == "HTTP 500: Could not resolve current tenant :-(."
    assert "no portal of this name" in error.hint


def test_hint_of_a_portal_that_does_not_exist_speaks_of_renaming() -> None:
    """A renamed portal does not redirect: its old name is a portal that does not exist."""
    hint = refused(500, oops("Could not resolve current tenant :-(.")).hint
    assert "renamed portal does not redirect" in hint


@pytest.mark.parametrize("message", ["Object reference not set", "tenant", ""])
def test_another_500_is_a_server_error(message: str) -> None:
    assert type(refused(500, oops(message))) is errors.ServerError


# Plain HTTP on a TLS port


@pytest.mark.parametrize(
    "body",
    [
        b"<html><center>The plain HTTP request was sent to HTTPS port</center></html>",
        b"Client sent an HTTP request to an HTTPS server.\n",
        b"<p>Reason: You're speaking plain HTTP to an SSL-enabled server port.<br /></p>",
    ],
    ids=["nginx", "Go", "Apache"],
)
def test_400_to_plain_http_on_a_tls_port_says_so(body: bytes) -> None:
    error = refused(400, body)
    assert type(error) is errors.UnexpectedStatus
    assert "`url` must begin with https://" in error.hint


def test_another_400_has_the_usual_hint() -> None:
    assert refused(400, b"<html>Bad Request</html>").hint == errors.UnexpectedStatus.hint


# What is shown of an answer


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
    assert str(refused(401, body)) == "HTTP 401: no such key *** (Bearer ***)"


@pytest.mark.parametrize(
    "changed",
    [KEY.upper(), f"{KEY[:30]} {KEY[30:]}", f"{KEY[:9]}\n{KEY[9:]}", KEY[:-4], KEY[3:], "SK-beef"],
    ids=["upper case", "split", "on two lines", "less its end", "less its beginning", "another"],
)
def test_changed_key_in_the_portals_words_is_masked(changed: str) -> None:
    body = json.dumps({"error": {"message": f"no such key {changed} at all"}}).encode()
    assert str(refused(401, body)) in {
        "HTTP 401: no such key *** at all",
        "HTTP 401: no such key ***",
    }


@pytest.mark.parametrize(
    ("location", "destination"),
    [
        ("https://new.example/api/2.0/keys", "https://new.example/api/2.0/keys"),
        ("https://new.example:8443/", "https://new.example:8443/"),
        ("https://user:hunter2@new.example/?key=hunter2#hunter2", "https://new.example/"),
        ("/login", "/login"),
        (f"https://new.example/{KEY}", "https://new.example/***"),
        ("", "nowhere"),
        ("https://new.example:port/", "an invalid address"),
        ("https://new.example/\x1b[31m", "nowhere"),
    ],
)
def test_redirect_names_its_destination(location: str, destination: str) -> None:
    assert str(refused(302, Location=location)) == f"HTTP 302 to {destination}"


# How long to wait after a 429


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


@pytest.mark.parametrize("reset", [str(round(NOW) + 42), "42"], ids=["Unix seconds", "left"])
def test_reset_counts_where_there_is_no_retry_after(reset: str) -> None:
    """X-RateLimit-Reset: Unix seconds, or seconds left: the documentation contradicts itself."""
    assert wait(X_RateLimit_Reset=reset) == 42


@pytest.mark.parametrize(("reset", "expected"), [("999999999", 900), ("1000000000", 1)])
def test_reset_below_a_billion_is_seconds_left(reset: str, expected: float) -> None:
    assert wait(X_RateLimit_Reset=reset) == expected


@pytest.mark.parametrize("skew", [-86400, -30, 30, 86400])
def test_moments_are_read_by_the_portals_clock(skew: float) -> None:
    """They are compared with the Date of the same answer."""
    date = format_datetime(datetime.fromtimestamp(NOW + skew, UTC), usegmt=True)
    until = format_datetime(datetime.fromtimestamp(NOW + skew + 42, UTC), usegmt=True)
    assert wait(Date=date, Retry_After=until) == 42
    assert wait(Date=date, X_RateLimit_Reset=str(round(NOW + skew) + 42)) == 42


def test_date_that_is_none_leaves_our_clock() -> None:
    assert wait(Date="yesterday", X_RateLimit_Reset=str(round(NOW) + 42)) == 42


def test_retry_after_comes_before_reset() -> None:
    assert wait(Retry_After="7", X_RateLimit_Reset=str(round(NOW) + 42)) == 7


def test_a_minute_where_the_portal_names_no_time() -> None:
    """A GET's 429 carries `X-RateLimit-Limit` and `X-RateLimit-Remaining` only."""
    assert wait(X_RateLimit_Limit="1500", X_RateLimit_Remaining="0") == 60


@given(st.text(), st.text(), st.text())
def test_wait_is_always_within_bounds(retry_after: str, reset: str, date: str) -> None:
    assert 1 <= wait(Retry_After=retry_after, X_RateLimit_Reset=reset, Date=date) <= 900


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


def test_304_is_no_redirect() -> None:
    assert refused(304).reason == "unexpected_status"
