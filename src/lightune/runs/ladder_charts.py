"""The ladder's pictures: quality against cost, and quality against the number of labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lightune.runs.charts import WIDTH, Frame, Point, line, span, svg, text

LEAST_SECONDS = 1e-3
LINE_HEIGHT, LETTER_WIDTH = 16.0, 7.2  # of a name in the picture


@dataclass(frozen=True)
class Dot:
    """One rung: its name, its cost in seconds, its quality with the interval, and whether it is advised."""

    name: str
    seconds: float
    value: float
    interval: Point | None = None
    is_main: bool = False


@dataclass(frozen=True)
class Curve:
    """One rung's quality at several numbers of labels."""

    name: str
    points: Sequence[Point]
    is_main: bool = False


Box = tuple[float, float, float, float]


def cost_chart(dots: Sequence[Dot], quality: str) -> str:
    """Quality over the seconds of training, by powers of ten; whiskers are 95% intervals."""
    powers = [math.log10(max(dot.seconds, LEAST_SECONDS)) for dot in dots]
    left, right = math.floor(min(powers)), max(math.ceil(max(powers)), math.floor(min(powers)) + 1)
    ends = [end for dot in dots for end in (dot.value, *(dot.interval or ()))]
    frame = Frame((left, right), span(ends), height=400, right=WIDTH - 90)
    ticks = [(float(power), f"{10.0**power:g}") for power in range(left, right + 1)]
    parts = [frame.axes("seconds to train, by powers of ten", quality, x_ticks=ticks)]
    places = [frame.at((power, dot.value)) for power, dot in zip(powers, dots, strict=True)]
    taken: list[Box] = [(x - 7, y - 7, x + 7, y + 7) for x, y in places]
    for (x, y), power, dot in zip(places, powers, dots, strict=True):
        if dot.interval:
            low, high = (frame.at((power, end))[1] for end in dot.interval)
            ends_of = [(x, low, x, high), *((x - 4, end, x + 4, end) for end in (low, high))]
            parts += [line(*place, "line line-faint") for place in ends_of]
        style = "bar-main" if dot.is_main else "bar"
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" class="{style}"/>')
        parts.append(_name(x, y, dot, taken))
    return svg(frame.height, "".join(parts), f"{quality} against seconds to train")


def _name(x: float, y: float, dot: Dot, taken: list[Box]) -> str:
    """The name beside its dot, at the first place where it covers nothing."""
    width, half = LETTER_WIDTH * len(dot.name) * (1.1 if dot.is_main else 1), LINE_HEIGHT / 2
    options = [(x + 11, y, "start"), (x - 11, y, "end")]
    for step in (1, 2, 3):
        options += [(x + 11, y - step * LINE_HEIGHT, "start"), (x + 11, y + step * LINE_HEIGHT, "start")]
        options += [(x - 11, y - step * LINE_HEIGHT, "end"), (x - 11, y + step * LINE_HEIGHT, "end")]
    chosen, box = options[0], _box(options[0], width, half)
    for option in options:
        tried = _box(option, width, half)
        is_inside = tried[0] > 50 and tried[2] < WIDTH - 4 and tried[1] > 0
        if is_inside and not any(_overlap(tried, other) for other in taken):
            chosen, box = option, tried
            break
    taken.append(box)
    return text(chosen[0], chosen[1] + 5, dot.name, "strong" if dot.is_main else "", chosen[2])


def _box(place: tuple[float, float, str], width: float, half: float) -> Box:
    x, y, anchor = place
    start = x if anchor == "start" else x - width
    return (start, y - half, start + width, y + half)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def curve_chart(curves: Sequence[Curve], quality: str) -> str:
    """Quality over the number of labels, by powers of ten; the names stand at the right ends."""
    kept = [curve for curve in curves if curve.points]
    counts = sorted({size for curve in kept for size, _ in curve.points})
    x_range = (math.log10(counts[0]), math.log10(max(counts[-1], counts[0] + 1)))
    frame = Frame(
        x_range, span([y for curve in kept for _, y in curve.points]), height=380, right=WIDTH - 130
    )
    ticks = [(math.log10(count), f"{count:,.0f}") for count in counts]
    parts = [frame.axes("labels to learn from", quality, x_ticks=ticks)]
    ends = []
    for number, curve in enumerate(kept):
        colour = f"hsl({360 * number / len(kept):.0f} 65% 48%)"
        places = [frame.at((math.log10(size), y)) for size, y in curve.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        width = 3.5 if curve.is_main else 1.8
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        ends.append((places[-1][1], curve.name, colour))
    for (_, name, colour), y in zip(sorted(ends), _spread([end[0] for end in sorted(ends)]), strict=True):
        parts.append(
            f'<text x="{frame.right + 10:.1f}" y="{y + 4:.1f}" style="fill:{colour}">{escape(name)}</text>'
        )
    return svg(frame.height, "".join(parts), f"{quality} by number of labels")


def _spread(places: Sequence[float]) -> list[float]:
    """The same heights, in order, moved apart so far that names do not cover each other."""
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + LINE_HEIGHT - 2) if found else place)
    return found
