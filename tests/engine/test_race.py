"""`--method auto`: cheapest first, shared data, the validation rows decide, the budget holds."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import lightune
from lightune.api import run_train
from lightune.core.progress import Show
from lightune.engine.activations import entries
from lightune.engine.loop import train_step
from lightune.engine.plan import Cost, Sizes
from lightune.request import Request
from tests.making import TinyModel, sentences, write_csv


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LIGHTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return str(write_csv(tmp_path / "data.csv", sentences(700), ("text", "label")))


def asked(data: str, model: Path, **more: object) -> Request:
    groups = {"train": {"epochs": 1}}
    return Request(data=data, model=str(model), output="run", groups=groups, **more)


def test_all_run_and_the_winner_is_saved(
    data: str, tiny: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = run_train(asked(data, tiny("bert", num_layers=2)), Show(is_quiet=False))
    said = capsys.readouterr().err
    assert [said.index(f"race: {name},") for name in ("head", "side")] == sorted(
        said.index(f"race: {name},") for name in ("head", "side")
    )
    assert summary["method"] in ("head", "side", "lora")
    run = lightune.load("run")
    assert run.method.name == summary["method"]
    assert run.predict(["good film"])[0].label in run.labels
    assert not list(Path("run").glob("race-*")), "nothing of the race is left in the run folder"
    assert next(one["value"] for one in summary["decisions"] if one["what"] == "method") == summary["method"]
    decided = {one["what"]: one for one in summary["decisions"]}
    assert decided["head"]["value"] == summary["head"]
    assert decided["head"]["reason"] == f"what suits {summary['method']}"
    kinds = [one["what"] for one in summary["decisions"]]
    assert len(kinds) == len(set(kinds)), "only the winner's decisions are kept"


def test_a_race_that_could_not_be_saved_is_not_run_again(
    data: str, tiny: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = asked(data, tiny("bert", num_layers=2))
    steps: list[int] = []
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr("lightune.steps.keep.write_report", full)
        with pytest.raises(lightune.UserError, match="could not be saved"):
            run_train(request, Show(is_quiet=True))

    def counted(*given: Any) -> float:
        steps.append(1)
        return train_step(*given)

    monkeypatch.setattr("lightune.engine.loop.train_step", counted)
    run_train(replace(request, resume=True), Show(is_quiet=True))
    assert not steps, "every contender had come to its end"
    assert lightune.load("run").predict(["good film"])[0].label in ("pos", "neg")
    assert not list(Path("run").glob("race-*"))


def test_an_impossible_budget_is_refused_and_leaves_nothing(data: str, tiny: TinyModel) -> None:
    with pytest.raises(lightune.UserError, match=r"would take about .* more than --budget 0.01s"):
        run_train(asked(data, tiny("bert", num_layers=2), budget="0.01s"), Show(is_quiet=True))
    assert not Path("run").exists()
    assert not list(Path.cwd().glob(".run*"))


def test_contenders_to_come_do_not_cost_the_first_one_its_store(data: str, tiny: TinyModel) -> None:
    model = tiny("bert", num_layers=2)
    small = {"train": {"epochs": 1}, "cache": {"limit": "100KB"}}  # room for means, not for all tokens
    run_train(Request(data=data, model=str(model), output="run", groups=small), Show(is_quiet=True))
    assert {entry.reduction for entry in entries()} == {"mean"}


def test_few_rows_on_a_model_with_one_shared_layer(
    tmp_path: Path, tiny: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    few = str(write_csv(tmp_path / "few.csv", sentences(60), ("text", "label")))
    summary = run_train(asked(few, tiny("albert", num_layers=2)), Show(is_quiet=True))
    assert summary["method"] == "side"
    assert len(lightune.load("run").predict(["a fine film"])) == 1


def test_few_rows_and_method_settings_do_not_race(tmp_path: Path, tiny: TinyModel, data: str) -> None:
    few = str(write_csv(tmp_path / "few.csv", sentences(60), ("text", "label")))
    model = tiny("bert", num_layers=2)
    assert run_train(asked(few, model), Show(is_quiet=True))["method"] == "side"
    settled = Request(
        data=data,
        model=str(model),
        output="settled",
        groups={"train": {"epochs": 1}, "method": {"rank": 2}},
    )
    assert run_train(settled, Show(is_quiet=True))["method"] == "lora"


def foresee(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Every plan says so many seconds for each epoch, and nothing else."""
    monkeypatch.setattr(
        "lightune.engine.plan.predict_cost",
        lambda known, sizes, **named: Cost(seconds * sizes.epochs, 10**6, 1, 0),
    )


def test_a_budget_too_short_for_an_epoch_gets_a_part_of_one(
    data: str, tiny: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan is made to say a second for each epoch; what trains then is seen in the run."""
    foresee(monkeypatch, 1.0)

    def train(budget: str, **train: object) -> tuple[list[float], dict[str, Any]]:
        """The epochs that were trained, and what was decided."""
        request = Request(
            data=data,
            model=str(tiny("bert", num_layers=2)),
            method="lora",
            output=f"run-{budget}-{len(train)}",
            budget=budget,
            groups={"train": train},
        )
        summary = run_train(request, Show(is_quiet=True))
        return [one["epoch"] for one in summary["epochs"]], {one["what"]: one for one in summary["decisions"]}

    assert "epochs" not in train("60s")[1]
    done, decided = train("0.6s")
    assert done == [0.5]
    assert decided["epochs"]["value"] == "0.5"
    assert decided["epochs"]["reason"].endswith(" would not fit --budget 0.6s")
    assert train("2s")[0] == [1, 2]
    with pytest.raises(lightune.UserError, match=r"more than --budget 0\.2s"):
        train("0.2s")
    with pytest.raises(lightune.UserError, match=r"more than --budget 2s"):
        train("2s", epochs=5)


def test_a_run_taken_up_keeps_the_epochs_of_its_start(
    data: str, tiny: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in its second step; the machine is slower then, and a new run would be refused."""
    monkeypatch.setattr("lightune.engine.loop.CHECKPOINT_SECONDS", -1.0)
    model, done = str(tiny("bert", num_layers=2)), []

    def train(seconds: float, **more: Any) -> dict[str, Any]:
        foresee(monkeypatch, seconds)
        request = Request(data=data, model=model, method="lora", output="run", budget="0.8s", **more)
        return run_train(request, Show(is_quiet=True))

    def step(*given: Any) -> float:
        done.append(1)
        if len(done) == 3:
            raise KeyboardInterrupt
        return train_step(*given)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("lightune.engine.loop.train_step", step)
        train(1.0)
    with pytest.raises(lightune.UserError, match=r"more than --budget 0\.8s"):
        train(10.0)
    summary = train(10.0, resume=True)
    assert [one["epoch"] for one in summary["epochs"]] == [0.75]


def test_each_of_several_trainings_validates_its_part_of_an_epoch(
    data: str, tiny: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Sizes] = []

    def look(known: Any, sizes: Sizes, **named: Any) -> Cost:
        seen.append(sizes)
        return Cost(1.0, 10**6, 1, 0)

    monkeypatch.setattr("lightune.engine.plan.predict_cost", look)
    model = str(tiny("bert", num_layers=2))
    for epochs, folds, expected in ((0.5, 2, (1.5, 3)), (1.5, 2, (4.5, 6)), (0.5, 0, (0.5, 1))):
        groups = {"train": {"epochs": epochs}}
        lightune.plan(data, model=model, method="lora", folds=folds, groups=groups)
        assert (seen[-1].epochs, seen[-1].validations) == expected
