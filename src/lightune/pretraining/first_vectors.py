"""Word vectors as the first embeddings of a network: the seed of two-stage pre-training.

Collobert and Weston 2008; Kim 2014 (arXiv:1408.5882): what words mean is learnt cheaply first, from which
words stand near which, and the network above begins with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lightune.core.errors import UserError
from lightune.pretraining.vocabulary import Vocabulary

FILES = ("vectors.txt", "vectors.vec", "*.vec", "*.w2v", "*vectors*.txt")
Vectors = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Start:
    """What was put in: tokens with a vector of their own, of how many; the width of the vectors."""

    num_matched: int
    num_tokens: int
    width: int


def find_vectors(source: str) -> Path:
    """The file of vectors behind a path: itself, or the one in a run of word vectors.

    Raises:
        UserError: there is none.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return path
    for pattern in FILES:
        for file in sorted(path.glob(pattern)):
            return file
    hint = "Give a run of lightune pretrain --kind word2vec or glove, or a word2vec text file."
    raise UserError("there are no word vectors here", file=source, hint=hint)


def read_vectors(file: Path) -> dict[str, NDArray[np.float32]]:
    """Word -> (D,) from word2vec's text format (GloVe's, without the first line, too).

    Raises:
        UserError: a line that is not a word and its numbers, with the line.
    """
    found: dict[str, NDArray[np.float32]] = {}
    width = 0
    for number, words in _lines(file):
        if number == 1 and len(words) == 2:
            continue
        try:
            vector = np.array(words[1:], dtype=np.float32)
        except ValueError:
            vector = np.zeros(0, dtype=np.float32)
        width = width or len(vector)
        if not len(vector) or len(vector) != width:
            hint = "A line is a word and its numbers, parted by blanks: word2vec's text format."
            raise UserError("this line holds no word vector", file=file, line=number, hint=hint)
        found[words[0]] = vector
    if not found:
        raise UserError("there are no word vectors in this file", file=file)
    return found


def _lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with file.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, line.rstrip("\n ").split(" ")
    except UnicodeDecodeError:
        hint = "Write the vectors in word2vec's text format."
        raise UserError("this is not a text file", file=file, hint=hint) from None


def token_words(vocabulary: Vocabulary) -> dict[int, str]:
    """Number of a token -> the word it is, of those tokens that begin a word."""
    continues = vocabulary.continues_word()
    special = set(vocabulary.tokenizer.all_special_ids)
    words = (one.strip() for one in vocabulary.written(vocabulary.tokens()))
    return {
        number: word
        for number, word in enumerate(words)
        if word and number not in special and not continues[number]
    }


@torch.no_grad()
def start_embeddings(weight: torch.Tensor, words: Mapping[int, str], vectors: Vectors) -> Start:
    """Put the vectors of matching words into (V, H) embeddings, as wide apart as those were.

    Wider vectors are turned onto their H main directions; narrower ones leave the other columns as they are.
    """
    matched = {number: word if word in vectors else word.lower() for number, word in words.items()}
    matched = {number: word for number, word in matched.items() if word in vectors}
    width = len(next(iter(vectors.values())))
    if not matched:
        return Start(0, len(weight), width)
    matrix = np.stack([vectors[word] for word in matched.values()]).astype(np.float64)
    matrix -= matrix.mean(axis=0)
    if width > weight.shape[1]:
        _, _, directions = np.linalg.svd(matrix, full_matrices=False)
        matrix = matrix @ directions[: weight.shape[1]].T
    matrix *= float(weight.std()) / max(float(matrix.std()), 1e-12)
    rows = torch.tensor(list(matched))
    columns = matrix.shape[1]
    weight[rows, :columns] = torch.from_numpy(matrix).to(weight)
    return Start(len(matched), len(weight), width)
