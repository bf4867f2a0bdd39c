"""Adapters added up by peft, and several runs on one backbone in memory."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lightune
from lightune.core.errors import UserError
from lightune.run import open_run
from lightune.runs.folder import Told
from tests.cli.running import lightune as command
from tests.foreign import TEXTS
from tests.making import TinyModel, sentences, train_tiny, write_csv

PAIRS = [(text,) for text in TEXTS]


@pytest.fixture(scope="module")
def runs(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs on one backbone: two LoRA ones of one task, and others beside them."""
    place, model = tmp_path_factory.mktemp("combine"), tiny("bert", num_layers=2)
    asked: dict[str, dict[str, Any]] = {
        "a": {"seed": 0, "method": "lora"},
        "b": {"seed": 1, "method": "lora"},
        "factors": {"method": "ia3"},
        "side": {"method": "side"},
        "dora": {"method": "dora"},
        "root": {"seed": 0, "method": "rslora"},
        "root2": {"seed": 1, "method": "rslora"},
        "narrow": {"method": "lora", "groups": {"method": {"rank": 2}}},
        "wide": {"method": "lora", "groups": {"method": {"rank": 600}}},
    }
    found = {}
    for name, how in asked.items():
        (place / f"made-{name}").mkdir()
        known = {**how, "groups": {"train": {"epochs": 1}, **how.get("groups", {})}}
        found[name] = Path(
            train_tiny(place / f"made-{name}", model, output=str(place / name), **known)["output"]
        )
    return found


def deltas(folder: Path) -> dict[str, Any]:
    """Layer -> what its adapter adds to its weights."""
    model = open_run(folder, None, Told()).backbone.model
    return {
        name: module.get_delta_weight("default").detach().numpy()
        for name, module in model.named_modules()
        if hasattr(module, "get_delta_weight")
    }


@pytest.mark.parametrize("how", ["auto", "linear", "cat", "svd", "ties", "dare_ties", "dare_linear"])
def test_adapters_add_up(how: str, runs: dict[str, Path], tmp_path: Path) -> None:
    output = tmp_path / "both"
    words = ("combine", runs["a"], runs["b"], "--weights", "0.7,0.3", "--how", how)
    ended = command(*words, "--output", output, "--json")
    assert ended.code == 0, ended.err
    assert ended.json["weights"] == [0.7, 0.3]
    run = lightune.load(output)
    assert np.isfinite(run.logits(PAIRS)).all()
    if how in {"auto", "cat"}:
        one, other, made = deltas(runs["a"]), deltas(runs["b"]), deltas(output)
        assert made
        assert max(np.abs(made[n] - 0.7 * one[n] - 0.3 * other[n]).max() for n in made) < 1e-5
    data = write_csv(tmp_path / "data.csv", list(sentences(12)))
    assert command("evaluate", output, data).code == 0
    assert "0.7" in (output / "README.md").read_text(encoding="utf-8")


def test_all_of_one_is_that_one(runs: dict[str, Path], tmp_path: Path) -> None:
    """Also ia3's factors, and the averaged head."""
    for name, other in (("a", "b"), ("factors", "factors"), ("a", "narrow"), ("root", "root2")):
        output = tmp_path / f"{name}-{other}"
        ended = command("combine", runs[name], runs[other], "--weights", "1,0", "--output", output)
        assert ended.code == 0, ended.err
        one, two = lightune.load(runs[name]).logits(PAIRS), lightune.load(output).logits(PAIRS)
        assert np.abs(one - two).max() < 1e-5


def test_what_does_not_go_together_is_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    other = shutil.copytree(runs["b"], tmp_path / "other")
    state = json.loads((other / "lightune.json").read_text())
    (other / "lightune.json").write_text(json.dumps({**state, "digest": "0" * 32}))
    for words, problem in (
        ((runs["a"], other), "its backbone is not that of"),
        ((runs["a"], runs["factors"]), "its method is not that of"),
        ((runs["side"], runs["side"]), "peft cannot add up"),
        ((runs["dora"], runs["dora"]), "peft cannot add up"),
        ((runs["a"], runs["narrow"], "--how", "linear"), "cat or svd"),
        ((runs["wide"], runs["wide"]), "--how svd"),
        ((runs["a"],), "nothing to combine"),
        ((runs["a"], runs["b"], "--weights", "1"), "2 runs and 1 weights"),
        ((runs["a"], runs["b"], "--how", "tise"), "'ties'"),
    ):
        ended = command("combine", *words, "--output", tmp_path / "out")
        assert ended.code == 2, words
        assert problem in ended.err
        assert not (tmp_path / "out").exists()


def test_one_backbone_answers_for_many(runs: dict[str, Path]) -> None:
    """Each as if it were alone, whatever the method; the frozen tensors are the same memory."""
    names = ("a", "b", "side", "factors")
    many = lightune.load_many({name: runs[name] for name in names})
    for name in names:
        alone = lightune.load(runs[name])
        assert np.abs(many[name].logits(PAIRS) - alone.logits(PAIRS)).max() < 1e-5
        said = [one.label for one in many.predict(TEXTS, adapter=name)]
        assert said == [one.label for one in alone.predict(TEXTS)]
    places = [embedding_place(many[name]) for name in names]
    assert len(set(places)) == 1
    with pytest.raises(UserError, match="no run called 'sdie'"):
        many.predict(TEXTS, adapter="sdie")


def embedding_place(run: Any) -> int:
    found: int = run.backbone.base.get_input_embeddings().weight.data_ptr()
    return found


def test_rows_are_routed(runs: dict[str, Path], tmp_path: Path) -> None:
    rows = [(text, "a" if place % 3 else "side") for place, text in enumerate(TEXTS)]
    data = write_csv(tmp_path / "new.csv", rows, ("text", "who"))
    both = f"{runs['a']},{runs['side']}"
    ended = command("predict", both, data, "--route", "who", "--json")
    assert ended.code == 0, ended.err
    alone = {name: lightune.load(runs[name]).predict(TEXTS) for name in ("a", "side")}
    for place, row in enumerate(ended.json["rows"]):
        assert row["text"] == TEXTS[place]
        assert row["predicted"] == alone[row["who"]][place].label
        assert row["probability"] == pytest.approx(alone[row["who"]][place].probability, abs=1e-5)
    write_csv(tmp_path / "new.csv", [("x", "c")], ("text", "who"))
    ended = command("predict", both, data, "--route", "who", "--output", tmp_path / "out.csv")
    assert ended.code == 2
    assert "none of the runs" in ended.err and "new.csv:2" in ended.err
    ended = command("predict", both, data, "--route", "whom")
    assert ended.code == 2 and "no column 'whom'" in ended.err
