"""A scraper's headers: format, compression, time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics import exposition as openmetrics

from exporter.httpserver.accept import accepts_gzip
from exporter.metrics import catalogue
from exporter.web.negotiation import Exposition, exposition, scrape_seconds

# What Prometheus sends, version by version.
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_2_TEXT_FIRST = (
    "text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4,*/*;q=0.1"
)
# acceptHeader() in scrape/scrape.go of Prometheus 3.16 (Go module v0.316.0) with the lists of
# config/config.go: scrape_protocols by default, with native histograms, and with text first.
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,"
    "application/openmetrics-text;version=0.0.1;q=0.6,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.3"
)
PROMETHEUS_3_PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
    "q=0.7,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_OPENMETRICS_2 = (
    "application/openmetrics-text;version=2.0.0;escaping=allow-utf-8;q=0.7,"
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,*/*;q=0.5"
)
PROMETHEUS_3_TEXT = (
    "text/plain;version=1.0.0;escaping=underscores;q=0.7,text/plain;version=0.0.4;q=0.6,*/*;q=0.5"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


PLAIN = "text/plain; version=0.0.4; charset=utf-8"
TEXT = "text/plain; version=1.0.0; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_2_TEXT_FIRST, PLAIN),
        (PROMETHEUS_3, OPENMETRICS + "; escaping=allow-utf-8"),
        (PROMETHEUS_3_PROTOBUF, OPENMETRICS + "; escaping=allow-utf-8"),
        (PROMETHEUS_3_OPENMETRICS_2, OPENMETRICS + "; escaping=allow-utf-8"),
        (PROMETHEUS_3_TEXT, TEXT + "; escaping=underscores"),
        (BROWSER, PLAIN),
        ("", PLAIN),
        ("*/*", PLAIN),
        ("text/*", PLAIN),
        ("text/plain", PLAIN),
        ("text/plain; version=1.0.0", TEXT),
        ("text/plain; version=0.0.4; escaping=values", PLAIN),
        ("text/plain; version=2.0.0", PLAIN),
        ("text/plain; version=2.0.0, application/openmetrics-text", OPENMETRICS),
        ("application/json", PLAIN),
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text; escaping=values", OPENMETRICS + "; escaping=values"),
        ('APPLICATION/OpenMetrics-Text ; Version="1.0.0"', OPENMETRICS),
        ("application/openmetrics-text; version=0.0.1", PLAIN),
        ("application/openmetrics-text; version=2.0.0", PLAIN),
        ("application/openmetrics-text; q=0, */*", PLAIN),
        ("application/openmetrics-text; q=0.4, text/plain; q=0.5", PLAIN),
        ("application/openmetrics-text; q=0.5, text/plain; q=0.5", OPENMETRICS),
        ("text/plain; q=broken, application/openmetrics-text; q=0.5", PLAIN),
        (",;,=;q,", PLAIN),
    ],
)
def test_content_type(accept: str, content_type: str) -> None:
    assert exposition(accept).content_type == content_type


@pytest.mark.parametrize(
    ("content_type", "form"), [(PLAIN, "text"), (TEXT, "text"), (OPENMETRICS, "openmetrics")]
)
def test_format_is_that_of_the_content_type(content_type: str, form: str) -> None:
    assert exposition(content_type) == Exposition(form, content_type)


@pytest.mark.parametrize("asked", ["dots", "other", "", "allow-utf-8\r\nX-Other: 1"])
def test_escaping_that_cannot_be_had_is_underscores(asked: str) -> None:
    """`dots` would make docspace_up docspace__up."""
    found = exposition(f"application/openmetrics-text; version=1.0.0; escaping={asked}")
    assert found.content_type == OPENMETRICS + "; escaping=underscores"


@pytest.mark.parametrize("escaping", ["allow-utf-8", "underscores", "values"])
def test_escaping_that_is_named_leaves_our_names_as_they_are(escaping: str) -> None:
    """prometheus-client agrees, for metric names and label names."""
    rows = (*catalogue.PORTAL_ROWS, *catalogue.KEY_ROWS, *catalogue.EXPORTER_ROWS)
    names = {row.name for row in rows} | {label for row in rows for label in row.labels}
    for name in names | {"portal", "key_id", "key_name"}:
        assert openmetrics.escape_metric_name(name, escaping) == name
        assert openmetrics.escape_label_name(name, escaping) == name


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
def test_any_header_gets_a_format(header: str) -> None:
    assert exposition(header).content_type.isprintable()
    assert accepts_gzip(header) in {True, False}
