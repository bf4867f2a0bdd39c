"""Runs that write: likelihoods equal transformers' own, and a fresh process writes the same words."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lightune
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.data.settings import DataSettings
from lightune.steps import answer as answering
from lightune.steps.answer import write
from lightune.steps.assess import Wanted, assess
from tests.making import TinyModel, train_tiny, write_csv

COLOURS = ["red", "blue", "green", "black"]


def chats(folder: Path, name: str, number: int = 24) -> Path:
    rows = [
        {"prompt": f"what is the colour of {place}", "response": f"it is {COLOURS[place % 4]}"}
        for place in range(number)
    ]
    shapes: dict[str, Any] = {
        "pairs": lambda row: row,
        "messages": lambda row: {
            "messages": [
                {"role": "user", "content": row["prompt"]},
                {"role": "assistant", "content": row["response"]},
            ]
        },
        "sharegpt": lambda row: {
            "conversations": [
                {"from": "human", "value": row["prompt"]},
                {"from": "gpt", "value": row["response"]},
            ]
        },
        "alpaca": lambda row: {"instruction": row["prompt"], "input": "", "output": row["response"]},
    }
    file = folder / f"{name}.jsonl"
    file.write_text("\n".join(json.dumps(shapes[name](row)) for row in rows))
    return file


def written_by_a_fresh_process(run: Path, prompts: list[str]) -> list[str]:
    command = [sys.executable, "-m", "lightune", "generate", str(run), "--json", "--quiet"]
    for prompt in prompts:
        command += ["--prompt", prompt]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    texts: list[str] = json.loads(done.stdout)["texts"]
    return texts


@pytest.mark.parametrize("name", ["pairs", "messages", "sharegpt", "alpaca"])
def test_every_form_of_chat_is_recognised(name: str, tiny: TinyModel, tmp_path: Path) -> None:
    model = tiny("gpt2", num_layers=2)
    summary = train_tiny(tmp_path, model, data=chats(tmp_path, name), groups={"train": {"epochs": 1}})
    assert (summary["task"], summary["method"]) == ("instruct", "lora")
    found = summary["metrics"]["test"]
    assert found["perplexity"] == pytest.approx(np.exp(-found["log_likelihood"]))
    assert {"exact_match", "chrf", "accuracy"} <= set(found)
    plain, copied, nearest = summary["rungs"]
    assert [one["name"] for one in (plain, copied, nearest)] == ["untouched model", "copy", "nearest_text"]
    assert set(copied["metrics"]) == {"exact_match", "chrf", "rouge1", "rouge2", "rougeL"}
    assert plain["metrics"]["perplexity"] > found["perplexity"]  # it learnt something


def test_perplexity_is_that_of_transformers(tiny: TinyModel, tmp_path: Path) -> None:
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoTokenizer

    data = chats(tmp_path, "pairs", 12)
    model = tiny("gpt2", num_layers=2)
    train_tiny(tmp_path, model, data=data, groups={"train": {"epochs": 2}})
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = AutoPeftModelForCausalLM.from_pretrained(str(tmp_path / "run")).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "run")
    losses, number = 0.0, 0
    for row in rows:
        before = tokenizer(f"User: {row['prompt']}\n", add_special_tokens=False)["input_ids"]
        before = before + tokenizer("Assistant:", add_special_tokens=False)["input_ids"]
        after = tokenizer(f" {row['response']}{tokenizer.eos_token or ''}\n", add_special_tokens=False)
        ids = torch.tensor([before + after["input_ids"]])
        labels = ids.clone()
        labels[:, : len(before)] = -100
        with torch.no_grad():
            losses += float(plain(input_ids=ids, labels=labels).loss) * len(after["input_ids"])
        number += len(after["input_ids"])
    found = assess(
        tmp_path / "run",
        str(data),
        Wanted(DataSettings(), None, None, None, None, None),
        Show(is_quiet=True),
    )
    assert found["metrics"]["perplexity"]["value"] == pytest.approx(np.exp(losses / number), rel=1e-4)


def test_a_fresh_process_writes_the_same(tiny: TinyModel, tmp_path: Path) -> None:
    model = tiny("llama", num_layers=2)
    train_tiny(
        tmp_path,
        model,
        data=chats(tmp_path, "pairs", 8),
        groups={"train": {"epochs": 60, "learning_rate": 1e-2}},
    )
    prompts = ["what is the colour of 1", "what is the colour of 2"]
    here = lightune.load(tmp_path / "run").generate(prompts)
    assert written_by_a_fresh_process(tmp_path / "run", prompts) == here
    assert any("it is" in text for text in here)


def test_an_encoder_decoder_translates_alike_in_a_fresh_process(tiny: TinyModel, tmp_path: Path) -> None:
    """Its encoder frozen and read once; the decoder alone learns. Plain peft opens it; beams reach it."""
    rows = [(f"what is the colour of {place}", f"it is {COLOURS[place % 4]}") for place in range(8)]
    summary = train_tiny(
        tmp_path,
        tiny("t5", num_layers=2),
        data=write_csv(tmp_path / "data.csv", list(rows), header=("en", "fr")),
        method="lora",
        groups={"train": {"epochs": 60, "learning_rate": 1e-2}, "method": {"layers": 0}},
    )
    assert (summary["task"], summary["cached_depth"]) == ("translate", 2)
    assert summary["epochs"][-1]["train_loss"] < 0.5 * summary["epochs"][0]["train_loss"]
    texts = [text for text, _ in rows[:2]]
    here = lightune.load(tmp_path / "run").generate(texts)
    assert written_by_a_fresh_process(tmp_path / "run", texts) == here
    assert any("it is" in text for text in here)
    code = (tmp_path / "run" / "README.md").read_text("utf-8")
    assert "AutoPeftModelForSeq2SeqLM" in code
    with pytest.raises(UserError, match="--beams"):
        write(tmp_path / "run", texts, how={"beams": 0}, show=Show(is_quiet=True))


@pytest.mark.parametrize("layers", [0, 1])
@pytest.mark.parametrize(
    ("kind", "name"), [("t5", "EncDecAttention"), ("bart", "encoder_attn"), ("marian", "encoder_attn")]
)
def test_lora_reaches_cross_attention_above_a_stored_encoder(
    kind: str, name: str, layers: int, tiny: TinyModel, tmp_path: Path
) -> None:
    """The encoder below the cut is read once; decoder and cross-attention have the adapters, as saved."""
    from safetensors import safe_open

    rows = [(f"what is the colour of {place}", f"it is {COLOURS[place % 4]}") for place in range(12)]
    summary = train_tiny(
        tmp_path,
        tiny(kind, num_layers=2),
        data=write_csv(tmp_path / "data.csv", list(rows), header=("en", "fr")),
        method="lora",
        groups={"train": {"epochs": 1}, "method": {"layers": layers}},
    )
    assert summary["cached_depth"] == 2 - layers
    with safe_open(tmp_path / "run" / "adapter_model.safetensors", framework="pt") as file:
        keys = list(file.keys())
    layer = re.compile(r"(encoder|decoder)\.(?:block|layers)\.(\d+)\.")
    changed = {(found[1], int(found[2])) for key in keys if (found := layer.search(key))}
    assert changed == {("decoder", 0), ("decoder", 1), *([("encoder", 1)] if layers else [])}
    crossing = {int(found[2]) for key in keys if name in key and (found := layer.search(key))}
    assert crossing == {0, 1}, "both layers of the decoder look at the encoder anew"


def test_beams_reach_predict(tiny: TinyModel, tmp_path: Path) -> None:
    """The same as transformers' generate with as many beams; a run of another kind has none."""
    from lightune.backbones.writer import Writing

    rows = [(f"what is the colour of {place}", f"it is {COLOURS[place % 4]}") for place in range(12)]
    data = write_csv(tmp_path / "data.csv", list(rows), header=("en", "fr"))
    groups = {"train": {"epochs": 3, "learning_rate": 1e-2}}
    train_tiny(tmp_path, tiny("bart", num_layers=2), data=data, method="lora", groups=groups)
    run = lightune.load(tmp_path / "run")

    def predicted(beams: int) -> list[str]:
        wanted = answering.Wanted(None, None, "exact", is_json=True, beams=beams)
        found = answering.answer(
            run.folder, str(data), settings=DataSettings(), wanted=wanted, show=Show(is_quiet=True)
        )
        return [row["generated"] for row in found["rows"]]

    texts = [text for text, _ in rows]
    assert predicted(3) == run.generate(texts, Writing(beams=3))
    assert predicted(1) == run.generate(texts)
    with pytest.raises(UserError, match="--beams must be 1 or more"):
        predicted(0)


def test_a_run_with_labels_does_not_write(tiny: TinyModel, tmp_path: Path) -> None:
    train_tiny(tmp_path, tiny("bert", num_layers=2), method="head", groups={"train": {"epochs": 1}})
    with pytest.raises(UserError, match="does not write texts"):
        lightune.load(tmp_path / "run").generate(["hello"])
    with pytest.raises(UserError, match="its task is classify"):
        wanted = answering.Wanted(None, None, "exact", is_json=True, beams=4)
        data = str(tmp_path / "data.csv")
        answering.answer(
            tmp_path / "run", data, settings=DataSettings(), wanted=wanted, show=Show(is_quiet=True)
        )
