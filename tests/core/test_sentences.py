"""Sentences are cut where a reader would cut them."""

from __future__ import annotations

import pytest

from lightune.core.sentences import split_sentences


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Ada left. Bob came!  He sat.", ["Ada left.", "Bob came!", "He sat."]),
        ("Dr. Low met J. Smith at 3.5 p.m. on time.", ["Dr. Low met J. Smith at 3.5 p.m. on time."]),
        ("他来了。她走了！好", ["他来了。", "她走了！", "好"]),
        ('"Go." She went.', ['"Go."', "She went."]),
        ("a line\n\nanother one ", ["a line", "another one"]),
        ("  ", []),
        ("", []),
    ],
)
def test_sentences(text: str, pieces: list[str]) -> None:
    assert [text[start:end] for start, end in split_sentences(text)] == pieces


def test_no_entity_is_cut() -> None:
    text = "They sing Oh! Yes at night. Good."
    at = text.index("Oh! Yes")
    whole = [(at, at + len("Oh! Yes"))]
    assert [text[a:b] for a, b in split_sentences(text, whole)] == ["They sing Oh! Yes at night.", "Good."]
