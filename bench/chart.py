"""Line charts as SVG, without a library. Used by report.py."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 180, 44, 56  # the margins; the names of the lines are on the right
COLOURS = ("#c2255c", "#1971c2", "#2f9e44", "#868e96", "#e8590c")

Line = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """One axis; on a logarithmic one all values must be above 0."""

    title: str
    logarithmic: bool = False

    def ticks(self, low: float, high: float) -> list[float]:
        """Return round values that enclose low and high."""
        if self.logarithmic:
            return [10.0**e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
        step = 10.0 ** math.floor(math.log10(high))
        step = next(step * part for part in (0.1, 0.2, 0.5, 1.0, 2.0) if high / (step * part) <= 6)
        return [step * n for n in range(math.ceil(high / step) + 1)]

    def position(self, value: float, ticks: Sequence[float]) -> float:
        """Return the position of a value between the first tick (0) and the last (1)."""
        if self.logarithmic:
            low, high = math.log10(ticks[0]), math.log10(ticks[-1])
            return (math.log10(value) - low) / (high - low)
        return (value - ticks[0]) / (ticks[-1] - ticks[0])


def chart(title: str, x_axis: Axis, y_axis: Axis, lines: Mapping[str, Line]) -> str:
    """Return an SVG document with one line for each name."""
    xs = [x for line in lines.values() for x, _ in line]
    ys = [y for line in lines.values() for _, y in line]
    x_ticks, y_ticks = x_axis.ticks(min(xs), max(xs)), y_axis.ticks(min(ys), max(ys))

    def x_of(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * x_axis.position(value, x_ticks)

    def y_of(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y_axis.position(value, y_ticks)

    left, right, top, bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
    middle = (top + bottom) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _text(left, 24, title, size=15),
        _text((left + right) / 2, HEIGHT - 14, x_axis.title, anchor="middle"),
        f'<g transform="rotate(-90 16 {middle})">{_text(16, middle, y_axis.title, anchor="middle")}</g>',
    ]
    for tick in x_ticks:
        parts.append(_stroke([(x_of(tick), top), (x_of(tick), bottom)], "#e9ecef"))
        parts.append(_text(x_of(tick), bottom + 18, f"{tick:,.10g}", anchor="middle"))
    for tick in y_ticks:
        parts.append(_stroke([(left, y_of(tick)), (right, y_of(tick))], "#e9ecef"))
        parts.append(_text(left - 8, y_of(tick) + 4, f"{tick:,.10g}", anchor="end"))
    names = _apart({name: y_of(line[-1][1]) for name, line in lines.items()})
    for (name, line), colour in zip(lines.items(), COLOURS, strict=False):
        points = [(x_of(x), y_of(y)) for x, y in line]
        parts.append(_stroke(points, colour, width=2))
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(_text(points[-1][0] + 10, names[name] + 4, name, colour=colour))
    return "\n".join([*parts, "</svg>", ""])


def _apart(positions: Mapping[str, float], least: float = 16) -> dict[str, float]:
    """Return the positions of labels, moved down where two would overlap."""
    result: dict[str, float] = {}
    last = -math.inf
    for name, position in sorted(positions.items(), key=lambda item: item[1]):
        last = result[name] = max(position, last + least)
    return result


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, colour: str = "#343a40") -> str:
    attributes = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}"'
    return f"<text {attributes}>{escape(text)}</text>"


def _stroke(points: Line, colour: str, *, width: int = 1) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
