"""The way of the Hugging Face examples: `Trainer`, padded batches of 32, every text cut at one length."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

from benchmarks.peers.work import Work, report

HEADS = ("pooler", "classifier")


def train_and_report(
    work: Work, wrap: Callable[[Any], Any], *, rate: float, epochs: int, schedule: str, warmup: float
) -> None:
    """Train the wrapped model, predict the test rows and print the result."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    set_seed(work.seed)
    tokenizer = AutoTokenizer.from_pretrained(work.model)
    model = wrap(AutoModelForSequenceClassification.from_pretrained(work.model, num_labels=work.num_labels))
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            output_dir=folder,
            use_cpu=True,
            per_device_train_batch_size=32,
            per_device_eval_batch_size=32,
            learning_rate=rate,
            num_train_epochs=epochs,
            lr_scheduler_type=schedule,
            warmup_steps=warmup,
            seed=work.seed,
            eval_strategy="no",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        trainer = Trainer(
            model=model,
            args=settings,
            data_collator=DataCollatorWithPadding(tokenizer),
            train_dataset=examples(tokenizer, work.train_texts, work.train_labels, work.max_length),
        )
        trainer.train()
        # Labels are left out: one that was not trained on has no number.
        logits = trainer.predict(examples(tokenizer, work.test_texts, None, work.max_length)).predictions
    report(logits.argmax(-1).tolist(), work.test_labels)


def examples(
    tokenizer: Any, texts: list[str], labels: list[int] | None, max_length: int
) -> list[dict[str, Any]]:
    """One dictionary a text, not padded."""
    encoded = tokenizer(texts, truncation=True, max_length=max_length)
    rows = [{name: encoded[name][number] for name in encoded} for number in range(len(texts))]
    if labels is not None:
        for row, label in zip(rows, labels, strict=True):
            row["labels"] = label
    return rows


def with_lora(model: Any, targets: list[str] | str) -> Any:
    """The model with LoRA of rank 8 and alpha 16; pooler and classifier train whole, where there are any."""
    from peft import LoraConfig, TaskType, get_peft_model

    present = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=8,
        lora_alpha=16,
        target_modules=targets,
        modules_to_save=[name for name in HEADS if name in present],
    )
    return get_peft_model(model, config)
