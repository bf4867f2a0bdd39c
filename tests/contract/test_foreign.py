"""Adapters of plain peft: they open here with peft's logits, go on training, and say what is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lightune
from lightune.core.errors import UserError
from lightune.methods import peft as family
from tests.cli.running import lightune as command
from tests.foreign import TEXTS, differences, make_foreign
from tests.making import TinyModel, sentences, train_tiny, write_csv

QUICK = ("lora", "ia3", "prefix_tuning", "prompt_tuning")
SPARSE = {"frod", "shira"}  # peft cannot save them
ELSEWHERE = {"cpt", "adaption_prompt", "trainable_tokens"}  # for language models, or without a head
EVERY = sorted(
    {*family.variants(), *family.READABLE, "lora"} - SPARSE - ELSEWHERE - {"rslora", "pissa", "olora"}
)
ALL = [pytest.param(one, marks=[] if one in QUICK else [pytest.mark.slow]) for one in EVERY]
NAMES = {0: "bad", 1: "fair", 2: "good"}


@pytest.mark.parametrize("name", ALL)
def test_a_classifier_gives_pefts_logits(name: str, tiny: TinyModel, tmp_path: Path) -> None:
    made = make_foreign(tmp_path / "adapter", tiny("bert", num_layers=2), name)
    run = lightune.load(made.folder)
    assert run.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    found = np.concatenate([run.logits([(text,)]) for text in TEXTS])  # lily mixes by all tokens of a batch
    assert differences(list(found), made.logits) < 1e-5
    assert np.ptp(found[:, 0]) > 1e-3


@pytest.mark.parametrize("name", ["lora", "prompt_tuning"])
def test_a_tagger_gives_pefts_logits(name: str, tiny: TinyModel, tmp_path: Path) -> None:
    """At the first token of every word; labels in an order of their own."""
    names = {0: "B-PER", 1: "I-PER", 2: "O"}
    made = make_foreign(
        tmp_path / "adapter", tiny("bert", num_layers=2), name, task_type="TOKEN_CLS", id2label=names
    )
    run = lightune.load(made.folder, labels=names.values())
    examples = run._examples([(text,) for text in TEXTS])
    tokens = run.task.encode(run.backbone.tokenizer, examples, run_limits(run)).tokens
    assert tokens.units is not None
    firsts = [tokens.units[a:b] >= 0 for a, b in zip(tokens.offsets, tokens.offsets[1:], strict=False)]
    expected = [one[first] for one, first in zip(made.logits, firsts, strict=True)]
    assert differences(list(run.outputs(examples)), expected) < 1e-5
    for spans in (one.label for one in run.predict(TEXTS)):
        assert {span["type"] for span in spans} <= {"PER"}


def run_limits(run: Any) -> Any:
    from lightune.backbones.encode import Limits

    return Limits(**run.state.limits)


@pytest.mark.parametrize("name", ["lora", "prompt_tuning", "prefix_tuning"])
def test_a_writer_gives_pefts_logits(name: str, tiny: TinyModel, tmp_path: Path) -> None:
    import torch

    made = make_foreign(
        tmp_path / "adapter", tiny("llama", num_layers=2), name, kind="llama", task_type="CAUSAL_LM"
    )
    run = lightune.load(made.folder)
    assert run.task.name == "instruct"
    tokenizer = run.backbone.tokenizer
    from lightune.core.tokens import Tokens

    found = []
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        tokens = Tokens.from_lists([ids], None, [1])
        batch = tokens.batch(np.arange(1), pad_id=run.backbone.pad_id, device="cpu")
        with torch.no_grad():
            found.append(run.method.forward(run.backbone, batch)[0].numpy())
    assert differences(found, made.logits) < 1e-5
    assert len(run.generate(TEXTS[:2])) == 2


def test_label_names_of_the_base_and_of_the_person(tiny: TinyModel, tmp_path: Path) -> None:
    model = shutil.copytree(tiny("bert", num_layers=2, num_labels=3), tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    config |= {"id2label": NAMES, "label2id": {name: number for number, name in NAMES.items()}}
    (model / "config.json").write_text(json.dumps(config))
    made = make_foreign(tmp_path / "adapter", model, "lora")
    assert lightune.load(made.folder).labels == ("bad", "fair", "good")
    assert lightune.load(made.folder, labels=["x", "y", "z"]).labels == ("x", "y", "z")
    with pytest.raises(UserError, match="3 outputs"):
        lightune.load(made.folder, labels=["x", "y"])


def test_without_a_head_of_its_own(tiny: TinyModel, tmp_path: Path) -> None:
    """The base's trained head is used; where there is none, or no task, nothing is made up."""
    made = make_foreign(tmp_path / "one", tiny("bert", num_layers=2, num_labels=3), "lora")
    strip_head(made.folder)
    mapped = {"base_model_class": "BertForSequenceClassification", "parent_library": "transformers"}
    write_config(made.folder, task_type=None, auto_mapping=mapped)  # as peft writes it without a task
    assert len(lightune.load(made.folder).labels) == 3
    headless = make_foreign(tmp_path / "two", tiny("bert", num_layers=2), "lora").folder
    strip_head(headless)
    with pytest.raises(UserError, match="holds a trained head") as caught:
        lightune.load(headless)
    assert "modules_to_save" in str(caught.value.hint)
    write_config(headless, task_type=None)
    with pytest.raises(UserError, match="does not say what it predicts"):
        lightune.load(headless)


def strip_head(folder: Path) -> None:
    """What peft writes where the head is not among the modules to save."""
    from safetensors.torch import load_file, save_file

    file = folder / "adapter_model.safetensors"
    save_file({name: one for name, one in load_file(file).items() if "lora" in name}, file)
    write_config(folder, modules_to_save=None)


def write_config(folder: Path, **changed: Any) -> None:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))


def test_broken_and_pickled_files_are_refused(adapter: Path) -> None:
    file = adapter / "adapter_model.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="weight file is broken"):
        lightune.load(adapter)
    file.rename(adapter / "adapter_model.bin")
    with pytest.raises(UserError, match="pickled weights are not opened"):
        lightune.load(adapter)
    (adapter / "adapter_config.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        lightune.load(adapter)


@pytest.fixture
def adapter(tiny: TinyModel, tmp_path: Path) -> Path:
    """A classifier of two classes."""
    return make_foreign(tmp_path / "adapter", tiny("bert", num_layers=2), "lora", num_labels=2).folder


def test_the_commands_take_it(adapter: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "new.csv", list(sentences(12)), ("review", "label"))
    ended = command("predict", adapter, "new.csv", "--text", "review", "--json", folder=tmp_path)
    assert ended.code == 0, ended.err
    assert {row["predicted"] for row in ended.json["rows"]} <= {"LABEL_0", "LABEL_1"}
    ended = command("predict", adapter, "new.csv", folder=tmp_path)
    assert ended.code == 2
    assert "--text COLUMN" in ended.err
    words = ("evaluate", adapter, "new.csv", "--text", "review", "--labels", "neg,pos", "--json")
    ended = command(*words, folder=tmp_path)
    assert ended.code == 0, ended.err
    assert 0 <= ended.json["metrics"]["accuracy"]["value"] <= 1


def test_a_base_that_is_gone_can_be_named(tiny: TinyModel, adapter: Path, tmp_path: Path) -> None:
    write_config(adapter, base_model_name_or_path="./nowhere")
    with pytest.raises(UserError, match="cannot be opened") as caught:
        lightune.load(adapter)
    assert "--model" in str(caught.value.hint)
    assert lightune.load(adapter, model=str(tiny("bert", num_layers=2))).labels == ("LABEL_0", "LABEL_1")
    with pytest.raises(UserError, match="does not fit the model"):
        lightune.load(adapter, model=str(tiny("bert", num_layers=1)))


@pytest.mark.parametrize("name", ["lora", "prefix_tuning"])
def test_it_goes_on_training(name: str, tiny: TinyModel, tmp_path: Path) -> None:
    """The settings stay, the weights move, the result opens here and in plain peft alike."""
    made = make_foreign(tmp_path / "adapter", tiny("bert", num_layers=2), name, num_labels=2)
    data = write_csv(tmp_path / "data.csv", list(sentences(48)))
    asked = {"data": str(data), "start": str(made.folder), "labels": ("neg", "pos")}
    summary = train_tiny(tmp_path, **asked)
    assert summary["method"] == name
    run = lightune.load(summary["output"])
    assert run.labels == ("neg", "pos")
    before = json.loads((made.folder / "adapter_config.json").read_text())
    after = json.loads((run.folder / "adapter_config.json").read_text())
    for key in ("r", "target_modules", "num_virtual_tokens", "lora_alpha"):
        assert after.get(key) == before.get(key)
    assert differences(list(run.logits([(text,) for text in TEXTS])), made.logits) > 1e-2


def test_training_goes_on_from_where_it_stopped(tiny: TinyModel, tmp_path: Path) -> None:
    """With a rate of almost nothing the run that goes on is the run that it goes on from."""
    texts = [(text,) for text in TEXTS]
    for method in ("lora", "side", "bitfit"):
        folder = tmp_path / method
        folder.mkdir()
        first = train_tiny(folder, tiny("bert", num_layers=2), method=method)
        groups = {"train": {"epochs": 1, "learning_rate": 1e-12}}
        again = train_tiny(folder, "auto", start=first["output"], output=str(folder / "again"), groups=groups)
        one, two = lightune.load(first["output"]), lightune.load(again["output"])
        assert again["from"] == first["output"]
        assert np.abs(one.logits(texts) - two.logits(texts)).max() < 1e-5
        assert one.state.method_settings == two.state.method_settings


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"method": "ia3"}, "cannot go on from a run of method lora"),
        ({"task": "tag"}, "cannot go on from a run of task classify"),
        ({"groups": {"method": {"rank": 2}}}, "cannot be changed on the way"),
        ({}, "which the head lacks"),
    ],
)
def test_what_does_not_match_is_refused(
    asked: dict[str, Any], problem: str, adapter: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=problem):
        train_tiny(tmp_path, "auto", start=str(adapter), **asked)
