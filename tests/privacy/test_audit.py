"""Attacks: guessing where there is nothing to find, finding where there is, less under privacy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lightune
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.privacy.attack import area, exposure, likelihood_ratios, margins, measure_attack
from lightune.privacy.canaries import add_canaries, codes
from lightune.steps.audit import audit, halves_of
from tests.cli.running import lightune as command


def test_area_is_sklearns() -> None:
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    members, others = random.normal(0.4, 1, 300).round(1), random.normal(0, 1, 200).round(1)
    wanted = roc_auc_score(np.r_[np.ones(300), np.zeros(200)], np.r_[members, others])
    assert area(members, others) == pytest.approx(wanted)
    attack = measure_attack("loss", members, others)
    assert attack.low < attack.auc < attack.high
    assert attack.low > 0.5
    nothing = measure_attack("loss", random.normal(size=300), random.normal(size=300))
    assert nothing.low < 0.5 < nothing.high
    assert "cannot be told" in nothing.verdict


def test_likelihood_ratio_finds_what_the_loss_cannot() -> None:
    """Examples of very different difficulty: only against references is a small shift seen."""
    random = np.random.default_rng(0)
    hard, was_in = random.normal(0, 5, 400), random.random((16, 400)) < 0.5
    references = hard + was_in + random.normal(0, 0.5, (16, 400))
    member = np.arange(400) < 200
    target = hard + member + random.normal(0, 0.5, 400)
    scores = likelihood_ratios(target, references, was_in)
    assert area(scores[:200], scores[200:]) > 0.85
    assert area(target[:200], target[200:]) < 0.65


def test_every_row_is_in_half_of_the_references() -> None:
    halves = np.stack(halves_of(50, 4, np.random.default_rng(0)))
    assert (halves.sum(axis=0) == 2).all()
    lone = np.stack(halves_of(50, 1, np.random.default_rng(0)))
    scores = likelihood_ratios(np.zeros(50), np.zeros((1, 50)), lone)  # no centre for rows of one side: 0
    assert np.isfinite(scores).all()


def test_margins_and_exposure() -> None:
    assert margins(np.array([np.log(2.0)]))[0] == pytest.approx(0.0, abs=1e-9)
    assert np.isfinite(margins(np.array([0.0, 1e3]))).all()
    others = np.arange(1.0, 64.0)
    assert exposure(0.0, others) == 6.0
    assert exposure(100.0, others) == 0.0


@pytest.fixture(scope="module")
def runs(tiny, tmp_path_factory) -> tuple[Path, Path, Path]:
    """A model that has learnt random labels by heart, the same privately, and their synthetic data."""
    folder = tmp_path_factory.mktemp("audit")
    random = np.random.default_rng(0)
    words = [f"{a}{b}" for a in "sun moon tree river stone cloud".split() for b in ("", "s", "y", "er")]
    lines = [f"{' '.join(random.choice(words, 9))},{random.integers(2)}" for _ in range(240)]
    data = folder / "synthetic.csv"
    data.write_text("text,label\n" + "\n".join(lines) + "\n")
    known = {"model": str(tiny("bert")), "method": "full"}
    settings = {"data": {"test_fraction": "0.4", "validation_fraction": "0"}}
    train = {"epochs": "60", "learning_rate": "0.002", "batch_rows": "16"}
    lightune.train(data, output=str(folder / "usual"), groups={**settings, "train": train}, **known)
    private = {**settings, "privacy": {"epsilon": "2"}, "train": {"epochs": "2", "batch_rows": "64"}}
    lightune.train(data, output=str(folder / "private"), groups=private, **known)
    return folder / "usual", folder / "private", data


@pytest.mark.slow
def test_learning_by_heart_is_found_and_privacy_hides_it(runs) -> None:
    usual, private, data = runs
    ended = command("audit", usual, private, data, "--references", "2", "--json")
    assert ended.code == 0, ended.err
    one, other = ended.json["runs"]
    assert other["epsilon"] <= 2.0
    by_loss, hidden = one["attacks"][0], other["attacks"][0]
    assert by_loss["auc"] > 0.7, by_loss
    assert abs(hidden["auc"] - 0.5) < abs(by_loss["auc"] - 0.5) / 2, (by_loss, hidden)
    assert [attack["name"] for attack in one["attacks"]] == ["loss", "2 references"]
    assert "gives away" in by_loss["verdict"]


@pytest.mark.slow
def test_other_data_is_refused(runs, tmp_path) -> None:
    lines = [f"other words {row},{row % 2}" for row in range(100)]
    (tmp_path / "other.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    with pytest.raises(UserError, match="of its training"):
        audit([runs[0]], str(tmp_path / "other.csv"), Show(is_quiet=True), references=0)


@pytest.mark.slow
def test_canaries_are_ranked(tiny, tmp_path) -> None:
    """A writer that has read its canaries hundreds of times knows them; those held out it does not."""
    from lightune.core.rows import Row, Table

    rows = [Row(place, {"prompt": "a b", "reply": "c d"}, "x") for place in range(3)]
    table, found = add_canaries(Table(rows, ["prompt", "reply"], "x", "csv"), "prompt", "reply", 5, seed=0)
    assert len(table) == 8
    assert found[0]["row"] == 3
    assert found[0]["code"] in found[0]["reply"]
    assert len(set(codes(100, 0))) == 100
    with pytest.raises(UserError, match="two text columns"):
        add_canaries(Table([Row(0, {"prompt": "a"}, "x")], ["prompt"], "x", "csv"), "prompt", "reply", 5, 0)
    lines = [f'"say {word}","{word} {word}"' for word in "sun moon tree river stone cloud".split() * 5]
    (tmp_path / "synthetic.csv").write_text("prompt,reply\n" + "\n".join(lines) + "\n")
    lightune.train(
        tmp_path / "synthetic.csv",
        task="instruct",
        model=str(tiny("gpt2")),
        method="lora",
        output=str(tmp_path / "run"),
        groups={
            "privacy": {"canaries": "20"},
            "train": {"epochs": "3"},
            "data": {"duplicates": "keep", "test_fraction": "0.2", "validation_fraction": "0.2"},
        },
    )
    result = audit([tmp_path / "run"], None, Show(is_quiet=True), references=None)["runs"][0]["canaries"]
    assert result["trained"]["number"] + result["held"]["number"] == 20
    assert result["trained"]["number"] >= 5
    assert 0 <= result["trained"]["bits"] <= 6
