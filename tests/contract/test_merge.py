"""A merged run is a plain transformers folder with the same logits, or is refused with the reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lightune
from lightune.methods import peft as family
from tests.cli.running import lightune as command
from tests.foreign import TEXTS
from tests.making import TinyModel, task_rows, train_tiny, write_csv

QUICK = ("lora", "ia3")
APART = {"prefix_tuning": "before the text", "side": "beside the model", "adapter": "between the layers"}
EVERY = ["lora", "bitfit", *sorted(set(family.variants()) - family.PROMPTS)]
ALL = [pytest.param(one, marks=[] if one in QUICK else [pytest.mark.slow]) for one in EVERY]
PLAIN = """
import json, sys, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
folder, texts = json.load(sys.stdin)
model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
tokenizer = AutoTokenizer.from_pretrained(folder)
with torch.no_grad():
    logits = [model(**tokenizer(text, return_tensors="pt")).logits[0].tolist() for text in texts]
assert not {"lightune", "peft"} & set(sys.modules)
print(json.dumps({"logits": logits, "labels": model.config.id2label, "ids": model.config.label2id}))
"""


@pytest.mark.parametrize("name", ALL)
def test_plain_transformers_gives_the_same_logits(name: str, tiny: TinyModel, tmp_path: Path) -> None:
    """In a process that knows neither lightune nor peft; a tuner that cannot be merged exactly says so."""
    made = train_tiny(
        tmp_path, tiny("bert", num_layers=2), method=name, head="standard", groups={"train": {"epochs": 1}}
    )
    ended = command("merge", made["output"], "--output", tmp_path / "merged", "--json")
    if ended.code == 2 and name not in QUICK:
        assert "cannot merge" in ended.err or "would change the answers" in ended.err
        assert not (tmp_path / "merged").exists()
        return
    assert ended.code == 0, ended.err
    run = lightune.load(made["output"])
    expected = np.concatenate([run.logits([(text,)]) for text in TEXTS])
    asked = json.dumps([str(tmp_path / "merged"), TEXTS])
    done = subprocess.run(
        [sys.executable, "-c", PLAIN], input=asked, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert np.abs(np.array(found["logits"]) - expected).max() < 1e-5
    assert found["labels"] == {"0": "neg", "1": "pos"} and found["ids"] == {"neg": 0, "pos": 1}
    (tmp_path / "merged").rename(tmp_path / "moved")
    again = lightune.load(tmp_path / "moved")
    assert np.abs(again.logits([(text,) for text in TEXTS]) - expected).max() < 1e-5
    assert "Without lightune" in (tmp_path / "moved" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("method", "reason"), APART.items())
def test_what_stands_apart_is_refused(method: str, reason: str, tiny: TinyModel, tmp_path: Path) -> None:
    made = train_tiny(tmp_path, tiny("bert", num_layers=2), method=method, groups={"train": {"epochs": 1}})
    ended = command("merge", made["output"], "--output", tmp_path / "merged")
    assert ended.code == 2
    assert reason in ended.err
    assert not (tmp_path / "merged").exists()


def test_a_head_of_lightunes_is_refused(tiny: TinyModel, tmp_path: Path) -> None:
    made = train_tiny(tmp_path, tiny("bert", num_layers=2), head="mean", groups={"train": {"epochs": 1}})
    ended = command("merge", made["output"])
    assert ended.code == 2
    assert "--head standard" in ended.err
    ended = command("merge", made["output"], "--gguf", "f16")
    assert ended.code == 2


@pytest.fixture(scope="module")
def writing(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA run on a decoder with a byte-level tokenizer."""
    folder = tmp_path_factory.mktemp("writing")
    rows, header, text = task_rows("instruct")
    data = write_csv(folder / "data.csv", rows, header)
    asked: dict[str, Any] = {"data": data, "task": "instruct", "text": (text,), "label": "label"}
    groups = {"train": {"epochs": 1, "learning_rate": 1e-2}}
    return Path(
        train_tiny(folder, tiny("qwen2", num_layers=2), method="lora", groups=groups, **asked)["output"]
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("kind", "most"), [("f16", 0.01), ("q8_0", 0.1)])
def test_a_gguf_file_is_read_back(kind: str, most: float, writing: Path, tmp_path: Path) -> None:
    """By transformers' own reader: the tokens, and the logits up to the precision of the file."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ended = command("merge", writing, "--output", tmp_path / "merged", "--gguf", kind, "--json")
    assert ended.code == 0, ended.err
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    place = {"pretrained_model_name_or_path": tmp_path / "merged", "gguf_file": f"model-{kind}.gguf"}
    packed = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "merged")
    for text in TEXTS:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        assert (
            ids.tolist()
            == AutoTokenizer.from_pretrained(**place)(text, return_tensors="pt")["input_ids"].tolist()
        )
        with torch.no_grad():
            one, other = plain(input_ids=ids).logits, packed(input_ids=ids).logits
        assert float((one - other).abs().max() / one.abs().max()) < most


def test_what_gguf_cannot_hold_is_refused(tiny: TinyModel, tmp_path: Path) -> None:
    made = train_tiny(tmp_path, tiny("bert", num_layers=2), method="lora", groups={"train": {"epochs": 1}})
    ended = command("merge", made["output"], "--gguf", "f16")
    assert ended.code == 2 and "only decoders that write" in ended.err
    ended = command("merge", made["output"], "--gguf", "q3")
    assert ended.code == 2 and "f16, q8_0" in ended.err
