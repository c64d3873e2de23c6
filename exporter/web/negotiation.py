"""The format and the time that a request's headers ask for."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from exporter.httpserver.accept import elements
from exporter.metrics.exposition import Format

#: Seconds for the way of the answer before the scraper gives up.
_MARGIN = 0.5
#: Seconds for a scrape without a timeout, for example by curl.
_PATIENCE = 120.0

#: Escaping schemes for names with characters other than letters, digits, `_` and `:`. They do not
#: change the exporter's names. `dots` would: it doubles each `_` (prometheus/common, EscapeName).
_ESCAPINGS = frozenset({"allow-utf-8", "underscores", "values"})


@dataclass(frozen=True, slots=True)
class Exposition:
    """The format of an answer, and its Content-Type."""

    format: Format
    content_type: str


_PLAIN = Exposition("text", "text/plain; version=0.0.4; charset=utf-8")


def exposition(accept: str) -> Exposition:
    """What an Accept header prefers: OpenMetrics 1.0.0, text 1.0.0 or, by default, text 0.0.4.

    Both versions of text have the same bytes here: they differ only for names with other
    characters.
    """
    for media, parameters in _by_preference(accept):
        version = parameters.get("version")
        if media == "application/openmetrics-text" and version in {None, "1.0.0"}:
            return _newer("openmetrics", media, parameters)
        if media == "text/plain" and version == "1.0.0":
            return _newer("text", media, parameters)
        if media in {"text/plain", "text/*", "*/*"} and version in {None, "0.0.4"}:
            return _PLAIN
    return _PLAIN


def _newer(form: Format, media: str, parameters: Mapping[str, str]) -> Exposition:
    """Version 1.0.0 of a format, with an escaping scheme if the request names one.

    For an unknown scheme it is `underscores`, as in Prometheus' client libraries.
    """
    content_type = f"{media}; version=1.0.0; charset=utf-8"
    asked = parameters.get("escaping")
    if asked is not None:
        content_type += f"; escaping={asked if asked in _ESCAPINGS else 'underscores'}"
    return Exposition(form, content_type)


def scrape_seconds(timeout: str) -> float:
    """Seconds for a scrape: X-Prometheus-Scrape-Timeout-Seconds less half a second."""
    try:
        seconds = float(timeout)
    except ValueError:
        return _PATIENCE
    if not (math.isfinite(seconds) and seconds > 0):
        return _PATIENCE
    return min(max(seconds - _MARGIN, seconds / 2), _PATIENCE)


def _by_preference(header: str) -> list[tuple[str, dict[str, str]]]:
    """The elements of an Accept header, the preferred first, without those with q=0."""
    wanted = [element for element in elements(header) if element[0] > 0]
    wanted.sort(key=lambda element: -element[0])
    return [(name, parameters) for _, name, parameters in wanted]
