"""A chart made of characters, for a terminal."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence

WIDTH, HEIGHT = 60, 14
LEAST_X = 1e-3


def dots(points: Sequence[tuple[str, float, float]], *, x_name: str, y_name: str) -> str:
    """(name, x, y) as letters on a field, x by powers of ten, with the names below; "" for no points.

    Of points on one place the last is seen; the names below tell all of them.
    """
    if not points:
        return ""
    x_values = [math.log10(max(x, LEAST_X)) for _, x, _ in points]
    y_values = [y for _, _, y in points]
    left, right = math.floor(min(x_values)), max(math.ceil(max(x_values)), math.floor(min(x_values)) + 1)
    low, high = min(y_values), max(y_values)
    field = [[" "] * WIDTH for _ in range(HEIGHT)]
    for letter, x, y in zip(string.ascii_letters, x_values, y_values, strict=False):
        column = round((x - left) / (right - left) * (WIDTH - 1))
        row = round((high - y) / ((high - low) or 1) * (HEIGHT - 1))
        field[row][column] = letter
    lines = [y_name]
    for number, cells in enumerate(field):
        value = high - (high - low) * number / (HEIGHT - 1)
        mark = f"{value:7.3f}" if number % 3 == 0 or number == HEIGHT - 1 else " " * 7
        lines.append(f"{mark} |{''.join(cells).rstrip()}")
    axis, names = ["-"] * WIDTH, [" "] * (WIDTH + 8)
    for power in range(left, right + 1):
        column = round((power - left) / (right - left) * (WIDTH - 1))
        axis[column] = "+"
        for place, sign in enumerate(f"{10.0**power:g}"):
            names[column + place] = sign
    lines += [f"{' ' * 8}+{''.join(axis)}", f"{' ' * 9}{''.join(names).rstrip()}", f"{' ' * 9}{x_name}"]
    key = [f"{letter} {name}" for letter, (name, _, _) in zip(string.ascii_letters, points, strict=False)]
    return "\n".join([*lines, " " * 9 + "  ".join(key)])
