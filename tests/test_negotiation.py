"""What a scraper's headers ask for: format, compression, time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.httpserver.accept import accepts_gzip
from exporter.web.negotiation import exposition_format, scrape_seconds

# What Prometheus sends, version by version.
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_2_TEXT_FIRST = (
    "text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
    "q=0.7," + PROMETHEUS_3
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (PROMETHEUS_2, "openmetrics"),
        (PROMETHEUS_2_TEXT_FIRST, "text"),
        (PROMETHEUS_3, "openmetrics"),
        (PROMETHEUS_3_PROTOBUF, "openmetrics"),
        (BROWSER, "text"),
        ("", "text"),
        ("*/*", "text"),
        ("text/*", "text"),
        ("text/plain", "text"),
        ("application/json", "text"),
        ("application/openmetrics-text", "openmetrics"),
        ('APPLICATION/OpenMetrics-Text ; Version="1.0.0"', "openmetrics"),
        ("application/openmetrics-text; version=0.0.1", "text"),
        ("application/openmetrics-text; version=2.0.0", "text"),
        ("application/openmetrics-text; q=0, */*", "text"),
        ("application/openmetrics-text; q=0.4, text/plain; q=0.5", "text"),
        ("application/openmetrics-text; q=0.5, text/plain; q=0.5", "openmetrics"),
        ("text/plain; q=broken, application/openmetrics-text; q=0.5", "text"),
        (",;,=;q,", "text"),
    ],
)
def test_format(accept: str, form: str) -> None:
    assert exposition_format(accept) == form


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=0.5, br", True),
        ("*", True),
        ("identity, *;q=0.1", True),
        ("", False),
        ("identity", False),
        ("deflate, br, zstd", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("*;q=0, gzip", True),
        ("gzip;q=broken", True),
        ("gzip;q=nan", False),
    ],
)
def test_gzip(accept_encoding: str, accepted: bool) -> None:  # noqa: FBT001, a parameter of the test
    assert accepts_gzip(accept_encoding) is accepted


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        ("10", 9.5),
        ("10.000000", 9.5),
        (" 10 ", 9.5),
        ("1", 0.5),
        ("0.8", 0.4),
        ("86400", 120),
        ("", 120),
        ("0", 120),
        ("-5", 120),
        ("nan", 120),
        ("inf", 120),
        ("1e999", 120),
        ("soon", 120),
    ],
)
def test_time_of_a_scrape(timeout: str, seconds: float) -> None:
    assert scrape_seconds(timeout) == pytest.approx(seconds)


@given(st.text() | st.floats().map(str))
def test_any_timeout_gives_a_time_that_is_used_up_before_it(timeout: str) -> None:
    seconds = scrape_seconds(timeout)
    assert 0 <= seconds <= 120


@given(
    st.lists(
        st.sampled_from(
            [*',;=*/q"', "q=", "gzip", "application/openmetrics-text", "text/plain", "0.5"]
        )
    ).map("".join)
    | st.text()
)
def test_any_header_is_understood_somehow(header: str) -> None:
    assert exposition_format(header) in {"text", "openmetrics"}
    assert accepts_gzip(header) in {True, False}
