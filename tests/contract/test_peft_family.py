"""Every tuner of the installed peft: it learns, comes back the same, opens in plain peft unchanged."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import lightune
from lightune import methods
from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.methods import peft as family
from lightune.methods.base import Method
from tests.contract.eight import learn_eight
from tests.contract.test_round_trip import train_and_look
from tests.making import TinyModel, sentences, train_tiny, write_csv

QUICK = {"dora", "ia3", "vera", "prefix_tuning", "p_tuning", "oft", "ln_tuning", "fourierft"}
ALL = [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in family.variants()]
# Their scale is part of the tuner: with the rate that the others take on random weights they diverge.
STEEP = {"delora", "gralora", "waveft"}
TEXTS = [(text,) for text, _ in sentences(7, seed=3)]


@pytest.mark.parametrize("name", ALL)
def test_learns_eight_examples(name: str, tiny: TinyModel, tmp_path: Path) -> None:
    rate = 2e-3 if name in STEEP else None
    fitted = learn_eight(tmp_path, tiny("bert", num_layers=2), task="classify", method=name, rate=rate)
    assert fitted.last < 0.5 * fitted.first
    assert fitted.score > 0.9


@pytest.mark.parametrize("name", ALL)
def test_comes_back_here_and_in_plain_peft(name: str, tiny: TinyModel, tmp_path: Path) -> None:
    from peft import AutoPeftModelForSequenceClassification
    from transformers import AutoTokenizer

    groups = {"train": {"epochs": 1}}
    model = tiny("bert", num_layers=2)
    one = train_and_look(tmp_path, model, TEXTS, method=name, head="standard", groups=groups)
    run = lightune.load(one.folder)
    assert np.abs(run.logits(TEXTS) - one.logits).max() < 1e-5
    labels = json.loads((one.folder / "labels.json").read_text(encoding="utf-8"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = AutoPeftModelForSequenceClassification.from_pretrained(
            str(one.folder), id2label={int(number): label for number, label in labels.items()}
        ).eval()
    inputs = AutoTokenizer.from_pretrained(one.folder)(
        [text for (text,) in TEXTS], padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        found = plain(**inputs).logits.numpy()
    assert np.abs(found - one.logits).max() < 1e-4


def test_the_list_is_that_of_the_installed_peft() -> None:
    from peft.utils.peft_types import PeftType

    known = {one.value.lower() for one in PeftType}
    assert known - set(family.UNFIT) <= set(family.variants())
    assert set(family.UNFIT) - {"lora"} <= known  # what is left out exists
    assert len(family.variants()) >= 30


def test_suffix_may_be_left_off_and_slips_are_named() -> None:
    kind = plugins.load(methods, "prefix", Method)  # type: ignore[type-abstract]
    assert kind.name == "prefix_tuning"
    with pytest.raises(UserError, match="no method called 'fourierf'") as caught:
        plugins.load(methods, "fourierf", Method)  # type: ignore[type-abstract]
    assert "fourierft" in str(caught.value.hint)


def test_what_peft_does_not_know_is_refused(tiny: TinyModel, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no setting 'd_initia'") as caught:
        train_and_look(
            tmp_path,
            tiny("bert", num_layers=2),
            TEXTS,
            method="vera",
            groups={"method": {"options": {"d_initia": 0.2}}},
        )
    assert "d_initial" in str(caught.value.hint)


def test_a_tuner_on_the_top_layer_is_cached_below(tiny: TinyModel, tmp_path: Path) -> None:
    fitted = learn_eight(
        tmp_path, tiny("bert", num_layers=2), task="classify", method="ia3", layers=1, rate=5e-2
    )
    assert fitted.prepared.cut == 1
    assert fitted.last < 0.5 * fitted.first


@pytest.mark.parametrize("kind", ["distilbert", "electra", "albert", "gpt2"])
def test_a_prompt_goes_into_any_network(kind: str, tiny: TinyModel, tmp_path: Path) -> None:
    """Also where embeddings are narrower than the layers, and where sizes have names of their own."""
    one = train_and_look(tmp_path, tiny(kind), TEXTS, method="prompt", groups={"train": {"epochs": 1}})
    assert np.abs(lightune.load(one.folder).logits(TEXTS) - one.logits).max() < 1e-5


@pytest.mark.parametrize("name", ["prompt", "prefix"])
def test_a_prompt_leaves_room_for_long_texts(name: str, tiny: TinyModel, tmp_path: Path) -> None:
    """Text and virtual tokens together are no more than the network takes."""
    rows = [(f"{n} {'good' if n % 2 else 'bad'} film " * 100, "ab"[n % 2]) for n in range(24)]
    groups = {"train": {"epochs": 1}, "data": {"long": "truncate", "duplicates": "keep"}}
    data = write_csv(tmp_path / "long.csv", rows)
    made = train_tiny(tmp_path, tiny("bert"), data=data, method=name, groups=groups)
    assert len(lightune.load(made["output"]).predict([rows[0][0]])) == 1
    with pytest.raises(UserError, match=r"takes 128 tokens, and .* wants 125") as caught:
        train_tiny(tmp_path, tiny("bert"), method=name, groups={"method": {"tokens": 125}}, overwrite=True)
    assert "--method.tokens" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("prefix", "modernbert"), ("prefix", "albert"), ("prefix", "distilbert"), ("prompt", "t5")],
)
@pytest.mark.parametrize("head", ["auto", "standard"])
def test_what_a_network_cannot_take_is_refused(
    name: str, kind: str, head: str, tiny: TinyModel, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"peft cannot put|has no place"):
        train_tiny(tmp_path, tiny(kind), method=name, head=head)
