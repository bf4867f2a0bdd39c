"""Word vectors: they find what stands together, their files are word2vec's, GloVe's gradient is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightune.core import plugins
from lightune.core.progress import Show
from lightune.data.corpus import Corpus
from lightune.history import language
from lightune.history.language._vectors import WordVectors, judged_pairs
from lightune.history.language.base import LanguageModel, Lesson, Log, NoSettings
from lightune.history.language.glove import Fit, cooccurrences
from lightune.history.language.word2vec import Word2vec
from tests.cli.running import lightune

pytest.importorskip("gensim")
KINDS = ("word2vec", "fasttext", "glove")
GROUPS = ("apple pear plum grape", "red green blue white", "run walk jump swim")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic texts: words of one group stand together, with one word of any group."""
    draw = np.random.default_rng(0)
    groups = [group.split() for group in GROUPS]
    everything = [word for group in groups for word in group]
    lines = [
        " ".join([*draw.choice(groups[number % 3], size=7), draw.choice(everything)]) for number in range(900)
    ]
    file = tmp_path_factory.mktemp("vectors") / "corpus.txt"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def learn(corpus: Path, kind: str, **settings: Any) -> WordVectors:
    found: Any = plugins.load(language, kind, LanguageModel)
    texts = Corpus("corpus", (corpus,))
    if kind != "glove":
        settings["subsample"] = 0  # each of the twelve words is frequent
    chosen = found.Settings(width=16, window=3, **settings)
    show = Show(is_quiet=True)
    return found.train(Lesson(texts, texts, chosen, NoSettings(), 0, show, corpus.parent, Log()))


@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_are_of_the_same_group(corpus: Path, kind: str, tmp_path: Path) -> None:
    model = learn(corpus, kind, epochs=30)
    for group in GROUPS:
        first, *others = group.split()
        assert {word for word, _ in model.nearest(first, 3)} == set(others)
    again = learn(corpus, kind, epochs=30)
    assert (again.vectors == model.vectors).all(), "the same seed gives the same vectors"
    model.save(tmp_path)
    opened = type(model).load(tmp_path)
    assert opened.nearest("red", 3)[0][0] == model.nearest("red", 3)[0][0]
    assert opened.vector("plum") == pytest.approx(model.vector("plum"), abs=1e-5)


@pytest.mark.parametrize("file_format", ["binary", "text"])
def test_gensim_reads_what_is_written(tmp_path: Path, file_format: str) -> None:
    from gensim.models import KeyedVectors

    vectors = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    model = Word2vec(["one", "two", "三"], vectors, file_format)
    model.save(tmp_path)
    name = {"binary": "vectors.bin", "text": "vectors.txt"}[file_format]
    read = KeyedVectors.load_word2vec_format(str(tmp_path / name), binary=file_format == "binary")
    assert read["三"] == pytest.approx(vectors[2], abs=1e-5)
    assert Word2vec.load(tmp_path).words == model.words


def test_fasttext_has_a_vector_of_a_new_word(corpus: Path) -> None:
    model = learn(corpus, "fasttext", epochs=10)
    assert "apples" not in model.words
    assert model.nearest("apples", 1)[0][0] == "apple"


def test_cooccurrences_are_counted_within_texts() -> None:
    counts = cooccurrences(np.array([0, 1, 2, -2, 2, -1, 0, -2]), 3, 2).toarray()
    assert counts[0, 1] == counts[1, 0] == 1
    assert counts[0, 2] == pytest.approx(0.5 + 0.5)
    assert counts[1, 2] == 1
    assert np.trace(counts) == 0


def test_glove_goes_down_the_gradient_of_its_loss() -> None:
    import torch

    counts = cooccurrences(np.random.default_rng(0).integers(0, 9, 300), 9, 3)
    fit = Fit(counts, 5, 10.0, seed=0)
    before = [one.copy() for one in fit.parameters]
    fit.epoch(0.05)
    known = [torch.tensor(one, requires_grad=True) for one in before]
    rows, columns = torch.tensor(counts.row).long(), torch.tensor(counts.col).long()
    found = (known[0][rows, :-1] * known[1][columns, :-1]).sum(1) + known[0][rows, -1] + known[1][columns, -1]
    weights = torch.tensor(np.minimum(1, (counts.data / 10) ** 0.75))
    loss = 0.5 * (weights * (found - torch.log(torch.tensor(counts.data))) ** 2).sum()
    loss.backward()
    for start, parameter, after in zip(before, known, fit.parameters, strict=True):
        gradient = parameter.grad.numpy()
        assert after == pytest.approx(start - 0.05 * gradient / np.sqrt(1 + gradient**2), abs=1e-5)


def test_random_vectors_know_nothing_of_similarity() -> None:
    pairs = judged_pairs()
    assert len(pairs) == 353
    words = sorted({word.lower() for pair in pairs for word in pair[:2]})
    vectors = np.random.default_rng(1).standard_normal((len(words), 50)).astype(np.float32)
    scores = Word2vec(words, vectors).similar(pairs)
    assert scores["wordsim353_spearman"]["low"] < 0.12
    assert scores["random_vectors_spearman"] < 0.12
    assert scores["wordsim353_pairs"] == 353


def test_commands(corpus: Path, tmp_path: Path) -> None:
    words = ("pretrain", corpus, "--kind", "word2vec", "--pretrain.width", "8", "--pretrain.min-count", "1")
    ended = lightune(*words, "--output", "run", "--json", folder=tmp_path)
    assert ended.json["kind"] == "word2vec", ended.err
    near = lightune("nearest", "run", "red", "--top", "3", "--json", folder=tmp_path).json
    assert len(near["words"][0]["nearest"]) == 3
    assert lightune("nearest", "run/vectors.txt", "red", "--json", folder=tmp_path).json["words"]
    for command in (
        ("score", "run", corpus),
        ("generate", "run", "--prompt", "red"),
        ("evaluate", "run", corpus),
    ):
        ended = lightune(*command, folder=tmp_path)
        assert ended.code == 2, command
        assert "word2vec" in ended.err
    ended = lightune("nearest", "run", "reed", folder=tmp_path)
    assert "Did you mean 'red'" in ended.err
