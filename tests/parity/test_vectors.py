"""Sentence vectors: training starts at the model's own, and others make the same ones from a run folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lightune
from lightune.core.progress import Show
from lightune.request import Request
from lightune.steps import learn, prepare
from lightune.steps.gather import gather
from lightune.steps.prepare import Prepared
from tests.contract.test_round_trip import weights
from tests.making import TinyModel, task_rows, train_tiny, write_csv

ROWS, HEADER, _ = task_rows("retrieve", 40)
TEXTS = [row[0] for row in ROWS[:6]]
SAVED = [(method, "bert") for method in ("lora", "full", "head", "side", "bitfit")]
SAVED += [(method, kind) for method in ("lora", "full", "side") for kind in ("gpt2", "t5")]


def data_in(folder: Path) -> Path:
    """The synthetic pairs as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_csv(folder / "pairs.csv", ROWS, HEADER)


def plain_vectors(model: Path, texts: list[str], pooling: str = "mean") -> np.ndarray:
    """By transformers alone, text by text: no padding."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer, network = AutoTokenizer.from_pretrained(model), AutoModel.from_pretrained(model).eval()
    if network.config.is_encoder_decoder:
        network = network.get_encoder()
    found = []
    with torch.no_grad():
        for text in texts:
            hidden = network(
                **tokenizer(text, return_tensors="pt", return_token_type_ids=False)
            ).last_hidden_state[0]
            found.append({"mean": hidden.mean(0), "first": hidden[0], "last": hidden[-1]}[pooling])
    return torch.nn.functional.normalize(torch.stack(found), dim=-1).numpy()


def opened(folder: Path, model: Path, **asked: Any) -> tuple[Prepared, Any]:
    """A method applied and nothing trained."""
    request = Request(data=str(data_in(folder)), model=str(model), **asked)
    show = Show(is_quiet=True)
    gathered = gather(request, show)
    source = prepare.choose_model(request, gathered, show)
    method = prepare.choose_method(request, gathered)
    return prepare.prepare(request, gathered, source, method, show), gathered


@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5", "modernbert", "llama"])
@pytest.mark.parametrize("method", ["lora", "full", "head", "side"])
def test_training_starts_at_the_untouched_vectors(
    method: str, kind: str, tiny: TinyModel, tmp_path: Path
) -> None:
    groups = {"cache": {"dtype": "float32"}}
    prepared, gathered = opened(tmp_path, tiny(kind, num_layers=2), method=method, groups=groups)
    rows = np.arange(len(gathered.examples))
    found = learn.predict_logits(prepared, gathered.task, rows)
    texts = [text for one in gathered.examples for text in one.texts]
    expected = plain_vectors(tiny(kind, num_layers=2), texts)
    assert np.abs(found.reshape(expected.shape) - expected).max() < 2e-5


@pytest.mark.parametrize("pooling", ["first", "last"])
def test_poolings(pooling: str, tiny: TinyModel, tmp_path: Path) -> None:
    prepared, gathered = opened(tmp_path, tiny("gpt2", num_layers=2), method="lora", head=pooling)
    found = learn.predict_logits(prepared, gathered.task, np.arange(3))[:, 0]
    expected = plain_vectors(
        tiny("gpt2", num_layers=2), [one.texts[0] for one in gathered.examples[:3]], pooling
    )
    assert np.abs(found - expected).max() < 2e-5


def trained(folder: Path, model: Path, **asked: Any) -> dict[str, Any]:
    """A short run on the synthetic pairs."""
    return train_tiny(folder, model, data=data_in(folder), **asked)


@pytest.mark.parametrize("method", ["lora", "full", "head", "side", "bitfit"])
def test_pieces_of_a_step_know_each_other(method: str, tiny: TinyModel, tmp_path: Path) -> None:
    """A step cut into many pieces learns what one large piece does, dropout off."""
    found = {}
    for name, batch_tokens in (("whole", 4096), ("pieces", 24)):
        train = {"epochs": 2, "batch_tokens": batch_tokens, "batch_rows": 16, "learning_rate": 1e-3}
        groups = {"train": {**train, "optimizer": "sgd"}, "cache": {"dtype": "float32"}}
        groups["method"] = {"dropout": 0.0} if method == "side" else {}
        model = without_dropout(tiny("bert", num_layers=2), tmp_path / "model")
        folder = tmp_path / name
        summary = trained(folder, model, method=method, groups=groups)
        assert {"recall@1", "mrr"} <= set(summary["metrics"]["test"])
        found[name] = (summary["final_loss"], lightune.load(folder / "run").vectors(TEXTS))
    assert found["whole"][0] == pytest.approx(found["pieces"][0], abs=1e-5)
    assert np.abs(found["whole"][1] - found["pieces"][1]).max() < 1e-5


def without_dropout(model: Path, folder: Path) -> Path:
    """A copy of a model folder whose dropout is off."""
    if not folder.exists():
        import shutil

        shutil.copytree(model, folder)
        config = json.loads((folder / "config.json").read_text())
        config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_dropout_is_the_same_in_both_passes_of_a_piece(tiny: TinyModel, tmp_path: Path) -> None:
    """With dropout on, the loss falls as it should and a seed gives the same bytes."""
    groups = {"train": {"epochs": 3, "batch_tokens": 24, "batch_rows": 16, "learning_rate": 1e-3}}
    files = []
    for name in ("first", "again"):
        trained(tmp_path / name, tiny("bert", num_layers=2), method="full", groups=groups)
        files.append(weights(tmp_path / name / "run"))
    assert files[0] == files[1]


@pytest.mark.parametrize(("method", "layers"), [("head", None), ("side", None), ("lora", 1)])
def test_cached_equals_uncached(method: str, layers: int | None, tiny: TinyModel, tmp_path: Path) -> None:
    found = []
    for name, cache in (("cached", {"dtype": "float32"}), ("plain", {"off": "true"})):
        groups = {"cache": cache, "method": {} if layers is None else {"layers": layers}}
        summary = trained(tmp_path / name, tiny("gpt2", num_layers=2), method=method, groups=groups)
        vectors = lightune.load(tmp_path / name / "run").vectors(TEXTS)
        found.append((summary["final_loss"], vectors))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-5)
    assert np.abs(found[0][1] - found[1][1]).max() < 1e-5


@pytest.mark.parametrize(("method", "kind"), SAVED)
def test_saved_runs_give_the_same_vectors(method: str, kind: str, tiny: TinyModel, tmp_path: Path) -> None:
    seen: list[np.ndarray] = []
    original = learn.learn

    def look(prepared: Prepared, gathered: Any, *given: Any, **named: Any) -> Any:
        progress = original(prepared, gathered, *given, **named)
        seen.append(learn.predict_logits(prepared, gathered.task, np.arange(4)))
        seen.append(gathered.examples[:4])
        return progress

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learn, "learn", look)
        groups = {"cache": {"dtype": "float32"}, "train": {"learning_rate": 1e-2}}
        trained(tmp_path, tiny(kind, num_layers=2), method=method, groups=groups)
    run = lightune.load(tmp_path / "run")
    texts = [one.texts[0] for one in seen[1]]
    assert np.abs(run.vectors(texts) - seen[0][:, 0]).max() < 1e-5
    assert np.abs(run.vectors(texts) - plain_vectors(tiny(kind, num_layers=2), texts)).max() > 1e-4
    said = run.predict(texts)
    assert [one.label for one in said] == [None] * 4
    assert np.array_equal(np.stack([one.vector for one in said]), run.vectors(texts))


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("lora", "bert"),
        *(
            pytest.param(method, kind, marks=pytest.mark.slow)
            for method, kind in (("full", "bert"), ("lora", "gpt2"), ("full", "gpt2"))
        ),
    ],
)
def test_the_card_opens_it_without_lightune(method: str, kind: str, tiny: TinyModel, tmp_path: Path) -> None:
    """The printed lines, in a process of their own, give the same vectors."""
    groups = {"data": {"prefixes": "q: "}, "train": {"learning_rate": 1e-2}}
    trained(tmp_path, tiny(kind, num_layers=2), method=method, groups=groups)
    card = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert "pipeline_tag: sentence-similarity" in card
    code = re.findall(r"```python\n(.*?)```", card, re.DOTALL)[-1]
    code = code.replace('texts = ["a text"]', f"texts = {TEXTS!r}")
    code += "\nimport json, sys\nassert 'lightune' not in sys.modules\nprint(json.dumps(vectors.tolist()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "run", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = np.array(json.loads(done.stdout.splitlines()[-1]))
    assert np.abs(found - lightune.load(tmp_path / "run").vectors(TEXTS)).max() < 1e-5


def test_the_layout_says_how_vectors_are_made(tiny: TinyModel, tmp_path: Path) -> None:
    """What sentence-transformers reads: the steps, the pooling, the prompts."""
    groups = {"data": {"prefixes": "query: |passage: "}}
    trained(tmp_path, tiny("bert", num_layers=2), method="full", head="first", groups=groups)
    run = tmp_path / "run"
    steps = json.loads((run / "modules.json").read_text())
    assert [one["type"].rsplit(".", 1)[-1] for one in steps] == ["Transformer", "Pooling", "Normalize"]
    assert all(os.path.isdir(run / one["path"]) for one in steps)
    pooling = json.loads((run / "1_Pooling" / "config.json").read_text())
    assert [name for name, is_on in pooling.items() if is_on is True] == ["pooling_mode_cls_token"]
    prompts = json.loads((run / "config_sentence_transformers.json").read_text())["prompts"]
    assert prompts == {"query": "query: ", "document": "passage: "}
    expected = plain_vectors(run, [prompts["query"] + text for text in TEXTS], "first")
    assert np.abs(lightune.load(run).vectors(TEXTS, column="anchor") - expected).max() < 1e-5
    expected = plain_vectors(run, [prompts["document"] + text for text in TEXTS], "first")
    assert np.abs(lightune.load(run).vectors(TEXTS, column="positive") - expected).max() < 1e-5
