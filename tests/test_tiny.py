"""The tiny models do what the suite relies on: they load, tell inputs apart, and are the same every time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tiny import CLASSIFIERS, ENCODER_DECODERS, KINDS, tiny_model

TEXTS = ["a great film", "the worst movie i ever watched , terrible acting"]


@pytest.mark.parametrize("kind", KINDS)
def test_model_loads_and_tells_inputs_apart(kind: str, tiny: Callable[..., Path]) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny(kind))
    model = AutoModel.from_pretrained(tiny(kind)).eval()
    inputs = dict(tokenizer(TEXTS, padding=True, return_tensors="pt"))
    if kind in ENCODER_DECODERS:
        start = model.config.decoder_start_token_id
        inputs["decoder_input_ids"] = torch.full((2, 1), start)
    with torch.no_grad():
        hidden = model(**inputs).last_hidden_state
    assert hidden.isfinite().all()
    last = (inputs["attention_mask"].sum(1) - 1) % hidden.shape[1]
    assert (hidden[0, last[0]] - hidden[1, last[1]]).abs().mean() > 0.1
    shown = tokenizer.decode(inputs["input_ids"][0], skip_special_tokens=True).strip()
    assert shown == "a great film"


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_classifier_has_its_labels(kind: str, tiny: Callable[..., Path]) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tiny(kind, num_layers=2, num_labels=3)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = model(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits
    assert logits.shape == (2, 3)
    assert (logits[0] - logits[1]).abs().max() > 0.05


def test_weights_are_the_same_every_time(tmp_path: Path) -> None:
    first, second = (tiny_model(tmp_path / name, "bert", num_layers=2) for name in ("one", "two"))
    assert (first / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()
