"""Accept headers: what a client accepts, and what it prefers."""

from collections.abc import Iterator


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip."""
    qualities = {coding: quality for quality, coding, _ in elements(accept_encoding)}
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def elements(header: str) -> Iterator[tuple[float, str, dict[str, str]]]:
    """Quality, name and parameters of each element; if ``q`` is not a number, the quality is 1."""
    for element in header.split(","):
        name, *pieces = (piece.strip() for piece in element.split(";"))
        pairs = (piece.partition("=") for piece in pieces)
        parameters = {key.strip().lower(): value.strip(' "') for key, _, value in pairs}
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 1.0
        if name:
            yield quality, name.lower(), parameters
