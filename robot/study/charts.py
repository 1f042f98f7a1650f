"""Charts as SVG, written by hand: a report made from rows alone needs no plotting library."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from robot.study.statistics import Interval

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 840, 340, 64, 270, 36, 48
ROW_HEIGHT, LABEL_WIDTH = 26, 340
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#7f7f7f")
DASHES = (  # and their signs
    ("5 4", "- -"),
    ("1.5 4", "···"),
    ("10 4", "— —"),
    ("9 4 1.5 4", "- ·"),
    ("9 4 1.5 4 1.5 4", "- ··"),
)
Point = tuple[float, float]
Span = tuple[float, float, float]  # x, and two heights


class Axes(NamedTuple):
    """What a chart is about."""

    title: str
    x: str
    y: str


def lines(
    axes: Axes,
    series: Mapping[str, Sequence[Point]],
    levels: Mapping[str, float],
    bands: Mapping[str, Sequence[Span]] | None = None,
) -> str:
    """Lines through points, and dashed horizontals.

    Args:
        axes: title and what is drawn over what, with units.
        series: points by name; NaN breaks a line.
        levels: height by name, such as what is asked.
        bands: around the series of the same name, such as an interval at each point.
    """
    points = [p for way in series.values() for p in way if math.isfinite(p[0] + p[1])]
    heights = [y for _, y in points] + [high for way in (bands or {}).values() for *_, high in way]
    heights += [y for y in levels.values() if math.isfinite(y)]
    plane = _Plane(max([x for x, _ in points] + [0.0]) or 1.0, 1.05 * max([*heights, 0.0]) or 1.0)
    parts = [*_frame(axes, plane)]
    for number, (name, way) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        parts.append(_band(plane, (bands or {}).get(name, ()), colour))
        parts += [_way(plane, way, colour), _legend(number, name, colour)]
    for number, (name, level) in enumerate(levels.items(), len(series)):
        if math.isfinite(level):
            y, (dash, sign) = plane.y(level), DASHES[(number - len(series)) % len(DASHES)]
            parts.append(
                f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#555" '
                f'stroke-dasharray="{dash}"/>'
            )
            parts.append(_legend(number, f"{sign} {name}", "#555"))
    return _document(WIDTH, HEIGHT, parts)


def scatter(axes: Axes, series: Mapping[str, Sequence[Point]]) -> str:
    """Points by name, each a small dot, their mean a large one; heights are 0 to 1.

    Args:
        axes: title and what is drawn over what, with units.
        series: at least one point for each name.
    """
    plane = _Plane(1.05 * max(x for way in series.values() for x, _ in way) or 1.0, 1.05)
    parts = [*_frame(axes, plane)]
    for number, (name, way) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        middle = tuple(sum(each) / len(way) for each in zip(*way, strict=True))
        for (x, y), radius, opacity in [*((p, 3, 0.45) for p in way), (middle, 6, 1)]:
            parts.append(
                f'<circle cx="{plane.x(x):.1f}" cy="{plane.y(y):.1f}" r="{radius}" '
                f'fill="{colour}" fill-opacity="{opacity}"/>'
            )
        parts.append(_legend(number, name, colour))
    return _document(WIDTH, HEIGHT, parts)


def dots(title: str, rows: Sequence[tuple[str, Interval]], asked: float | None = None) -> str:
    """A row per name: its value as a dot, its 95 % interval as a line; what is asked, dashed."""
    ends = [v for _, found in rows for v in found if math.isfinite(v)]
    most = 1.05 * max([*ends, asked or 0.0]) or 1.0
    least = min([*ends, 0.0]) * 1.05
    height = TOP + ROW_HEIGHT * len(rows) + BOTTOM
    right = WIDTH - 30

    def x(value: float) -> float:
        return LABEL_WIDTH + (right - LABEL_WIDTH) * (value - least) / (most - least)

    parts = [f'<text x="10" y="20" font-weight="bold">{escape(title)}</text>']
    bottom = height - BOTTOM + 6
    for tick in _ticks(least, most):
        parts.append(f'<path d="M{x(tick):.1f} {TOP}V{bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{x(tick) - 8:.1f}" y="{bottom + 16}">{tick:g}</text>')
    for number, (name, found) in enumerate(rows):
        y = TOP + ROW_HEIGHT * (number + 0.5)
        parts.append(f'<text x="10" y="{y + 4:.1f}">{escape(name)}</text>')
        if not math.isfinite(found.value):
            parts.append(f'<text x="{LABEL_WIDTH}" y="{y + 4:.1f}" fill="#777">not measured</text>')
            continue
        if math.isfinite(found.low + found.high):
            parts.append(
                f'<path d="M{x(found.low):.1f} {y:.1f}H{x(found.high):.1f}" stroke="{COLOURS[0]}" '
                'stroke-width="2"/>'
            )
        parts.append(f'<circle cx="{x(found.value):.1f}" cy="{y:.1f}" r="4" fill="{COLOURS[0]}"/>')
    if asked is not None:
        dash = 'stroke="#d62728" stroke-dasharray="5 4"'
        parts.append(f'<path d="M{x(asked):.1f} {TOP}V{bottom}" {dash}/>')
    parts.append(f'<text x="10" y="{height - 10}">{_note(asked)}</text>')
    return _document(WIDTH, height, parts)


def _note(asked: float | None) -> str:
    return "95 % intervals" + ("" if asked is None else f"; dashed: what is asked, {asked:g}")


class _Plane(NamedTuple):
    """From values to pixels; both axes begin at 0."""

    x_max: float
    y_max: float

    def x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / self.x_max

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.y_max


def _frame(axes: Axes, plane: _Plane) -> list[str]:
    parts = [f'<text x="10" y="20" font-weight="bold">{escape(axes.title)}</text>']
    for tick in _ticks(0, plane.y_max):
        y = plane.y(tick)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 40}" y="{y + 4:.1f}">{tick:g}</text>')
    below = HEIGHT - BOTTOM + 16
    parts += [
        f'<text x="{plane.x(tick) - 8:.1f}" y="{below}">{tick:g}</text>'
        for tick in _ticks(0, plane.x_max)
    ]
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 10}">{escape(axes.x)}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT + 10}" y="{TOP - 14}">{escape(axes.y)}</text>')
    return parts


def _way(plane: _Plane, way: Sequence[Point], colour: str) -> str:
    """The line of one series; a single point is a dot."""
    pieces: list[list[str]] = [[]]
    for x, y in way:
        if math.isfinite(x + y):
            pieces[-1].append(f"{plane.x(x):.1f},{plane.y(y):.1f}")
        elif pieces[-1]:
            pieces.append([])
    drawn = []
    for piece in filter(None, pieces):
        drawn.append(
            f'<polyline points="{" ".join(piece)}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        for point in piece:
            x_px, y_px = point.split(",")
            drawn.append(f'<circle cx="{x_px}" cy="{y_px}" r="2.5" fill="{colour}"/>')
    return "".join(drawn)


def _band(plane: _Plane, way: Sequence[Span], colour: str) -> str:
    if not way:
        return ""
    edge = [(x, high) for x, _, high in way] + [(x, low) for x, low, _ in reversed(way)]
    corners = " ".join(f"{plane.x(x):.1f},{plane.y(y):.1f}" for x, y in edge)
    return f'<polygon points="{corners}" fill="{colour}" fill-opacity="0.12"/>'


def _legend(number: int, name: str, colour: str) -> str:
    y = TOP + 12 + 18 * number
    return f'<text x="{WIDTH - RIGHT + 10}" y="{y}" fill="{colour}">{escape(name)}</text>'


def _ticks(least: float, most: float) -> list[float]:
    """About five round values between two."""
    span = most - least
    power = 10 ** math.floor(math.log10(span))
    step = next(s * power for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0) if span / (s * power) <= 6)
    first, last = math.ceil(least / step), math.floor(most / step)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _document(width: int, height: int, parts: Sequence[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
            "<style>text { font: 12px sans-serif }</style>",
            f'<rect width="{width}" height="{height}" fill="white"/>',
            *parts,
            "</svg>\n",
        ]
    )
