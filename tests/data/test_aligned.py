"""Parallel text in two files: two names, or a folder with parts; lines that do not match are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightune.core.errors import UserError
from lightune.data.read import read, stream
from lightune.data.settings import DataSettings

ENGLISH = "One house.\nTwo doors.\n\nFour windows.\n"
FRENCH = "Une maison.\nDeux portes.\nTrois.\nQuatre fenêtres.\n"


def put(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return folder


def test_two_files_with_a_comma_between(tmp_path: Path) -> None:
    put(tmp_path, corpus_en=ENGLISH, corpus_fr=FRENCH)
    source = f"{tmp_path}/corpus.en,{tmp_path}/corpus.fr"
    splits = read(source, DataSettings())
    assert (splits.task, splits.text, splits.label) == ("translate", ("en",), "fr")
    assert [(row.line, row.values) for row in splits.train.rows] == [
        (1, {"en": "One house.", "fr": "Une maison."}),
        (2, {"en": "Two doors.", "fr": "Deux portes."}),
        (4, {"en": "Four windows.", "fr": "Quatre fenêtres."}),
    ]
    (left_out,) = splits.train.problems
    assert (left_out.line, "'en'" in left_out.message) == (3, True)
    turned = read(f"{tmp_path}/corpus.fr,{tmp_path}/corpus.en", DataSettings())
    assert (turned.text, turned.label) == (("fr",), "en")
    assert next(stream(source, DataSettings())).values["fr"] == "Une maison."


def test_a_folder_with_parts(tmp_path: Path) -> None:
    put(tmp_path, train_en=ENGLISH, train_fr=FRENCH, dev_en="Five.\n", dev_fr="Cinq.\n", README_md="no data")
    splits = read(str(tmp_path), DataSettings())
    assert splits.validation is not None
    assert (len(splits.train), len(splits.validation), splits.test) == (3, 1, None)
    assert (splits.text, splits.label) == (("en",), "fr")


def test_names_without_languages_are_source_and_target(tmp_path: Path) -> None:
    put(tmp_path, train_src=ENGLISH, train_tgt=FRENCH)
    splits = read(str(tmp_path), DataSettings())
    assert (splits.text, splits.label) == (("source",), "target")
    put(tmp_path, one_txt=ENGLISH, two_txt=FRENCH)
    assert read(f"{tmp_path}/one.txt,{tmp_path}/two.txt", DataSettings()).label == "target"


@pytest.mark.parametrize(("english", "counts"), [(ENGLISH * 2, (8, 4)), (ENGLISH[:11], (1, 4))])
def test_uneven_files_are_refused_with_both_counts(
    english: str, counts: tuple[int, int], tmp_path: Path
) -> None:
    put(tmp_path, train_en=english, train_fr=FRENCH)
    with pytest.raises(UserError, match=rf"train.en has {counts[0]} lines and train.fr has {counts[1]}") as e:
        read(str(tmp_path), DataSettings())
    assert e.value.line == min(counts) + 1


def test_the_missing_one_of_two_is_named(tmp_path: Path) -> None:
    put(tmp_path, corpus_en=ENGLISH, corpus_fr=FRENCH)
    with pytest.raises(UserError, match="no such file") as caught:
        read(f"{tmp_path}/corpus.en,{tmp_path}/corpus.fx", DataSettings())
    assert str(caught.value.file).endswith("corpus.fx")
    assert "corpus.fr" in str(caught.value.hint)
