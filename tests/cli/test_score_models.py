"""`score` with transformers models: their own logits, pseudo-log-likelihoods of masked ones, and no head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.cli.running import lightune

TEXTS = ("The film was a great story, and very funny.", "good 电影!", "no")


def rows_of(model: Path | str, place: Path) -> dict[str, Any]:
    """What `score --json` says of the texts."""
    (place / "texts.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    ended = lightune("score", model, "texts.txt", "--json", "--quiet", folder=place)
    assert ended.code == 0, ended.err
    found: dict[str, Any] = ended.json
    return found


def logs_by_transformers(model: Path | str, text: str) -> list[float]:
    """log P of each token after the start, straight from the logits."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(model))
    network = AutoModelForCausalLM.from_pretrained(str(model), dtype="float32").eval()
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    ids = torch.tensor([[start, *tokenizer(text, add_special_tokens=False)["input_ids"]]])
    with torch.no_grad():
        logs = network(ids).logits[0].log_softmax(-1)
    return [float(logs[place, ids[0, place + 1]]) for place in range(ids.shape[1] - 1)]


def with_head(kind: str, tiny: Callable[..., Path], place: Path) -> Path:
    """A tiny random network with its language-model head, and the tokenizer of its kind."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    headless = str(tiny(kind, num_layers=2))
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(headless)).save_pretrained(place / "model")
    AutoTokenizer.from_pretrained(headless).save_pretrained(place / "model")
    return place / "model"


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_causal_models_give_their_own_logits(kind: str, tiny: Callable[..., Path], tmp_path: Path) -> None:
    model = with_head(kind, tiny, tmp_path)
    told = rows_of(model, tmp_path)
    assert told["is_pseudo"] is False
    for row in told["rows"]:
        wanted = logs_by_transformers(model, row["text"])
        assert np.log([one["probability"] for one in row["tokens"]]) == pytest.approx(wanted, abs=1e-4)
        assert row["log_probability"] == pytest.approx(sum(wanted), abs=1e-3)


def test_text_longer_than_the_window_is_read_in_parts(tiny: Callable[..., Path], tmp_path: Path) -> None:
    from lightune.history.language._causal import Causal

    model = Causal.load(with_head("gpt2", tiny, tmp_path))
    text = "the film was good " * 120
    scored = model.score(text)
    assert len(scored.tokens) > model.window
    assert len(scored.tokens) == len(scored.log_probabilities)
    assert "".join(scored.tokens) == text
    begun = model.score(text[:200])
    same = len(begun.tokens) - 1  # the last may be cut within a word
    assert scored.log_probabilities[:same] == pytest.approx(begun.log_probabilities[:same], abs=1e-4)
    assert model.distribution("the film").sum() == pytest.approx(1, abs=1e-6)


def test_masked_models_give_pseudo_log_likelihoods(tmp_path: Path, tiny: Callable[..., Path]) -> None:
    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

    tokenizer = AutoTokenizer.from_pretrained(str(tiny("bert", num_layers=2)))
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    network = BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **sizes)).eval()
    network.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    told = rows_of(tmp_path / "model", tmp_path)
    assert told["is_pseudo"] is True
    for row in told["rows"]:
        ids = torch.tensor([tokenizer(row["text"])["input_ids"]])
        wanted = []
        for place in range(1, ids.shape[1] - 1):
            hidden = ids.clone()
            hidden[0, place] = tokenizer.mask_token_id
            with torch.no_grad():
                logs = network(hidden).logits[0, place].log_softmax(-1)
            wanted.append(float(logs[ids[0, place]]))
        assert np.log([one["probability"] for one in row["tokens"]]) == pytest.approx(wanted, abs=1e-4)
    ended = lightune("score", "model", "texts.txt", folder=tmp_path)
    assert ended.out.startswith("pseudo-log-likelihood")


def test_encoder_without_a_head_says_so(minilm: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("good\n", encoding="utf-8")
    ended = lightune("score", "minilm", "texts.txt", folder=tmp_path)
    assert ended.code == 2
    assert "no language-model head" in ended.err
    assert "--kind bert" in ended.err


@pytest.mark.slow
def test_smollm2_gives_its_own_logits(tmp_path: Path) -> None:
    from lightune.backbones import catalog
    from lightune.core.progress import Show

    model = catalog.get("smollm2", Show(is_quiet=True))
    for row in rows_of("smollm2", tmp_path)["rows"]:
        wanted = logs_by_transformers(model, row["text"])
        assert np.log([one["probability"] for one in row["tokens"]]) == pytest.approx(wanted, abs=1e-4)
