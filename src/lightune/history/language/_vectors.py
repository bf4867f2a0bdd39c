"""What all kinds of word vectors share: reading words, the word2vec file formats, neighbours, WordSim-353."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lightune.core.errors import UserError, missing_extra, nearest
from lightune.core.settings import Settings as Group
from lightune.data.corpus import Corpus
from lightune.evaluate.intervals import bootstrap
from lightune.history._pieces import is_written_without_spaces
from lightune.history.language.base import LanguageModel, Lesson

Vectors = NDArray[np.float32]
STATE_FILE = "vectors.json"
FILES = {"binary": "vectors.bin", "text": "vectors.txt"}
WORD = re.compile(r"\w+(?:['’-]\w+)*")
SAMPLED_TEXTS = 500
FEWEST_PAIRS = 20  # of a list of judgements; fewer tell nothing
RANDOM_DRAWS = 20


class VectorSettings(Group):
    """`--pretrain.*` of all word vectors."""

    width: int = Field(100, ge=2, le=4096, description="numbers of one vector")
    window: int = Field(5, ge=1, le=100, description="words to each side that count as near")
    epochs: int = Field(15, ge=1, le=10_000, description="times the corpus is gone through")
    min_count: int = Field(5, ge=1, description="rarer words get no vector")
    workers: int = Field(1, ge=1, le=256, description="threads; one alone gives the same vectors every time")
    format: Literal["binary", "text"] = Field(
        "text", description="which word2vec format the run keeps; --embeddings reads text"
    )


class WordVectors(LanguageModel):
    """V words and their vectors, most frequent first.

    Args:
        words: V different words; vectors: (V, H).
    """

    has_probabilities: ClassVar[bool] = False
    can_write: ClassVar[bool] = False

    def __init__(self, words: Sequence[str], vectors: Vectors, file_format: str = "text") -> None:
        self.words = list(words)
        self.vectors = vectors
        self.file_format = file_format
        self.number_of = {word: number for number, word in enumerate(self.words)}

    def save(self, folder: Path) -> None:
        """`vectors.bin` or `vectors.txt`, which other programs read, and `vectors.json`."""
        from gensim.models import KeyedVectors

        keyed = KeyedVectors(self.vectors.shape[1])
        keyed.add_vectors(self.words, self.vectors)
        is_binary = self.file_format == "binary"
        keyed.save_word2vec_format(str(folder / FILES[self.file_format]), binary=is_binary)
        (folder / STATE_FILE).write_text(json.dumps({"format": self.file_format}), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open what `save` wrote."""
        file_format = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))["format"]
        words, vectors = read_vectors(folder / FILES[file_format])
        return cls(words, vectors, file_format)

    def describe(self) -> dict[str, Any]:
        """Words and width."""
        return {"vocabulary": len(self.words), "width": int(self.vectors.shape[1])}

    def vector(self, word: str) -> Vectors:
        """(H,) of a word, as it is or in lower case.

        Raises:
            UserError: a word that was not in the corpus often enough.
        """
        for one in (word, word.lower()):
            if one in self.number_of:
                found: Vectors = self.vectors[self.number_of[one]]
                return found
        raise UserError(f"there is no vector of {word!r}", hint=nearest(word, self.words[:2000])[:200])

    def nearest(self, word: str, top: int) -> list[tuple[str, float]]:
        """The `top` words with the largest cosine to `word`, without itself."""
        wanted = self.vector(word)
        lengths = np.linalg.norm(self.vectors, axis=1) * np.linalg.norm(wanted)
        cosines = self.vectors @ wanted / np.maximum(lengths, 1e-12)
        order = np.argsort(-cosines, kind="stable")
        found = [(self.words[place], float(cosines[place])) for place in order[: top + 1]]
        return [one for one in found if one[0] not in {word, word.lower()}][:top]

    def similar(self, pairs: Sequence[tuple[str, str, float]]) -> dict[str, Any]:
        """Spearman's rank correlation of cosines with judged (word, word, score), beside random vectors.

        Words without a vector are left out and counted in `pairs`; {} where too few are left.
        """
        known = [
            (self.number_of[a.lower()], self.number_of[b.lower()], score)
            for a, b, score in pairs
            if a.lower() in self.number_of and b.lower() in self.number_of
        ]
        if len(known) < FEWEST_PAIRS:
            return {}
        gold = np.array([score for _, _, score in known])
        places = np.array([(a, b) for a, b, _ in known])
        found = _spearman(self.vectors, places, gold)
        draws = np.random.default_rng(0)
        random = [
            _spearman(draws.standard_normal(self.vectors.shape).astype(np.float32), places, gold)["value"]
            for _ in range(RANDOM_DRAWS)
        ]
        scores: dict[str, Any] = {"wordsim353_spearman": found, "wordsim353_pairs": len(known)}
        return {**scores, "random_vectors_spearman": float(np.mean(np.abs(random)))}


def _spearman(vectors: Vectors, places: NDArray[np.int64], gold: NDArray[np.float64]) -> dict[str, float]:
    """{value, low, high} by drawing pairs again."""
    from scipy.stats import rankdata

    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    cosines = (unit[places[:, 0]] * unit[places[:, 1]]).sum(1)

    def figure(rows: Any) -> dict[str, float]:
        one, other = rankdata(cosines[rows]), rankdata(gold[rows])
        return {"spearman": float(np.corrcoef(one, other)[0, 1])}

    low, high = bootstrap(figure, len(gold))["spearman"]
    return {"value": figure(np.arange(len(gold)))["spearman"], "low": low, "high": high}


def judged_pairs() -> list[tuple[str, str, float]]:
    """WordSim-353 (Finkelstein et al. 2002), the file that gensim brings."""
    from gensim.test.utils import datapath

    found = []
    for line in Path(datapath("wordsim353.tsv")).read_text(encoding="utf-8").splitlines():
        cells = line.split("\t")
        if not line.startswith("#") and len(cells) == 3 and cells[2].replace(".", "").isdigit():
            found.append((cells[0], cells[1], float(cells[2])))
    return found


def read_vectors(path: Path) -> tuple[list[str], Vectors]:
    """(words, (V, H)) of a file in word2vec's binary (.bin) or text format.

    Raises:
        UserError: it is neither.
    """
    require_gensim()
    from gensim.models import KeyedVectors

    try:
        keyed = KeyedVectors.load_word2vec_format(str(path), binary=path.suffix == ".bin")
    except (ValueError, UnicodeDecodeError, EOFError) as error:
        hint = "A .bin file is read as word2vec's binary format, all others as its text format."
        raise UserError(f"these are no word vectors: {error}", file=path, hint=hint) from None
    return list(keyed.index_to_key), np.asarray(keyed.vectors, dtype=np.float32)


def require_gensim() -> None:
    """Raise `UserError` with the command that installs it."""
    if find_spec("gensim") is None:
        raise missing_extra("gensim", "vectors")


class Sentences:
    """The words of each text in lower case, again and again; single characters where there are no blanks."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        first = [text for text, _ in zip(corpus.texts(), range(SAMPLED_TEXTS), strict=False)]
        self.has_words = not is_written_without_spaces(first)

    def __iter__(self) -> Iterator[list[str]]:
        for text in self.corpus.texts():
            words = WORD.findall(text.lower()) if self.has_words else [one for one in text if one.isalnum()]
            if words:
                yield words


def learn_by_gensim(learner: Any, sentences: Sentences, lesson: Lesson) -> None:
    """All epochs of gensim's word2vec or fastText, with a bar that moves after each."""
    from gensim.models.callbacks import CallbackAny2Vec

    epochs = lesson.settings.epochs
    with lesson.show.bar(type(learner).__name__, epochs) as bar:

        class Advance(CallbackAny2Vec):  # gensim asks for a class of its own
            def on_epoch_end(self, model: Any) -> None:
                bar.advance()

        learner.train(sentences, total_examples=learner.corpus_count, epochs=epochs, callbacks=[Advance()])


def finish(model: WordVectors, lesson: Lesson) -> None:
    """Measure against people's judgements, where the words are English."""
    lesson.log.scores |= model.similar(judged_pairs())
    lesson.log.facts.append(("words", f"{len(model.words):,}", f"{lesson.settings.min_count} times or more"))


def require_words(words: Sequence[str], lesson: Lesson) -> None:
    """Raise `UserError` when no word is frequent enough."""
    if len(words) < 2:
        least = lesson.settings.min_count
        hint = "Give a larger corpus, or a lower --pretrain.min-count."
        raise UserError(f"fewer than two words occur {least} times", file=lesson.train.name, hint=hint)
