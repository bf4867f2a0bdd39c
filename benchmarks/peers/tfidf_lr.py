"""No language model: TF-IDF of words and pairs of words (of characters in Chinese), logistic regression."""

from __future__ import annotations

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from benchmarks.peers.work import Work, report


def has_spaces(texts: list[str]) -> bool:
    """Whether words are separated: over a twentieth of the characters are spaces."""
    joined = "".join(texts[:200])
    return joined.count(" ") > len(joined) / 20


def main() -> None:
    """Train, predict the test rows and print the result."""
    work = Work()
    if has_spaces(work.train_texts):
        counts = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    else:
        counts = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    model = make_pipeline(counts, LogisticRegression(C=10, max_iter=1000, random_state=work.seed))
    model.fit(work.train_texts, work.train_labels)
    report([int(one) for one in model.predict(work.test_texts)], work.test_labels)


if __name__ == "__main__":
    main()
