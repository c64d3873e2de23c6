"""A plot of what grows, as SVG: both axes logarithmic, so that linear growth is a slope of one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT, _LEFT, _TOP, _SIZE = 720, 420, 70, 20, (480, 340)
_COLOURS = ("#1f60c4", "#c4162a", "#37872d")


@dataclass(frozen=True, slots=True)
class Series:
    """Points in order of x; all values are positive."""

    name: str
    points: Sequence[tuple[float, float]]


def draw(series: Sequence[Series], unit: str) -> str:
    """The plot; ``unit`` is what x counts."""
    xs = [x for each in series for x, _ in each.points]
    ys = [y for each in series for _, y in each.points if y > 0]
    across = math.floor(math.log10(min(xs))), math.ceil(math.log10(max(xs)))
    up = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))

    def place(x: float, y: float) -> tuple[float, float]:
        right = (math.log10(x) - across[0]) / (across[1] - across[0])
        high = (math.log10(max(y, 10 ** up[0])) - up[0]) / (up[1] - up[0])
        return _LEFT + right * _SIZE[0], _TOP + (1 - high) * _SIZE[1]

    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
    ]
    for power in range(across[0], across[1] + 1):
        x, y = place(10**power, 10 ** up[0])
        parts.append(f'<path d="M{x:.0f} {_TOP}V{y:.0f}" stroke="#ddd"/>')
        label = f"{10**power:,} {unit}" if power == across[1] else f"{10**power:,}"
        parts.append(f'<text x="{x:.0f}" y="{y + 18:.0f}" text-anchor="middle">{label}</text>')
    for power in range(up[0], up[1] + 1):
        x, y = place(10 ** across[0], 10**power)
        parts.append(f'<path d="M{x:.0f} {y:.0f}h{_SIZE[0]}" stroke="#ddd"/>')
        label = f"{10.0**power:,g}"
        parts.append(f'<text x="{x - 8:.0f}" y="{y + 4:.0f}" text-anchor="end">{label}</text>')
    for each, colour in zip(series, _COLOURS, strict=False):
        places = [place(x, y) for x, y in each.points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        x, y = places[-1]
        name = escape(each.name)
        parts.append(f'<text x="{x + 10:.0f}" y="{y + 4:.0f}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])
