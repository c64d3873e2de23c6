"""What a request's headers ask for: format, time."""

import math

from exporter.httpserver.accept import elements
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
    wanted = [element for element in elements(header) if element[0] > 0]
    wanted.sort(key=lambda element: -element[0])
    return [(name, parameters) for _, name, parameters in wanted]
