"""The last line of `lightune check` says whether training could start."""

from __future__ import annotations

from pathlib import Path

from tests.cli.running import lightune
from tests.making import sentences, write_csv


def last_line(folder: Path, rows: list[tuple[str, str]]) -> str:
    write_csv(folder / "a.csv", list(rows))
    ended = lightune("check", "a.csv", folder=folder)
    assert ended.code == 0
    return ended.out.splitlines()[-1]


def test_no_problem(tmp_path: Path) -> None:
    assert last_line(tmp_path, sentences(60)) == "no problem found"


def test_one_problem_that_training_can_stand(tmp_path: Path) -> None:
    rows = sentences(60)
    assert last_line(tmp_path, [*rows, rows[0]]) == "1 problem"


def test_what_stops_training_is_named(tmp_path: Path) -> None:
    rows = [(text, "same") for text, _ in sentences(60)]
    assert last_line(tmp_path, rows).endswith("training will not start before this is mended: one class")
