"""Near rows and far rows, on vectors whose neighbours are known."""

from __future__ import annotations

import numpy as np
import pytest

from lightune.explain import neighbours
from lightune.explain.neighbours import directions, letters_alike, near_duplicates, nearest, outliers


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(5, 1, size=(60, 16))


def test_directions_have_length_one_and_no_common_part(vectors: np.ndarray) -> None:
    found = directions(vectors)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.abs((found @ found.T).mean()) < 0.05  # they all leant to (5, 5, ...) before


def test_nearest_equals_a_full_sort_over_several_blocks(
    vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", 7)
    found = directions(vectors)
    places, cosines = nearest(found, found, 5)
    everything = found @ found.T
    assert (places == np.argsort(-everything, axis=1, kind="stable")[:, :5]).all()
    assert np.allclose(cosines, np.sort(everything, axis=1)[:, ::-1][:, :5], atol=1e-6)


def test_near_duplicates_need_both_states_and_letters(vectors: np.ndarray) -> None:
    vectors[1], vectors[2], vectors[3] = vectors[0] + 0.01, vectors[0] - 0.01, vectors[0]
    texts = [f"row {number} says {number * 7919}" for number in range(60)]
    texts[0], texts[1] = "the film was rather good", "the film was rather good!"
    texts[2] = "an entirely other sentence"  # close states, other words
    texts[3] = "The film  was rather good"  # equal but for case and blanks: `check` tells it already
    found = near_duplicates(texts, directions(vectors))
    assert [(one.first, one.second) for one in found] == [(0, 1), (1, 3)]
    assert all(0.99 < one.cosine <= 1 for one in found)


def test_letters_alike() -> None:
    assert letters_alike("abcd", "abcd") == 1
    assert letters_alike("abcd", "wxyz") == 0
    assert letters_alike("abcd", "abce") == pytest.approx(2 * 1 / 4)
    assert letters_alike("", "") == 1


def test_outlier_is_what_has_no_neighbours() -> None:
    generator = np.random.default_rng(0)
    crowd = np.array([1.0] + [0.0] * 15) + 0.05 * generator.normal(size=(80, 16))
    crowd[:40] *= -1
    crowd[17] = np.eye(16)[5] * 3
    is_far, distance = outliers(directions(crowd))
    assert np.flatnonzero(is_far).tolist() == [17] and distance.argmax() == 17


def test_few_rows_have_no_outliers(vectors: np.ndarray) -> None:
    assert not outliers(directions(vectors[:8]))[0].any()
