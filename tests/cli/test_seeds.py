"""`train --seeds`: other starts on the same split, and no trace of them in the run itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lightune.run import load
from tests.cli.running import lightune, plain
from tests.making import TinyModel, sentences, write_csv


@pytest.mark.parametrize("method", ["head", "lora"])
def test_other_seeds_and_the_run_as_it_would_be_without(method: str, tiny: TinyModel, tmp_path: Path) -> None:
    write_csv(tmp_path / "data.csv", list(sentences(80)))
    words = (
        "train",
        "data.csv",
        "--model",
        tiny("bert"),
        "--method",
        method,
        "--train.epochs",
        "3",
        "--json",
    )
    plainly = lightune(*words, "--output", "plain", folder=tmp_path).json
    ended = lightune(*words, "--seeds", "2", "--output", "seeded", folder=tmp_path)
    seeds = ended.json["seeds"]
    assert [one["seed"] for one in seeds["seeds"]] == [1, 2]
    values = [one["accuracy"] for one in seeds["seeds"]]
    assert seeds["mean"]["accuracy"] == pytest.approx(np.mean(values))
    assert seeds["deviation"]["accuracy"] == pytest.approx(np.std(values, ddof=1))
    assert "seed 1: accuracy" in plain(ended.err)
    assert ended.json["metrics"] == plainly["metrics"] and ended.json["final_loss"] == plainly["final_loss"]
    taken = ([one["what"] for one in each["decisions"]] for each in (ended.json, plainly))
    assert next(taken) == next(taken)
    texts = [(text,) for text, _ in sentences(10, seed=3)]
    assert np.allclose(load(tmp_path / "plain").logits(texts), load(tmp_path / "seeded").logits(texts))
