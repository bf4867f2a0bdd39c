"""Draw results/frontier.json: accuracy against whole-process seconds.

One SVG for each data set and kind of processor (-float32: without bfloat16).

Points are medians over the seeds; the bars are 95% Wilson intervals for the number of test rows.

python benchmarks/plot.py
"""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

from lightune.runs.charts import line, steps, text

RESULTS = Path(__file__).parent / "results"
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 760, 420, 60, 370, 30
STYLE = (
    "text{font:13px sans-serif;fill:#222}.faint{stroke:#ddd}.ours{stroke:#0a5}.peer{stroke:#c30}"
    "circle.ours{fill:#0a5}circle.peer{fill:#c30}.axis{stroke:#222}"
)
TICKS = (2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
PEERS = ("tfidf_lr", "frozen_lr", "peft_lora", "peft_lora_ours", "trainer_full")


def wilson(share: float, number: int) -> tuple[float, float]:
    """The 95% interval of a share of `number` rows (Wilson 1927)."""
    z = 1.96
    middle = (share + z * z / (2 * number)) / (1 + z * z / number)
    half = z / (1 + z * z / number) * math.sqrt(share * (1 - share) / number + z * z / (4 * number**2))
    return middle - half, middle + half


def picture(records: list[dict[str, Any]], data: str) -> str:
    """The SVG of one data set."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in records:
        groups.setdefault(one["entry"], []).append(one)
    points = []
    for entry, found in groups.items():
        seconds, accuracy = (statistics.median(one[key] for one in found) for key in ("seconds", "accuracy"))
        points.append((entry, seconds, accuracy, wilson(accuracy, found[0]["test_rows"])))
    low, high = min(one[3][0] for one in points), max(one[3][1] for one in points)
    first, last = math.log(min(one[1] for one in points) / 1.5), math.log(max(one[1] for one in points) * 2)

    def x_of(seconds: float) -> float:
        return LEFT + (math.log(seconds) - first) / (last - first) * (WIDTH - LEFT - 20)

    def y_of(accuracy: float) -> float:
        return BOTTOM - (accuracy - low) / (high - low) * (BOTTOM - TOP)

    parts = [f"<style>{STYLE}</style>", text(LEFT, 18, f"{data}: test accuracy by whole-process seconds")]
    for value in steps(low, high):
        parts += [line(LEFT, y_of(value), WIDTH - 20, y_of(value), "faint")]
        parts += [text(LEFT - 8, y_of(value) + 4, f"{value:.2f}", anchor="end")]
    for value in (tick for tick in TICKS if first <= math.log(tick) <= last):
        parts += [line(x_of(value), BOTTOM, x_of(value), BOTTOM + 5, "axis")]
        parts += [text(x_of(value), BOTTOM + 20, f"{value} s", anchor="middle")]
    parts.append(line(LEFT, BOTTOM, WIDTH - 20, BOTTOM, "axis"))
    for entry, seconds, accuracy, (under, over) in points:
        kind, x = ("peer" if entry in PEERS else "ours"), x_of(seconds)
        parts.append(line(x, y_of(under), x, y_of(over), kind))
        parts.append(f'<circle cx="{x:.1f}" cy="{y_of(accuracy):.1f}" r="4" class="{kind}"/>')
        parts.append(text(x + 7, y_of(accuracy) - 6, entry))
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>\n'


def main() -> None:
    """Draw every data set that has records."""
    file = RESULTS / "frontier.json"
    records = [one for one in json.loads(file.read_text(encoding="utf-8")) if "accuracy" in one]
    for data, has_bfloat16 in sorted({(one["data"], one["bfloat16"]) for one in records}):
        drawn = RESULTS / f"frontier-{data}{'' if has_bfloat16 else '-float32'}.svg"
        mine = [one for one in records if (one["data"], one["bfloat16"]) == (data, has_bfloat16)]
        drawn.write_text(picture(mine, data), encoding="utf-8")
        print(f"{drawn.name}: {len({one['entry'] for one in mine})} entries, {len(mine)} records")


if __name__ == "__main__":
    main()
