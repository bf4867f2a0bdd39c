"""TF-IDF and a linear model: weighted word counts, the standard before word vectors (Spärck Jones 1972)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightune.history.base import Baseline, Kind, Texts

# Chinese characters, Japanese kana, Thai, Lao, Myanmar, Khmer: written without spaces between words.
WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
WORD_OR_SIGN = r"\w+|[^\w\s]"
MAX_FEATURES = 200_000
# Parts of words add 1.7 points (0.773 -> 0.790, 4,000 movie sentences, four random splits, 2026-11), but
# counting them in long texts takes minutes.
MOST_CHARACTERS_FOR_LETTERS = 3_000_000
STRENGTHS = (1.0, 3.0, 10.0, 30.0)
USUAL_STRENGTH = 3.0
MOST_WORK_TO_CHOOSE = 3e8  # values x classes; above it one fit takes several seconds on one core


class TfIdf(Baseline):
    """Words, pairs and parts of words (or 1-3 characters), then logistic regression or, for numbers, ridge.

    How far the weights may grow is chosen on a fifth of the training rows.
    """

    name = "tfidf_lr"

    def __init__(self, kind: Kind, *, is_balanced: bool = False) -> None:
        super().__init__(kind, is_balanced=is_balanced)

    def fit(self, texts: Texts, gold: Sequence[Any]) -> TfIdf:
        """Count the words, then fit the linear model."""
        flat = [text for row in texts for text in row]
        self.vectorizer_, counted = fit_vectorizer(flat, num_rows=len(texts))
        features = counted if len(flat) == len(texts) else self._features(texts)
        if self.kind == "number":
            self.predictor_ = _fit_number(features, np.array(gold, dtype=np.float64))
        elif self.kind == "labels":
            self.predictor_ = _fit_labels(features, gold, self.is_balanced)
        else:
            self.predictor_ = _fit_classes(features, np.array(gold, dtype=object), self.is_balanced)
        return self

    def predict(self, texts: Texts) -> list[Any]:
        """One answer per row, in the form of gold."""
        return self.predictor_(self._features(texts))

    def _features(self, texts: Texts) -> Any:
        """The sparse vectors of the rows: (B, V), and for pairs (B, 4V): both, |a - b| and a * b."""
        from scipy import sparse

        columns = [self.vectorizer_.transform(column) for column in zip(*texts, strict=True)]
        if len(columns) == 2:
            first, second = columns
            columns += [abs(first - second), first.multiply(second)]
        return sparse.hstack(columns, format="csr")


def is_written_without_spaces(texts: Sequence[str]) -> bool:
    """Whether most letters of the texts belong to scripts that put no space between words."""
    start = "".join(text[:200] for text in texts[:2000])
    letters = sum(character.isalpha() for character in start)
    return len(WITHOUT_SPACES.findall(start)) > letters / 2


class Pieces:
    """Two or more TF-IDF vectorizers side by side: text -> (B, sum of their widths)."""

    def __init__(self, vectorizers: Sequence[Any]) -> None:
        self.vectorizers = vectorizers

    def fit_transform(self, texts: Sequence[str]) -> Any:
        """Count the pieces and weigh them; a vectorizer that finds none in the texts is left out."""
        found = [(one, _fit_transform(one, texts)) for one in self.vectorizers]
        self.vectorizers = [one for one, weights in found if weights is not None]
        return self._beside([weights for _, weights in found if weights is not None], len(texts))

    def transform(self, texts: Sequence[str]) -> Any:
        """The weights of the pieces of each text."""
        return self._beside([one.transform(texts) for one in self.vectorizers], len(texts))

    @staticmethod
    def _beside(columns: Sequence[Any], num_rows: int) -> Any:
        from scipy import sparse

        if not columns:  # texts without a word: every row looks the same
            return sparse.csr_matrix((num_rows, 1), dtype=np.float64)
        return sparse.hstack(columns, format="csr")


def _fit_transform(vectorizer: Any, texts: Sequence[str]) -> Any:
    """The weights of what `vectorizer` counts; None when the texts hold nothing of it."""
    try:
        return vectorizer.fit_transform(texts)
    except ValueError:
        return None


def fit_vectorizer(texts: Sequence[str], *, num_rows: int) -> tuple[Pieces, Any]:
    """A fitted vectorizer, and the weights of `texts`."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    # Words seen once only slow it down, unless there are few rows.
    common = {"sublinear_tf": True, "min_df": 2 if num_rows >= 1000 else 1, "max_features": MAX_FEATURES}
    if is_written_without_spaces(texts):
        pieces = Pieces([TfidfVectorizer(analyzer="char", ngram_range=(1, 3), **common)])
    else:
        chosen = [TfidfVectorizer(token_pattern=WORD_OR_SIGN, ngram_range=(1, 2), **common)]
        if sum(map(len, texts)) <= MOST_CHARACTERS_FOR_LETTERS:
            chosen.append(TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), **common))
        pieces = Pieces(chosen)
    return pieces, pieces.fit_transform(texts)


Predictor = Callable[[Any], list[Any]]


def _fit_classes(features: Any, gold: NDArray[Any], is_balanced: bool) -> Predictor:
    """Logistic regression over class names; one class only is predicted as it is."""
    from sklearn.multiclass import OneVsRestClassifier

    names = np.unique(gold)
    if len(names) == 1:
        return lambda rows: [names[0]] * rows.shape[0]

    def build(strength: float) -> Any:
        model = _logistic_regression(strength, is_balanced)
        return model if len(names) == 2 else OneVsRestClassifier(model)

    num_outputs = 1 if len(names) == 2 else len(names)
    strength = _choose_strength(build, features, gold, num_outputs=num_outputs)
    model = _fit_quietly(build(strength), features, gold)
    return lambda rows: [str(name) for name in model.predict(rows)]


def _fit_labels(features: Any, gold: Sequence[Sequence[str]], is_balanced: bool) -> Predictor:
    """One yes-or-no logistic regression per label; a label on every row or on none stays so."""
    has_label = {
        name: np.array([name in labels for labels in gold])
        for name in sorted({n for row in gold for n in row})
    }
    models = {
        name: _fit_quietly(_logistic_regression(USUAL_STRENGTH, is_balanced), features, answers)
        for name, answers in has_label.items()
        if not answers.all()
    }

    def predict(rows: Any) -> list[Any]:
        always = np.ones(rows.shape[0], dtype=bool)
        found = {name: models[name].predict(rows) if name in models else always for name in has_label}
        return [[name for name in found if found[name][row]] for row in range(rows.shape[0])]

    return predict


def _fit_number(features: Any, gold: NDArray[np.float64]) -> Predictor:
    """Ridge regression; predictions stay within the numbers seen in training."""
    from sklearn.linear_model import Ridge

    def build(strength: float) -> Any:
        return Ridge(alpha=10 / strength, solver="sparse_cg")

    strength = _choose_strength(build, features, gold, num_outputs=1)
    model = _fit_quietly(build(strength), features, gold)
    low, high = float(gold.min()), float(gold.max())
    return lambda rows: [float(number) for number in np.clip(model.predict(rows), low, high)]


def _logistic_regression(strength: float, is_balanced: bool) -> Any:
    from sklearn.linear_model import LogisticRegression

    # liblinear, one class against the rest: 0.4 s where lbfgs over 20 classes takes 4.4 s, equally accurate
    # (4,000 rows, 60,000 words, 2 cores, 2026-11).
    weight = "balanced" if is_balanced else None
    return LogisticRegression(C=strength, solver="liblinear", class_weight=weight, random_state=0)


def _choose_strength(
    build: Callable[[float], Any], features: Any, gold: NDArray[Any], *, num_outputs: int
) -> float:
    """The strength that does best on a fifth of the rows; the usual one where that would tell little."""
    num_rows = len(gold)
    if num_rows < 100 or features.nnz * num_outputs > MOST_WORK_TO_CHOOSE:
        return USUAL_STRENGTH
    order = np.random.default_rng(0).permutation(num_rows)
    kept, held_out = order[num_rows // 5 :], order[: num_rows // 5]
    if len(np.unique(gold[kept])) < 2 or len(np.unique(gold[held_out])) < 2:
        return USUAL_STRENGTH

    def score(strength: float) -> float:
        model = _fit_quietly(build(strength), features[kept], gold[kept])
        return float(model.score(features[held_out], gold[held_out]))

    return max(STRENGTHS, key=score)


def _fit_quietly(model: Any, features: Any, gold: NDArray[Any]) -> Any:
    """Fit without the warning that the last digits have not settled: they change no answer."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(features, gold)
