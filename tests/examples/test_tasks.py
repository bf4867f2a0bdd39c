"""Every task has an example: its data are read as that task, without a problem, and the slow ones run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from lightune import tasks
from lightune.backbones import catalog
from lightune.core import plugins
from lightune.core.progress import Show
from lightune.request import Request
from lightune.steps.inspect import inspect
from tests.cli.running import lightune
from tests.conftest import network_allowed
from tests.source import ROOT
from tests.test_readme import blocks

PAGE = "examples/README.md"
HEADING = re.compile(r"^## .*: `(\w+)`$", re.MULTILINE)
TRAINED = {
    command[command.index("--output") + 1].rpartition("-")[2]: command
    for block in blocks(PAGE)
    for command in block.commands
    if command[1] == "train" and "--output" in command
}


def test_every_task_has_an_example() -> None:
    assert set(HEADING.findall((ROOT / PAGE).read_text(encoding="utf-8"))) == set(plugins.names(tasks))
    assert set(TRAINED) == set(plugins.names(tasks))


@pytest.mark.parametrize("task", TRAINED)
def test_its_data_are_found_to_be_of_that_task_and_good(task: str) -> None:
    command = TRAINED[task]
    test = command[command.index("--test") + 1] if "--test" in command else None
    data, test = str(ROOT / command[2]), test and str(ROOT / test)
    found = inspect(Request(data=data, test=test), Show(is_quiet=True))
    assert found["task"] == task
    assert found["rows"] >= 30
    assert found["problems"] == []


@pytest.mark.slow
@pytest.mark.parametrize("task", ["translate", "instruct"])
def test_those_that_write_run(task: str, tmp_path: Path) -> None:
    """The commands that the page does not run by itself."""
    with network_allowed():
        catalog.get("smollm2", Show(is_quiet=True))
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (block,) = [one for one in blocks(PAGE) if f"runs/example-{task}" in one.body]
    for words in block.commands:
        ended = lightune(*words[1:], folder=tmp_path)
        assert ended.code == 0, ended.err
    if task == "translate":
        before = (ROOT / "examples/data/phrases.po").read_text(encoding="utf-8").splitlines()
        after = (tmp_path / "phrases-fr.po").read_text(encoding="utf-8").splitlines()
        assert [old for old, new in zip(before, after, strict=True) if old != new] == ['msgstr ""']
