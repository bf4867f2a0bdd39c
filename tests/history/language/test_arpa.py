"""ARPA files: what is written is read again, what others write is read, broken files are told."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from lightune.core.errors import UserError
from lightune.history.language._arpa import SPECIAL, from_arpa, read_arpa, to_arpa, write_arpa
from lightune.history.language._kneser_ney import FIRST, START, STOP, learn_table
from lightune.history.language.ngram import Ngram
from tests.history.language.test_ngram import NUM_WORDS, random_texts

SMALL = """\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-99\t<s>\t-0.30103
-0.60206\t</s>
-0.30103\tone\t-0.1
-1\t<unk>

\\2-grams:
-0.2\t<s> one
-0.1\tone </s>

\\end\\
"""


def names() -> list[str]:
    """As many words as the synthetic texts have."""
    return [*SPECIAL, *(f"w{number}" for number in range(FIRST, NUM_WORDS))]


@pytest.mark.parametrize("order", [1, 3])
def test_written_and_read_gives_the_same(tmp_path: Path, order: int) -> None:
    texts = random_texts(100)
    table = learn_table(np.concatenate(texts), NUM_WORDS, order)
    write_arpa(tmp_path / "model.arpa", table, names())
    read, words = read_arpa(tmp_path / "model.arpa")
    assert words == names()
    for one in random_texts(5, seed=1):
        found = read.score(np.array(one))
        assert found == pytest.approx(table.score(np.array(one)), abs=1e-5)


def test_file_of_another_program(tmp_path: Path) -> None:
    (tmp_path / "small.arpa").write_text(SMALL, encoding="utf-8")
    model = Ngram.from_arpa(tmp_path / "small.arpa")
    scored = model.score("one")
    assert scored.log_probabilities / np.log(10) == pytest.approx([-0.2, -0.1], abs=1e-6)
    backed_off = model.score("one one").log_probabilities[1]
    assert backed_off / np.log(10) == pytest.approx(-0.1 - 0.30103, abs=1e-6)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("ngram 2=2", "ngram 2=5"), "expected here"),
        (("-0.2\t<s>", "x\t<s>"), "log10"),
        (("<s> one", "<s> two"), "'two' is not among"),
        (("\\data\\", "data"), "not an ARPA file"),
    ],
)
def test_broken_file_is_told(tmp_path: Path, wrong: tuple[str, str], said: str) -> None:
    (tmp_path / "small.arpa").write_text(SMALL.replace(*wrong), encoding="utf-8")
    with pytest.raises(UserError, match=said):
        read_arpa(tmp_path / "small.arpa")


@pytest.mark.parametrize("word", [" said", "a▁b", "\\u0041", "　", "\t", "x"])
def test_pieces_with_blanks_come_back(word: str) -> None:
    assert not any(one.isspace() for one in to_arpa(word))
    assert from_arpa(to_arpa(word)) == word


LMPLZ = str(Path(__file__).parents[3] / ".kenlm" / "build" / "bin")


@pytest.mark.parity
@pytest.mark.parametrize("order", [2, 3, 5])
def test_equals_kenlm(tmp_path: Path, order: int) -> None:
    """KenLM's lmplz, which `make parity` builds, on the same words; another one by LIGHTUNE_LMPLZ."""
    program = os.environ.get("LIGHTUNE_LMPLZ") or shutil.which("lmplz", path=LMPLZ) or shutil.which("lmplz")
    if program is None:
        pytest.skip("KenLM's lmplz is not here: make parity builds it where cmake and Boost are")
    from gensim.test.utils import datapath

    news = Path(datapath("lee_background.cor")).read_text(encoding="utf-8")
    lines = [" ".join(re.findall(r"\w+", line.lower())) for line in news.splitlines()]
    done = subprocess.run(
        [program, "-o", str(order), "-S", "10%", "--skip_symbols"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    (tmp_path / "kenlm.arpa").write_text(done.stdout, encoding="utf-8")
    theirs, words = read_arpa(tmp_path / "kenlm.arpa")
    seen = {word: place for place, word in enumerate(words)}
    numbered = [[START, *(seen[word] for word in line.split()), STOP] for line in lines]
    ours = learn_table(np.concatenate(numbered), len(words), order)
    assert [len(one) for one in ours.orders] == [len(one) for one in theirs.orders]
    for mine, other in zip(ours.orders, theirs.orders, strict=True):
        assert (mine.keys == other.keys).all()
        assert mine.log_probability[FIRST:] == pytest.approx(other.log_probability[FIRST:], abs=1e-4)
        assert mine.log_backoff == pytest.approx(other.log_backoff, abs=1e-4)
    assert ours.orders[0].log_probability[0] == pytest.approx(theirs.orders[0].log_probability[0], abs=1e-4)
