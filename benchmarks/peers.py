"""What others do on the same files: each peer is one process that prints one JSON line.

python benchmarks/peers.py NAME TRAIN.csv TEST.csv MODEL_FOLDER MAX_LENGTH SEED
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

BATCH_ROWS, OUR_ROWS = 32, 16


@dataclass(frozen=True)
class Job:
    """Texts and class numbers of both parts, and what to train."""

    train: list[str]
    gold: list[int]
    test: list[str]
    test_gold: list[int]
    model: str
    max_length: int
    seed: int
    seconds: list[float] = field(default_factory=list)  # of training, where it is told apart


def tfidf_lr(job: Job) -> list[int]:
    """Counted words and pairs of them, logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    is_spaced = sum(" " in text for text in job.train) > len(job.train) / 2
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    model = make_pipeline(words if is_spaced else characters, LogisticRegression(C=10, max_iter=1000))
    return [int(one) for one in model.fit(job.train, job.gold).predict(job.test)]


def frozen_lr(job: Job) -> list[int]:
    """SetFit without its contrastive stage: mean-pooled embeddings and a logistic head."""
    import torch
    from sklearn.linear_model import LogisticRegression
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job.model)
    model = AutoModel.from_pretrained(job.model, dtype=torch.float32).eval()

    def embed(texts: list[str]) -> Any:
        found = []
        with torch.no_grad():
            for start in range(0, len(texts), BATCH_ROWS):
                part = texts[start : start + BATCH_ROWS]
                batch = tokenizer(
                    part, padding=True, truncation=True, max_length=job.max_length, return_tensors="pt"
                )
                hidden = model(**batch).last_hidden_state
                weight = batch["attention_mask"][..., None].float()
                found.append(((hidden * weight).sum(1) / weight.sum(1)).numpy())
        return np.concatenate(found)

    head = LogisticRegression(max_iter=1000).fit(embed(job.train), job.gold)
    return [int(one) for one in head.predict(embed(job.test))]


def peft_lora(job: Job) -> list[int]:
    """Trainer and peft's LoRA as usually given: query and value, rank 8, rate 1e-3, 3 epochs."""
    return _trainer(job, modules=["query", "value"], learning_rate=1e-3, epochs=3)


def peft_lora_ours(job: Job) -> list[int]:
    """The same with lightune's recipe: all linear maps, 1e-3, steps of 16 rows, one epoch, one-cycle."""
    return _trainer(job, modules="all-linear", learning_rate=1e-3, epochs=1, rows=OUR_ROWS)


def trainer_full(job: Job) -> list[int]:
    """Trainer on all weights: rate 5e-5, 3 epochs."""
    return _trainer(job, modules=None, learning_rate=5e-5, epochs=3)


def training_arguments(
    folder: str, *, rate: float, epochs: int, rows: int, seed: int, **schedule: Any
) -> Any:
    """Trainer's settings for a peer that is only timed: nothing saved or reported on the way."""
    import transformers

    return transformers.TrainingArguments(
        output_dir=folder,
        learning_rate=rate,
        num_train_epochs=epochs,
        per_device_train_batch_size=rows,
        per_device_eval_batch_size=rows,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        logging_strategy="no",
        use_cpu=True,
        seed=seed,
        **schedule,
    )


def _trainer(
    job: Job, *, modules: Any, learning_rate: float, epochs: int, rows: int = BATCH_ROWS
) -> list[int]:
    import peft
    import transformers
    from datasets import Dataset

    transformers.set_seed(job.seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(job.model)
    number = len(set(job.gold))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        job.model, num_labels=number, dtype="float32"
    )
    if modules is not None:
        config = peft.LoraConfig(
            task_type="SEQ_CLS",
            r=8,
            lora_alpha=16,
            target_modules=modules,
            modules_to_save=["pooler", "classifier"],
            exclude_modules=["pooler", "classifier"] if modules == "all-linear" else None,
        )
        model = peft.get_peft_model(model, config)

    def tokenised(texts: list[str], gold: list[int]) -> Any:
        rows = tokenizer(texts, truncation=True, max_length=job.max_length)
        return Dataset.from_dict({**rows, "labels": gold})

    with tempfile.TemporaryDirectory() as folder:
        settings = training_arguments(
            folder,
            rate=learning_rate,
            epochs=epochs,
            rows=rows,
            seed=job.seed,
            lr_scheduler_type="cosine" if rows == OUR_ROWS else "linear",
            warmup_steps=round(0.3 * epochs * len(job.train) / rows) if rows == OUR_ROWS else 0,
        )
        collator = transformers.DataCollatorWithPadding(tokenizer)
        trainer = transformers.Trainer(
            model=model,
            args=settings,
            train_dataset=tokenised(job.train, job.gold),
            data_collator=collator,
        )
        began = time.perf_counter()
        trainer.train()
        job.seconds.append(time.perf_counter() - began)
        logits = trainer.predict(tokenised(job.test, job.test_gold)).predictions
    return [int(one) for one in np.asarray(logits).argmax(axis=1)]


PEERS: dict[str, Callable[[Job], list[int]]] = {
    one.__name__: one for one in (tfidf_lr, frozen_lr, peft_lora, peft_lora_ours, trainer_full)
}


def _read(file: str, names: list[str]) -> tuple[list[str], list[int]]:
    with open(file, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    names += sorted({row["label"] for row in rows} - set(names))
    return [row["text"] for row in rows], [names.index(row["label"]) for row in rows]


def main() -> None:
    """Run one peer and print what it reached."""
    from lightune.core.machine import peak_memory_bytes

    name, train_file, test_file, model, max_length, seed = sys.argv[1:]
    names: list[str] = []
    job = Job(*_read(train_file, names), *_read(test_file, names), model, int(max_length), int(seed))
    predicted = PEERS[name](job)
    accuracy = float(np.mean(np.array(predicted) == np.array(job.test_gold)))
    said: dict[str, Any] = {"accuracy": accuracy, "peak_memory_bytes": peak_memory_bytes()}
    if job.seconds:
        said["training_seconds"] = job.seconds[0]
    print(json.dumps(said))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        print(__doc__)
    else:
        main()
