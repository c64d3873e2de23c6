"""How CPU and memory grow with the keys, as an SVG on logarithmic axes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT = 720, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 170, 20, 50
_KEYS = (10, 100_000)
_VALUES = (0.1, 10_000)


@dataclass(frozen=True)
class Point:
    """Scrapes of a portal: CPU milliseconds of the first and of later ones, and resident MiB."""

    keys: int
    first: float
    later: float
    resident: float


def draw(points: Sequence[Point]) -> str:
    """The drawing; its text has the colour of the page it is on, or grey."""
    lines = [
        ("#b45309", "first scrape, CPU ms", [point.first for point in points]),
        ("#2563eb", "later scrapes, CPU ms", [point.later for point in points]),
        ("#15803d", "resident memory, MiB", [point.resident for point in points]),
    ]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        '<g font-family="sans-serif" font-size="12" fill="#6b7280">',
        "<title>CPU and memory by number of keys</title>",
        *_axes(),
    ]
    for colour, name, values in lines:
        places = [(_x(point.keys), _y(value)) for point, value in zip(points, values, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        x, y = places[-1]
        parts.append(f'<text x="{x + 8:.1f}" y="{y + 4:.1f}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</g></svg>"]) + "\n"


def _axes() -> Iterator[str]:
    grid = 'stroke="#9ca3af" stroke-opacity="0.4"'
    for keys in _decades(*_KEYS):
        x = _x(keys)
        yield f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{_HEIGHT - _BOTTOM}" {grid}/>'
        text = f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">'
        yield f"{text}{keys:,.0f}</text>"
    for value in _decades(*_VALUES):
        y = _y(value)
        yield f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" {grid}/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:,g}</text>'
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    yield f'<text x="{middle:.1f}" y="{_HEIGHT - 10}" text-anchor="middle">keys</text>'


def _decades(first: float, last: float) -> list[float]:
    return [10.0**power for power in range(round(math.log10(first)), round(math.log10(last)) + 1)]


def _x(keys: float) -> float:
    return _LEFT + _part(keys, *_KEYS) * (_WIDTH - _LEFT - _RIGHT)


def _y(value: float) -> float:
    return _HEIGHT - _BOTTOM - _part(max(value, _VALUES[0]), *_VALUES) * (_HEIGHT - _TOP - _BOTTOM)


def _part(value: float, least: float, most: float) -> float:
    return math.log(value / least) / math.log(most / least)
