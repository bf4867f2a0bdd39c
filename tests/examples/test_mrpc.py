"""The beginner's example runs offline, learns its small file, and its data is what lightune reads."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.source import ROOT

DATA = ROOT / "examples" / "data" / "mrpc"


def test_example_trains_ten_epochs(tiny: Callable[..., Path]) -> None:
    program = [sys.executable, str(ROOT / "examples" / "mrpc.py"), str(tiny("bert", num_layers=2))]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}  # so small a network only loses by sharing work
    done = subprocess.run(program, capture_output=True, text=True, check=False, env=one_thread)
    assert done.returncode == 0, done.stderr
    losses = [float(loss) for loss in re.findall(r": loss ([\d.]+), accuracy [\d.]+", done.stdout)]
    assert len(losses) == 10
    assert losses[-1] < losses[0] - 0.05


def test_data_is_in_the_official_format_and_balanced() -> None:
    pairs = set()
    for name, num_rows in (("train.tsv", 60), ("dev.tsv", 20)):
        with (DATA / name).open(encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
        assert list(rows[0]) == ["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"]
        assert len(rows) == num_rows
        assert 0.4 <= sum(row["Quality"] == "1" for row in rows) / num_rows <= 0.6
        pairs |= {(row["#1 String"], row["#2 String"]) for row in rows}
    assert len(pairs) == 80, "no pair stands in both parts"


def test_lightune_finds_nothing_wrong_with_it() -> None:
    from lightune.api import check

    found = check(DATA)
    assert [problem for problem in found["problems"] if problem["kind"] != "few_rows"] == []
    assert found["rows"] >= 60
