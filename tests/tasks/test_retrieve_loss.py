"""The losses of sentence vectors against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lightune.backbones.prefixes import choose_prefixes
from lightune.core.errors import UserError
from lightune.core.rows import Example, Row
from lightune.data.profile import no_labels
from lightune.tasks.retrieve import SCALE, Retrieve, in_batch_loss, order_loss


def vectors(*shape: int) -> torch.Tensor:
    """Random vectors of length 1."""
    return torch.nn.functional.normalize(torch.randn(*shape), dim=-1)


def test_pairs_are_classified_among_the_others() -> None:
    known = vectors(6, 2, 5)
    expected = torch.nn.functional.cross_entropy(
        SCALE * known[:, 0] @ known[:, 1].T, torch.arange(6), reduction="none"
    )
    assert torch.allclose(in_batch_loss(known, torch.arange(12).reshape(6, 2)), expected)


def test_negatives_of_all_rows_count() -> None:
    known, numbers = vectors(4, 3, 5), torch.arange(12).reshape(4, 3)
    candidates = torch.cat([known[:, 1], known[:, 2]])
    expected = torch.nn.functional.cross_entropy(
        SCALE * known[:, 0] @ candidates.T, torch.arange(4), reduction="none"
    )
    assert torch.allclose(in_batch_loss(known, numbers), expected)


def test_equal_texts_are_not_held_against_each_other() -> None:
    """Rows 0 and 1 share their positive, rows 0 and 2 their query; row 3's negative is its query."""
    known = vectors(4, 3, 5)
    numbers = torch.tensor([[1, 50, 60], [2, 50, 61], [1, 52, 62], [4, 53, 4]])
    similar = SCALE * known[:, 0] @ torch.cat([known[:, 1], known[:, 2]]).T
    gone = {0: [1, 2], 1: [0], 2: [0], 3: [7]}
    for row, columns in gone.items():
        kept = [column for column in range(8) if column not in columns]
        expected = torch.logsumexp(similar[row, kept], 0) - similar[row, row]
        assert torch.allclose(in_batch_loss(known, numbers)[row], expected, atol=1e-5)


def test_numbers_are_learnt_by_their_order() -> None:
    known, wanted = vectors(5, 2, 4), torch.tensor([3.0, 1.0, 2.0, 2.0, 5.0])
    similar = SCALE * (known[:, 0] * known[:, 1]).sum(-1)
    for row in range(5):
        below = [other for other in range(5) if wanted[other] < wanted[row]]
        total = sum((torch.exp(similar[other] - similar[row]) for other in below), torch.tensor(0.0))
        assert torch.allclose(order_loss(known, wanted)[row], torch.log(1 + total), atol=1e-5)
    scaled = order_loss(known, 100 * wanted - 7)  # only the order counts
    assert torch.allclose(scaled, order_loss(known, wanted))


def test_a_row_without_a_side_has_no_gold() -> None:
    task = Retrieve()
    row = Row(3, {"anchor": "where", "positive": "  ", "other": "here"}, "a.csv", 5)
    assert task.row_to_example(row, ("anchor", "positive"), 1.0).gold is None
    assert task.row_to_example(row, ("anchor", "other"), 1.0).gold == 1.0


def test_a_single_text_stands_on_its_side() -> None:
    task = Retrieve()
    task.suit("multilingual-e5-small", ["question", "passage"], "auto")
    found = [
        task.readings(task.row_to_example(Row(0, {name: "x"}, ""), (name,), None))
        for name in ("question", "passage", "elsewhere")
    ]
    assert found == [[("query: x",)], [("passage: x",)], [("query: x",)]]
    again = Retrieve()
    again.restore(task.state())
    assert again.readings(Example(("a", "b"))) == [("query: a",), ("passage: b",)]


def test_numbers_of_texts_do_not_depend_on_the_process() -> None:
    """`--resume` compares them."""
    task = Retrieve()
    task.learn([Example(("A  b", "c"), 1.0)])
    found = task.targets([Example(("A  b", "c"), 1.0), Example(("a B", "d"), 1.0)])
    assert found[0, 0] == found[1, 0] == 2952434739088078779
    assert len(np.unique(found)) == 3


def test_bad_numbers_and_three_texts_are_refused() -> None:
    task = Retrieve()
    with pytest.raises(UserError, match="not a number"):
        task.gold(Row(0, {"score": "high"}, "a.csv", 2), "score", no_labels(1))
    with pytest.raises(UserError, match="not of three"):
        task.learn([Example(("a", "b", "c"), 1.0), Example(("a", "b", "c"), 2.0)])


@pytest.mark.parametrize(
    ("model", "columns", "asked", "expected"),
    [
        ("minilm", ["query", "passage"], "auto", ("", "")),
        ("e5-multilingual", ["query", "passage"], "auto", ("query: ", "passage: ")),
        ("intfloat/multilingual-e5-small", ["prompt", "response"], "auto", ("query: ", "passage: ")),
        ("e5-multilingual", ["en", "zh"], "auto", ("", "")),
        ("e5-multilingual", ["query", "passage"], "none", ("", "")),
        ("minilm", ["a", "b"], "q: ", ("q: ", "q: ")),
        ("minilm", ["a", "b"], "q: |p: ", ("q: ", "p: ")),
    ],
)
def test_prefixes(model: str, columns: list[str], asked: str, expected: tuple[str, str]) -> None:
    assert choose_prefixes(model, columns, asked)[0] == expected
