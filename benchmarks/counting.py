"""Bits per byte of n-gram models by order; word vectors against judgements: `counting.py [PART ...]`.

Parts: brown, austen, people-daily (n-grams, orders 1 to 6), vectors (WordSim-353 from Brown and Austen).
Prints JSON lines; what they said stands in docs/log.md.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from lightune.core.progress import Show
from lightune.data.corpus import find_corpus
from lightune.data.settings import DataSettings
from lightune.steps.neighbours import nearest_words
from lightune.steps.pretrain import PretrainRequest, run_pretrain

PARTS = ("brown", "austen", "people-daily", "vectors")
HELD_OUT = {"austen": "book=Persuasion"}
QUIET = Show(is_quiet=True)


def main() -> None:
    wanted = sys.argv[1:] or PARTS
    with tempfile.TemporaryDirectory() as place:
        for part in wanted:
            if part == "vectors":
                vectors(Path(place))
            else:
                ngrams(part, Path(place))


def ngrams(corpus: str, place: Path) -> None:
    units = ("characters",) if corpus == "people-daily" else ("words", "characters", "subwords")
    for unit in units:
        for order in range(1, 7 if unit == "characters" else 6):
            request = PretrainRequest(
                data=corpus,
                held_out=HELD_OUT.get(corpus),
                output=str(place / f"{corpus}-{unit}-{order}"),
                groups={"pretrain": {"order": order, "unit": unit}},
            )
            told = run_pretrain(request, QUIET)
            low, high = told["intervals"]["validation"]["bits_per_byte"]
            say(
                corpus=corpus,
                unit=unit,
                order=order,
                bits_per_byte=round(told["metrics"]["validation"]["bits_per_byte"], 4),
                interval=[round(low, 4), round(high, 4)],
                train_seconds=round(told["seconds"]["train"], 1),
                size_megabytes=round(told["facts"]["size_bytes"] / 1e6, 1),
                ngrams=sum(told["facts"]["ngrams"]),
            )


def vectors(place: Path) -> None:
    texts = place / "texts"
    texts.mkdir()
    for name in ("brown", "austen"):
        lines = find_corpus(name, DataSettings(), None, QUIET).texts()
        (texts / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    for kind in ("word2vec", "glove", "fasttext"):
        output = place / kind
        told = run_pretrain(PretrainRequest(data=str(texts), kind=kind, output=str(output)), QUIET)
        near = nearest_words(output, ["man", "river", "money", "red", "sister"], 6)
        words = {one["word"]: [other["word"] for other in one["nearest"]] for one in near["words"]}
        scores = {"scores": told["metrics"]["validation"], "intervals": told["intervals"]["validation"]}
        say(kind=kind, seconds=round(told["seconds"]["train"], 1), nearest=words, **scores)


def say(**told: object) -> None:
    print(json.dumps(told, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
