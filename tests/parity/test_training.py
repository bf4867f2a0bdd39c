"""The pieces against the reference: a plain transformers loop, peft's own injection, torch's losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightune.backbones.base import HeadSpec
from lightune.backbones.encode import Limits, encode
from lightune.backbones.transformer import Transformer
from lightune.core.rows import Example
from lightune.core.tokens import Tokens
from lightune.engine.batches import epoch_steps
from lightune.engine.loop import Descent, Work, fit
from lightune.methods.full import Full
from lightune.methods.lora import Lora, LoraSettings
from lightune.tasks.base import Task
from lightune.tasks.classify import Classify
from lightune.tasks.multilabel import MultiLabel
from lightune.tasks.regress import Regress
from tests.making import TinyModel, sentences

AUTO = "AutoModelForSequenceClassification"
NAMES = ("a", "b", "c")
MORE = tuple(pytest.param(kind, marks=pytest.mark.parity) for kind in ("gpt2", "t5", "llama"))
SPEC = HeadSpec(AUTO, 3, "single_label_classification", NAMES)


def load(folder: Path) -> Transformer:
    """A classifier with three classes and no dropout, always with the same new head."""
    torch.manual_seed(1)
    backbone = Transformer.load(str(folder), SPEC, head="standard", identifier="tiny", digest="tiny")
    return without_dropout(backbone)


def without_dropout(backbone: Transformer) -> Transformer:
    """Every dropout set to nothing, attention's own included."""
    for module in backbone.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for name in ("dropout", "dropout_prob", "attention_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    return backbone


def tokens_of(backbone: Transformer, number: int) -> Tokens:
    """Tokens of synthetic sentences."""
    return encode(
        backbone.tokenizer, [(text,) for text, _ in sentences(number)], Limits(64, "truncate", 1)
    ).tokens


def examples(golds: list[Any]) -> list[Example]:
    """Examples of which only the gold answer matters."""
    return [Example(texts=("a",), gold=gold, row=n, file="made", line=n) for n, gold in enumerate(golds)]


def our_losses(backbone: Transformer, tokens: Tokens, targets: np.ndarray, descent: Descent) -> list[float]:
    """The loss of every step of lightune's loop."""
    work = Work(
        model=backbone.model,
        forward=backbone.forward,
        start_training=lambda: backbone.set_training(0),
        losses=lambda logits, batch, gold: torch.nn.functional.cross_entropy(
            logits, torch.as_tensor(gold), reduction="none"
        ),
        weigh=len,
        tokens=tokens,
        targets=targets,
        rows=np.arange(len(targets)),
        pad_id=backbone.pad_id,
        device="cpu",
        head_prefixes=tuple(name + "." for name in backbone.head_modules()),
    )
    return fit(work, descent, folder=None, bar=None).step_losses


def plain_losses(model: Any, batches: list[tuple[dict[str, Any], Any]], descent: Descent) -> list[float]:
    """The same with transformers' own loss, schedule, and torch's AdamW."""
    from transformers import get_linear_schedule_with_warmup

    decays = [one for one in model.parameters() if one.ndim > 1]
    others = [one for one in model.parameters() if one.ndim <= 1]
    groups = [
        {"params": decays, "weight_decay": descent.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=descent.learning_rate)
    rise = round(len(batches) * descent.warmup)
    schedule = get_linear_schedule_with_warmup(optimizer, rise, len(batches))
    model.train()
    losses = []
    for number, (inputs, gold) in enumerate(batches):
        # Transformers starts at a rate of 0; lightune's first step counts.
        if number < rise:
            for group in optimizer.param_groups:
                group["lr"] = descent.learning_rate * (number + 1) / rise
        loss = model(**inputs, labels=gold).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), descent.clip)
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("kind", ["bert", *MORE])
def test_full_fine_tuning_is_the_plain_loop(kind: str, tiny: TinyModel) -> None:
    """Same batches, no dropout: the same loss in every step."""
    backbone = load(tiny(kind, num_layers=2))
    tokens = tokens_of(backbone, 48)
    targets = np.arange(48) % 3
    descent = Descent(3, 1e-3, 1e-3, 8, 4096, "adamw", "linear", 0.1, 0.01, 1.0, 0, 0)
    batches = []
    for epoch in range(3):
        for step in epoch_steps(tokens, np.arange(48), batch_rows=8, batch_tokens=4096, seed=0, epoch=epoch):
            (piece,) = step.pieces
            batch = tokens.batch(piece, pad_id=backbone.pad_id)
            batches.append((batch.inputs(), torch.as_tensor(targets[piece])))
    plain = load(tiny(kind, num_layers=2))
    Full(Full.Settings(), "standard").apply(backbone)
    ours = our_losses(backbone, tokens, targets, descent)
    theirs = plain_losses(plain.model, batches, descent)
    assert len(ours) == len(theirs) == 18
    assert np.abs(np.array(ours) - theirs).max() < 1e-5
    assert ours[-1] < ours[0]


@pytest.mark.filterwarnings("ignore")  # peft's own, about transformers 5 and Conv1D
@pytest.mark.parametrize("kind", ["bert", *MORE])
@pytest.mark.parametrize("layers", [None, 1])
def test_lora_is_pefts_own(kind: str, layers: int | None, tiny: TinyModel) -> None:
    """Injected by lightune and by get_peft_model, same modules: the same forward, with an update not zero."""
    import peft

    backbone = load(tiny(kind, num_layers=2))
    Lora(LoraSettings(layers=layers, rank=4, modules="all"), "standard").apply(backbone)
    plain = load(tiny(kind, num_layers=2))
    untouched = load(tiny(kind, num_layers=2))
    config = peft.LoraConfig(
        task_type="SEQ_CLS",
        r=4,
        lora_alpha=8,
        target_modules=untouched.linear_paths(0 if layers is None else backbone.depth - layers),
    )
    reference = peft.get_peft_model(plain.model, config)
    same = dict(reference.named_parameters())
    updates = {name: one for name, one in backbone.peft_model.named_parameters() if "lora_" in name}
    assert set(updates) == {name for name in same if "lora_" in name}
    with torch.no_grad():
        for name, one in updates.items():
            same[name].copy_(one.normal_(std=0.1))
    batch = tokens_of(backbone, 6).batch(np.arange(6), pad_id=backbone.pad_id)
    with torch.no_grad():
        ours = backbone.model.eval()(**batch.inputs()).logits
        theirs = reference.eval()(**batch.inputs()).logits
        before = untouched.model.eval()(**batch.inputs()).logits
    assert (ours - theirs).abs().max() < 1e-5
    assert (ours - before).abs().max() > 1e-3


def test_class_weights_are_torchs() -> None:
    task = Classify()
    found = examples(["a"] * 6 + ["b"] * 3 + ["c"])
    task.learn(found)
    task.balance(found)
    logits, gold = torch.randn(10, 3), torch.as_tensor(task.targets(found))
    weight = torch.tensor([10 / 18, 10 / 9, 10 / 3])
    expected = torch.nn.CrossEntropyLoss(weight=weight, reduction="none")(logits, gold)
    assert torch.allclose(task.loss(logits, gold), expected, atol=1e-6)


def transformers_loss(folder: Path, problem_type: str, num_labels: int, targets: Any) -> tuple[Any, Any]:
    """(logits, loss) of a transformers classifier on some texts."""
    names = tuple(str(number) for number in range(num_labels))
    spec = HeadSpec(AUTO, num_labels, problem_type, names)
    backbone = Transformer.load(str(folder), spec, head="standard", identifier="tiny", digest="tiny")
    batch = tokens_of(backbone, len(targets)).batch(np.arange(len(targets)), pad_id=backbone.pad_id)
    with torch.no_grad():
        output = backbone.model.eval()(**batch.inputs(), labels=targets)
    return output.logits, output.loss


def same_loss(task: Task, folder: Path, golds: list[Any], scaled: Any = None) -> None:
    """The task's mean loss is the one that transformers computes for its `problem_type`."""
    found = examples(golds)
    task.learn(found)
    targets = torch.as_tensor(task.targets(found))
    given = targets if scaled is None else scaled(targets)
    logits, expected = transformers_loss(folder, task.problem_type(), len(task.labels), given)
    assert abs(float(task.loss(logits, targets).mean()) - float(expected)) < 1e-5


def test_loss_of_classes_is_transformers(tiny: TinyModel) -> None:
    same_loss(Classify(), tiny("bert"), ["a", "b", "c", "a"])


def test_loss_of_label_sets_is_transformers(tiny: TinyModel) -> None:
    same_loss(MultiLabel(), tiny("bert"), [["a"], [], ["a", "c"], ["b"]])


def test_loss_of_numbers_is_transformers(tiny: TinyModel) -> None:
    """On targets brought to mean 0 and spread 1."""
    golds = [3.0, 10.5, -2.0, 40.0]
    scaled = lambda targets: (targets - np.mean(golds)) / np.std(golds)  # noqa: E731
    same_loss(Regress(), tiny("bert"), golds, scaled)
