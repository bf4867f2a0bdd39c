"""Word vectors as first embeddings: which tokens get one, and how they fit another width."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lightune.core.errors import UserError
from lightune.pretraining.first_vectors import find_vectors, read_vectors, start_embeddings, token_words
from tests.pretraining.making import vocabulary


def write(path: Path, words: list[str], width: int, *, has_head: bool = True) -> Path:
    random = np.random.default_rng(0)
    lines = [f"{len(words)} {width}"] if has_head else []
    lines += [f"{word} {' '.join(f'{one:.4f}' for one in random.normal(size=width))}" for word in words]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


WORDS = ["film", "good", "bad", "the", "weather", "zebra", "电"]


@pytest.mark.parametrize("has_head", [True, False])
def test_text_format_is_read(has_head: bool, tmp_path: Path) -> None:
    found = read_vectors(write(tmp_path / "a.txt", WORDS, 5, has_head=has_head))
    assert list(found) == WORDS
    assert all(one.shape == (5,) for one in found.values())


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_words_that_are_tokens_get_a_vector(kind: str, tmp_path: Path) -> None:
    words = token_words(vocabulary(kind))
    vectors = read_vectors(write(tmp_path / "a.txt", WORDS, 16))
    weight = torch.randn(vocabulary(kind).size, 16) * 0.02
    before = weight.clone()
    start = start_embeddings(weight, words, vectors)
    rows = [number for number, word in words.items() if word in vectors]
    assert start.num_matched == len(rows) >= 4
    others = [number for number in range(len(weight)) if number not in rows]
    assert torch.equal(weight[others], before[others])
    assert float(weight[rows].std()) == pytest.approx(float(before.std()), rel=0.1)


@pytest.mark.parametrize("width", [4, 16])
def test_another_width_keeps_what_is_near(width: int, tmp_path: Path) -> None:
    vectors = {word: np.float32([one, -one, 0.1 * place, 0, 0, 0, 0, 0]) for place, (word, one) in
               enumerate(zip(WORDS[:4], (3.0, 2.9, -3.0, -2.9), strict=True))}  # fmt: skip
    words = token_words(vocabulary("bert"))
    weight = torch.zeros(vocabulary("bert").size, width).normal_(std=0.02)
    before = weight.clone()
    start_embeddings(weight, words, vectors)
    numbers = {word: number for number, word in words.items()}
    film, good, bad = (weight[numbers[word]][:8] for word in ("film", "good", "bad"))
    assert torch.cosine_similarity(film, good, dim=0) > 0.9 > torch.cosine_similarity(film, bad, dim=0)
    if width > 8:
        assert torch.equal(weight[:, 8:], before[:, 8:])


def test_broken_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("2 3\nfilm 1 2 3\ngood 1 2\n")
    with pytest.raises(UserError, match=r"a\.txt:3"):
        read_vectors(file)


def test_folder_without_vectors_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no word vectors"):
        find_vectors(str(tmp_path))
