"""Charts as inline SVG and HTML text: no script, no library; colours come from the page's style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WIDTH = 680
MAX_POINTS = 400
Point = tuple[float, float]


@dataclass(frozen=True)
class BarRow:
    """One bar: its name, its value, its 95% interval where known, and whether it is the one that matters."""

    name: str
    value: float
    interval: tuple[float, float] | None = None
    is_main: bool = False


@dataclass(frozen=True)
class Series:
    """One line of a line chart; `style` is the class that gives it a colour (line-a, line-b, line-faint)."""

    name: str
    points: Sequence[Point]
    style: str = "line-a"
    has_dots: bool = False


def svg(height: float, body: str, title: str) -> str:
    """An SVG picture `WIDTH` wide that shrinks with the page and says `title` to a screen reader."""
    words = escape(title, quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{words}">{body}</svg>'


def text(x: float, y: float, words: str, style: str = "", anchor: str = "start") -> str:
    """Escaped words at a point."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    """A straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>'


def number(value: float) -> str:
    """A number as short as it can be read: 0.842, 12.5, 1,234."""
    if not math.isfinite(value):
        return "-"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.3f}" if size >= 0.001 or value == 0 else f"{value:.1e}"


def shorten(words: str, limit: int) -> str:
    """`words` in at most `limit` characters."""
    return words if len(words) <= limit else words[: limit - 1] + "…"


def steps(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that divide low..high into about `count` parts."""
    spread = high - low if high > low else 1.0
    size = 10 ** math.floor(math.log10(spread / count))
    size *= next(factor for factor in (1, 2, 5, 10) if spread / (size * factor) <= count)
    first, last = math.ceil(low / size - 1e-9), math.floor(high / size + 1e-9)
    return [step * size for step in range(first, last + 1)]


def bars(rows: Sequence[BarRow], title: str) -> str:
    """Horizontal bars on a scale from 0 (lower when a value is negative) to 1 or above."""
    ends = [end for row in rows for end in (row.value, *(row.interval or ()))]
    low, high = min(0.0, *ends), max(1.0, *ends)
    left, right, row_height = 180, WIDTH - 185, 34

    def place(value: float) -> float:
        return float(left + (value - low) / (high - low) * (right - left))

    bottom = row_height * len(rows) + 4
    parts = []
    for tick in steps(low, high):
        parts.append(line(place(tick), 0, place(tick), bottom, "grid"))
        parts.append(text(place(tick), bottom + 16, f"{tick:g}", "small", "middle"))
    for position, row in enumerate(rows):
        middle = position * row_height + row_height / 2 + 2
        start, end = sorted((place(0), place(row.value)))
        style = "bar-main" if row.is_main else "bar"
        name_style = "strong" if row.is_main else ""
        parts.append(text(left - 10, middle + 5, shorten(row.name, 22), name_style, "end"))
        parts.append(
            f'<rect x="{start:.1f}" y="{middle - 10:.1f}" width="{max(end - start, 1):.1f}" height="20" '
            f'rx="3" class="{style}"/>'
        )
        words = number(row.value)
        if row.interval:
            from_x, to_x = place(row.interval[0]), place(row.interval[1])
            parts.append(line(from_x, middle, to_x, middle, "whisker"))
            parts += [line(x, middle - 5, x, middle + 5, "whisker") for x in (from_x, to_x)]
            words += f"  ({number(row.interval[0])} to {number(row.interval[1])})"
        parts.append(text(right + 8, middle + 5, words, f"small {name_style}"))
    return svg(bottom + 22, "".join(parts), title)


def thin_out(points: Sequence[Point], most: int = MAX_POINTS) -> list[Point]:
    """At most `most` points: neighbours are averaged."""
    if len(points) <= most:
        return list(points)
    edges = [round(part * len(points) / most) for part in range(most + 1)]
    groups = [points[start:end] for start, end in pairwise(edges)]
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups
    ]


@dataclass(frozen=True)
class Frame:
    """The axes of a chart: which numbers lie where."""

    x_range: Point
    y_range: Point
    height: float = 260
    right: float = WIDTH - 20
    left: float = 56
    top: float = 10

    @property
    def bottom(self) -> float:
        """Where the x axis lies."""
        return self.height - 44

    def at(self, point: Point) -> Point:
        """The place of `point` in the picture."""
        (x_low, x_high), (y_low, y_high) = self.x_range, self.y_range
        x = self.left + (point[0] - x_low) / ((x_high - x_low) or 1) * (self.right - self.left)
        y = self.bottom - (point[1] - y_low) / ((y_high - y_low) or 1) * (self.bottom - self.top)
        return x, y

    def axes(self, x_name: str, y_name: str, *, x_ticks: Sequence[tuple[float, str]] | None = None) -> str:
        """Grid lines with their numbers, and the names of the axes; `x_ticks`: (where, what it is called)."""
        parts = []
        for tick in steps(*self.y_range):
            y = self.at((self.x_range[0], tick))[1]
            parts.append(line(self.left, y, self.right, y, "grid"))
            parts.append(text(self.left - 6, y + 4, f"{tick:g}", "small", "end"))
        for tick, words in x_ticks or [(tick, f"{tick:g}") for tick in steps(*self.x_range)]:
            x = self.at((tick, self.y_range[0]))[0]
            parts.append(line(x, self.bottom, x, self.bottom + 4, "grid"))
            parts.append(text(x, self.bottom + 17, words, "small", "middle"))
        parts.append(text((self.left + self.right) / 2, self.height - 8, x_name, "small", "middle"))
        middle = (self.top + self.bottom) / 2
        parts.append(
            f'<text x="14" y="{middle:.0f}" class="small" text-anchor="middle" '
            f'transform="rotate(-90 14 {middle:.0f})">{escape(y_name)}</text>'
        )
        return "".join(parts)


def span(values: Sequence[float], *, with_zero: bool = False) -> Point:
    """The range that holds the finite values, with a little room."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    return (min(0.0, low) if with_zero else low - room), high + room


def lines(series: Sequence[Series], x_name: str, y_name: str, title: str, *, with_zero: bool = True) -> str:
    """Lines over one x axis; the caller names them in `key`. Values that are not finite are left out."""
    kept = [[p for p in one.points if math.isfinite(p[0]) and math.isfinite(p[1])] for one in series]
    everything = [point for points in kept for point in points]
    x_values = [x for x, _ in everything] or [0.0]
    x_range = (
        (min(x_values), max(x_values))
        if min(x_values) < max(x_values)
        else (x_values[0] - 0.5, x_values[0] + 0.5)
    )
    frame = Frame(x_range, span([y for _, y in everything], with_zero=with_zero))
    parts = [frame.axes(x_name, y_name)]
    for one, points in zip(series, kept, strict=True):
        places = [frame.at(point) for point in thin_out(points)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" class="line {one.style}"/>')
        if one.has_dots:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" class="dot {one.style}"/>' for x, y in places]
    return svg(frame.height, "".join(parts), title)


def key(series: Sequence[Series]) -> str:
    """What the colours of `lines` mean, as one HTML line."""
    marks = (f'<span><i class="swatch {one.style}"></i>{escape(one.name)}</span>' for one in series)
    return f'<p class="key">{"".join(marks)}</p>'


def scatter(points: Sequence[Point], x_name: str, y_name: str, title: str) -> str:
    """Dots, with the line where both numbers are equal."""
    kept = [p for p in points if math.isfinite(p[0]) and math.isfinite(p[1])]
    both = span([value for point in kept for value in point])
    frame = Frame(both, both, height=420, right=430)
    ideal = line(*frame.at((both[0], both[0])), *frame.at((both[1], both[1])), "ideal")
    every = max(1, math.ceil(len(kept) / 2000))
    places = [frame.at(point) for point in kept[::every]]
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="point"/>' for x, y in places)
    return svg(frame.height, frame.axes(x_name, y_name) + ideal + dots, title)


def reliability_chart(rows: Sequence[tuple[float, float, float, float, int]], title: str) -> str:
    """Share right against probability; a dot's area follows its rows; the line is a perfect match.

    Args:
        rows: (low, high, mean probability, share right, number of rows).
    """
    frame = Frame((0, 1), (0, 1), height=360, right=380)
    parts = [frame.axes("what the model says: probability", "what happens: share right")]
    parts.append(line(*frame.at((0, 0)), *frame.at((1, 1)), "ideal"))
    most = max((row[4] for row in rows), default=1)
    path = " ".join("{:.1f},{:.1f}".format(*frame.at((row[2], row[3]))) for row in rows)
    parts.append(f'<polyline points="{path}" class="line line-a"/>')
    for row in rows:
        x, y = frame.at((row[2], row[3]))
        radius = 3 + 6 * math.sqrt(row[4] / most)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" class="dot line-a"/>')
    return svg(frame.height, "".join(parts), title)


def heat_map(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """A table of gold rows and predicted columns; darker is a larger share of the gold row."""
    head = "".join(f'<th scope="col">{escape(shorten(name, 16))}</th>' for name in labels)
    body = []
    for row, (name, cells) in enumerate(zip(labels, counts, strict=True)):
        total = sum(cells) or 1
        marks = []
        for column, count in enumerate(cells):
            strength = round(85 * count / total)
            style = "hit" if row == column else "miss"
            dark = " dark" if strength > 45 else ""
            marks.append(f'<td class="{style}{dark}" style="--share:{strength}%">{count:,}</td>')
        body.append(f'<tr><th scope="row">{escape(shorten(name, 24))}</th>{"".join(marks)}</tr>')
    return (
        f'<div class="wide"><table class="heat"><tr><td class="corner">gold ↓ predicted →</td>{head}</tr>'
        f"{''.join(body)}</table></div>"
    )
