"""Addresses to listen on, as Prometheus' exporters write them."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.httpserver.listen import ListenAddress

EVERY = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104, what the product listens on


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":10180", EVERY, 10180),
        ("[]:10180", EVERY, 10180),
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("10.0.0.1:65535", "10.0.0.1", 65535),
        ("localhost:80", "localhost", 80),
        ("[::1]:10180", "::1", 10180),
        ("[::]:10180", "::", 10180),
    ],
)
def test_address(text: str, host: str, port: int) -> None:
    assert ListenAddress.parse(text) == ListenAddress(host, port)


@pytest.mark.parametrize(
    "text",
    ["", "10180", ":", "localhost", "localhost:", ":65536", ":-1", ":http", "::1:80", "[::1]",
     "[::1:80", "::1]:80", ":10180 ", "http://localhost:80", ":\u0661", ":123456"],
)  # fmt: skip
def test_no_address(text: str) -> None:
    expected = r"^expected an address such as :10180, 127\.0\.0\.1:10180 or \[::1\]:10180$"
    with pytest.raises(ValueError, match=expected):
        ListenAddress.parse(text)


@pytest.mark.parametrize("text", ["127.0.0.1:0", "localhost:80", "[::1]:10180"])
def test_address_is_written_as_it_is_read(text: str) -> None:
    assert str(ListenAddress.parse(text)) == text


@given(st.text())
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = ListenAddress.parse(text)
    except ValueError:
        return
    assert 0 <= address.port <= 65535
    assert address.host
