"""`lightune nearest`: the words whose vectors lie nearest to that of a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightune.core.errors import UserError
from lightune.history.language._vectors import WordVectors, read_vectors
from lightune.history.language.word2vec import Word2vec
from lightune.runs.language_folder import is_language_run
from lightune.steps.languages import open_run

SUFFIXES = (".bin", ".txt", ".vec")


def nearest_words(source: Path, words: list[str], top: int) -> dict[str, Any]:
    """{words: [{word, nearest: [{word, cosine}]}]} of a run of word vectors, or of a word2vec file.

    Raises:
        UserError: no word vectors there, or none of a word.
    """
    if not words:
        raise UserError("there is no word", hint="Like: lightune nearest runs/brown-word2vec-1 river")
    if top < 1:
        raise UserError(f"--top cannot be {top}", hint="Give 1 or more.")
    model = _open(source)
    found = []
    for word in words:
        near = [{"word": one, "cosine": cosine} for one, cosine in model.nearest(word, top)]
        found.append({"word": word, "nearest": near})
    return {"words": found, "run": str(source)}


def _open(source: Path) -> WordVectors:
    if source.is_file() and source.suffix in SUFFIXES:
        return Word2vec(*read_vectors(source))
    model, state = open_run(source) if is_language_run(source) else (None, None)
    if isinstance(model, WordVectors):
        return model
    kind = f", it is {state.kind}" if state else ""
    hint = "Make some with: lightune pretrain CORPUS --kind word2vec"
    raise UserError(f"this is no run of word vectors{kind}", file=source, hint=hint)
