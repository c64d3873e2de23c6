"""What a request's headers ask for: format, compression, time."""

import math
from collections.abc import Iterator

from exporter.metrics.exposition import Format

#: Seconds left to carry the answer back before the scraper gives up.
_MARGIN = 0.5
#: Seconds for a scrape that names no timeout, a curl for example.
_PATIENCE = 120.0


def exposition_format(accept: str) -> Format:
    """OpenMetrics where an Accept header prefers it (1.0.0 or no version named), else text."""
    for media, parameters in _by_preference(accept):
        if media == "application/openmetrics-text":
            if parameters.get("version", "1.0.0").startswith("1."):
                return "openmetrics"
        elif media in {"text/plain", "text/*", "*/*"}:
            return "text"
    return "text"


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip."""
    qualities = {coding: quality for quality, coding, _ in _elements(accept_encoding)}
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def scrape_seconds(timeout: str) -> float:
    """Seconds for a scrape, from X-Prometheus-Scrape-Timeout-Seconds less half a second."""
    try:
        seconds = float(timeout)
    except ValueError:
        return _PATIENCE
    if not (math.isfinite(seconds) and seconds > 0):
        return _PATIENCE
    return min(max(seconds - _MARGIN, seconds / 2), _PATIENCE)


def _by_preference(header: str) -> list[tuple[str, dict[str, str]]]:
    """The elements of an Accept header, the most wanted first and without those refused by q=0."""
    wanted = [element for element in _elements(header) if element[0] > 0]
    wanted.sort(key=lambda element: -element[0])
    return [(name, parameters) for _, name, parameters in wanted]


def _elements(header: str) -> Iterator[tuple[float, str, dict[str, str]]]:
    """Quality, name and parameters of each element; one with a broken q counts as wanted."""
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
