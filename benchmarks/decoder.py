"""A decoder's upper layers on stored activations against PEFT LoRA on all of them: seconds, perplexity.

SmolLM2 answers ChatterBot's prompts. Both sides train LoRA of rank 8 on every linear map, on the same
replies (ours keeps a tenth of them for validation), and are judged by perplexity on the same held-out ones.
Ours trains the upper layers alone, in the first epoch too (--first top) or from the second on, all of them in
the first (--first all: --speed.later-layers). An epoch is counted from the second on, with its share of the
one reading of the frozen layers and of validation; the peer's epochs are all alike and validate nothing.

python benchmarks/decoder.py --seeds 0
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.frontier import RESULTS, machine
from benchmarks.peers import training_arguments

FILE = RESULTS / "decoder.json"
MODEL, TEST_ROWS, BATCH_ROWS, MAX_LENGTH = "smollm2", 160, 16, 128
RATE = 2e-3
LAYERS = {"all": "--speed.later-layers", "top": "--method.layers"}
# Ours, chosen on seed 0 where all layers train in the first epoch, 2026-11-27 (docs/log.md).
RECIPES = {
    "all": [
        *("--train.learning-rate", "1.5e-3", "--train.batch-rows", "8"),
        *("--train.schedule", "linear", "--method.dropout", "0.1"),
    ],
    "top": [],
}


def write_parts(folder: Path) -> tuple[Path, Path]:
    """ChatterBot's rows, shuffled: train.jsonl and test.jsonl, no prompt in both."""
    from lightune.core.progress import Show
    from lightune.data.bundled import bundled
    from lightune.data.read import read
    from lightune.data.settings import DataSettings

    table = read(str(bundled("chatterbot", Show(is_quiet=True))), DataSettings()).train
    rows = [{"prompt": row.values["prompt"], "response": row.values["response"]} for row in table.rows]
    random.Random(0).shuffle(rows)
    test = rows[:TEST_ROWS]
    asked = {str(row["prompt"]).lower() for row in test}
    train = [row for row in rows[TEST_ROWS:] if str(row["prompt"]).lower() not in asked]
    files = folder / "train.jsonl", folder / "test.jsonl"
    for file, part in zip(files, (train, test), strict=True):
        file.write_text("\n".join(map(json.dumps, part)) + "\n", encoding="utf-8")
    return files


def peer(train: str, test: str, epochs: int, seed: int) -> dict[str, Any]:
    """Trainer and peft's LoRA on all layers: {perplexity, epoch_seconds}."""
    import peft
    import torch
    import transformers
    from datasets import Dataset

    from lightune.core.paths import cache_folder

    place = str(cache_folder() / "models" / MODEL)
    transformers.set_seed(seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    model = transformers.AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32)
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules="all-linear")
    model = peft.get_peft_model(model, config)

    def tokenised(file: str) -> Any:
        found: dict[str, list[list[int]]] = {"input_ids": [], "attention_mask": [], "labels": []}
        for line in Path(file).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            asked = [{"role": "user", "content": row["prompt"]}]
            whole = [*asked, {"role": "assistant", "content": row["response"]}]
            before = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
            text = tokenizer.apply_chat_template(whole, tokenize=False)
            start = tokenizer(before, add_special_tokens=False)["input_ids"]
            rest = tokenizer(text[len(before) :], add_special_tokens=False)["input_ids"]
            ids = (start + rest)[-MAX_LENGTH:]
            found["input_ids"].append(ids)
            found["attention_mask"].append([1] * len(ids))
            found["labels"].append(([-100] * len(start) + rest)[-MAX_LENGTH:])
        return Dataset.from_dict(found)

    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    with tempfile.TemporaryDirectory() as folder:
        settings = training_arguments(folder, rate=RATE / 2, epochs=epochs, rows=BATCH_ROWS, seed=seed)
        collator = transformers.DataCollatorForSeq2Seq(tokenizer, padding=True)
        trainer = transformers.Trainer(
            model=model, args=settings, train_dataset=tokenised(train), data_collator=collator
        )
        began = time.perf_counter()
        trainer.train()
        seconds = (time.perf_counter() - began) / epochs
    return {"perplexity": _perplexity(model.eval(), tokenised(test)), "epoch_seconds": seconds}


def _perplexity(model: Any, rows: Any) -> float:
    import torch

    total, number = 0.0, 0
    with torch.inference_mode():
        for row in rows:
            labels = torch.tensor([row["labels"]])
            count = int((labels[:, 1:] != -100).sum())
            loss = model(input_ids=torch.tensor([row["input_ids"]]), labels=labels).loss
            total, number = total + float(loss) * count, number + count
    return math.exp(total / number)


def ours(train: str, test: str, epochs: int, seed: int, flags: list[str]) -> dict[str, Any]:
    """`lightune train` with `flags`: {perplexity, epoch_seconds}."""
    from lightune.core.paths import cache_folder

    known = cache_folder()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "models").symlink_to(known / "models")
        command = [sys.executable, "-m", "lightune", "train", train, "--test", test, "--model", MODEL]
        command += ["--task", "instruct", "--method", "lora", "--json", "--quiet", *flags]
        command += ["--train.epochs", str(epochs), "--train.patience", "0", "--seed", str(seed)]
        command += ["--data.max-length", str(MAX_LENGTH), "--output", f"{folder}/run"]
        environment = {**os.environ, "LIGHTUNE_CACHE": folder}
        began = time.perf_counter()
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - began
    said = json.loads(ended.stdout.splitlines()[-1])
    read, first = said["seconds"]["activations"], said["epochs"][0]["seconds"]
    return {
        "perplexity": said["metrics"]["test"]["perplexity"],
        "epoch_seconds": (said["seconds"]["train"] - first + read) / (epochs - 1),
        "first_epoch_seconds": first,
        "activations_seconds": read,
        "process_seconds": seconds,
        "peak_memory_bytes": said["peak_memory_bytes"],
    }


def main() -> None:
    """Both sides for every seed; medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--peer-epochs", type=int, default=3)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--first", choices=list(LAYERS), default="all")
    parser.add_argument("--peer", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.peer:
        print(json.dumps(peer(asked.peer[0], asked.peer[1], asked.epochs, asked.seeds[0])))
        return
    flags = [LAYERS[asked.first], str(asked.layers), *RECIPES[asked.first]]
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}
    with tempfile.TemporaryDirectory() as name:
        train, test = map(str, write_parts(Path(name)))
        for seed in asked.seeds:
            found["ours"].append(ours(train, test, asked.epochs, seed, flags))
            print("ours", seed, found["ours"][-1], flush=True)
            command = [sys.executable, __file__, "--peer", train, test, "--epochs", str(asked.peer_epochs)]
            ended = subprocess.run(
                [*command, "--seeds", str(seed)], capture_output=True, text=True, check=True
            )
            found["peer"].append(json.loads(ended.stdout.splitlines()[-1]))
            print("peer", seed, found["peer"][-1], flush=True)
    middle = {
        side: {key: statistics.median(one[key] for one in runs) for key in ("perplexity", "epoch_seconds")}
        for side, runs in found.items()
    }
    ratio = middle["peer"]["epoch_seconds"] / middle["ours"]["epoch_seconds"]
    worse = middle["ours"]["perplexity"] / middle["peer"]["perplexity"] - 1
    print(f"{ratio:.1f}x less time an epoch, perplexity {worse:+.1%}")
    known: dict[str, Any] = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    epochs = {"epochs": asked.epochs, "peer_epochs": asked.peer_epochs, "layers": asked.layers}
    known[asked.first] = {**machine(), **epochs, "runs": found, "medians": middle}
    FILE.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
