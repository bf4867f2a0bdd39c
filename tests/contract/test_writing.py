"""Runs that write: likelihoods equal transformers' own, and a fresh process writes the same words."""

from __future__ import annotations

import json
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
    (plain,) = summary["rungs"]
    assert plain["name"] == "untouched model"
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


def test_a_run_with_labels_does_not_write(tiny: TinyModel, tmp_path: Path) -> None:
    train_tiny(tmp_path, tiny("bert", num_layers=2), method="head", groups={"train": {"epochs": 1}})
    with pytest.raises(UserError, match="does not write texts"):
        lightune.load(tmp_path / "run").generate(["hello"])
