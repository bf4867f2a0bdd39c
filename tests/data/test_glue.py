"""The nine official GLUE layouts, with the quoting traps of the real files; the sentences are synthetic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lightune.core.rows import Splits, Table
from lightune.data.read import read
from lightune.data.settings import DataSettings

MNLI = "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t"
MNLI_TRAIN = MNLI + "sentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label\n"
MNLI_DEV = (
    MNLI + "sentence2_parse\tsentence1\tsentence2\tlabel1\tlabel2\tlabel3\tlabel4\tlabel5\tgold_label\n"
)
STSB = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2"
MRPC = "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n"
PAIR = "index\tsentence1\tsentence2\tlabel\n"

FOLDERS: dict[str, dict[str, str]] = {
    "CoLA": {
        "train.tsv": 'gj04\t1\t\tHe said "go.\ngj04\t0\t*\t"Them\x85left\n',
        "dev.tsv": "gj04\t1\t\tBirds sing.\n",
        "test.tsv": "index\tsentence\n0\tBill sings.\n",
    },
    "SST-2": {
        "train.tsv": 'sentence\tlabel\n" lone quote \t0\nform\x0cfeed and\u2028separator \t1\n',
        "dev.tsv": "sentence\tlabel\na joy\t1\n",
        "test.tsv": "index\tsentence\n0\tuneasy mishmash\n",
    },
    "MRPC": {
        "train.tsv": MRPC + '1\t1\t2\t" We won , " he said .\tHe said : " won\r\n0\t3\t4\t"A\tB"\r\n',
        "dev.tsv": MRPC + "1\t5\t6\tC\tD\r\n",
        "test.tsv": "index\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n0\t7\t8\tE\tF\r\n",
    },
    "MRPC-original": {
        "msr_paraphrase_train.txt": MRPC + '1\t1\t2\t"A\tB\r\n',
        "msr_paraphrase_test.txt": MRPC + "0\t3\t4\tC\tD\r\n",
    },
    "QQP": {
        "train.tsv": 'id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\t"Why?\tHow?\t0\n'
        '4\t5\t6\tbroken\noff\tx\t1\n7\t8\t9\tWho?\t""Who""?\t1\n',
        "dev.tsv": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\ta\tb\t0\n",
        "test.tsv": "id\tquestion1\tquestion2\n0\ta\tb\n",
    },
    "STS-B": {
        "train.tsv": f'{STSB}\tscore\n0\tnews\tMSR\t2012\t1\tnone\tnone\t"A man\tA cat"\t4.750\n',
        "dev.tsv": f"{STSB}\tscore\n0\tnews\tMSR\t2012\t1\tnone\tnone\tA\tB\t0.000\n",
        "test.tsv": f"{STSB}\n0\tnews\tMSR\t2012\t1\tnone\tnone\tA\tB\n",
    },
    "MNLI": {
        "train.tsv": MNLI_TRAIN
        + '0\tp\te\tgov\t(a\t(b\t(A\t(B\t"How?\tSo.\tneutral\tneutral\n'
        + "1\tp\te\tgov\t(\t(\t(\t(\tX\tY\t-\t-\n",
        "dev_matched.tsv": MNLI_DEV + "0\tp\te\tgov\t(\t(\t(\t(\tA\tB\tn\tn\tn\tn\tn\tentailment\n",
        "dev_mismatched.tsv": MNLI_DEV + "0\tp\te\tgov\t(\t(\t(\t(\tQ\tR\tn\tn\tn\tn\tn\tneutral\n",
    },
    "QNLI": {
        "train.tsv": 'index\tquestion\tsentence\tlabel\n0\tWho "is it?\t"It is me.\tentailment\n',
        "dev.tsv": "index\tquestion\tsentence\tlabel\n0\tA?\tB.\tnot_entailment\n",
        "test.tsv": "index\tquestion\tsentence\n0\tA?\tB.\n",
    },
    "RTE": {
        "train.tsv": PAIR + '0\t"No.\tYes"\tnot_entailment\n',
        "dev.tsv": PAIR + "0\tA\tB\tentailment\n",
        "test.tsv": "index\tsentence1\tsentence2\n0\tA\tB\n",
    },
    "WNLI": {
        "train.tsv": PAIR + '0\tI stuck a "pin.\tThe pin.\t1\n',
        "dev.tsv": PAIR + "0\tA\tB\t0\n",
        "test.tsv": "index\tsentence1\tsentence2\n0\tA\tB\n",
    },
}

# (text columns, label column, task, training rows as texts + label, validation rows likewise)
EXPECTED: dict[str, tuple[tuple[str, ...], str, str, list[tuple[str, ...]], list[tuple[str, ...]]]] = {
    "CoLA": (("sentence",), "label", "classify", [('He said "go.', "1"), ('"Them\x85left', "0")],
             [("Birds sing.", "1")]),
    "SST-2": (("sentence",), "label", "classify",
              [('" lone quote ', "0"), ("form\x0cfeed and\u2028separator ", "1")], [("a joy", "1")]),
    "MRPC": (("#1 String", "#2 String"), "Quality", "pair",
             [('" We won , " he said .', 'He said : " won', "1"), ('"A', 'B"', "0")], [("C", "D", "1")]),
    "MRPC-original": (("#1 String", "#2 String"), "Quality", "pair", [('"A', "B", "1")], []),
    "QQP": (("question1", "question2"), "is_duplicate", "pair",
            [('"Why?', "How?", "0"), ("Who?", '""Who""?', "1")], [("a", "b", "0")]),
    "STS-B": (("sentence1", "sentence2"), "score", "regress", [('"A man', 'A cat"', "4.750")],
              [("A", "B", "0.000")]),
    "MNLI": (("sentence1", "sentence2"), "gold_label", "pair", [('"How?', "So.", "neutral")],
             [("A", "B", "entailment")]),
    "QNLI": (("question", "sentence"), "label", "pair", [('Who "is it?', '"It is me.', "entailment")],
             [("A?", "B.", "not_entailment")]),
    "RTE": (("sentence1", "sentence2"), "label", "pair", [('"No.', 'Yes"', "not_entailment")],
            [("A", "B", "entailment")]),
    "WNLI": (("sentence1", "sentence2"), "label", "pair", [('I stuck a "pin.', "The pin.", "1")],
             [("A", "B", "0")]),
}  # fmt: skip


def make(folder: Path, name: str) -> Path:
    place = folder / name
    place.mkdir()
    for file, content in FOLDERS[name].items():
        (place / file).write_bytes(content.encode())
    return place


def values(splits: Splits, table: Table | None) -> list[tuple[Any, ...]]:
    assert splits.text is not None
    assert splits.label is not None
    names = (*splits.text, splits.label)
    return [tuple(row.values[name] for name in names) for row in table.rows] if table else []


@pytest.mark.parametrize("name", FOLDERS)
def test_official_folder_is_read_exactly(name: str, tmp_path: Path) -> None:
    splits = read(str(make(tmp_path, name)), DataSettings())
    text, label, task, train, validation = EXPECTED[name]
    assert (splits.text, splits.label, splits.task) == (text, label, task)
    assert values(splits, splits.train) == train
    assert values(splits, splits.validation) == validation
    expected_test = [("C", "D", "0")] if name == "MRPC-original" else []
    assert values(splits, splits.test) == expected_test


def test_rows_left_out_are_reported_with_their_lines(tmp_path: Path) -> None:
    qqp = read(str(make(tmp_path, "QQP")), DataSettings())
    assert [(p.kind, p.line) for p in qqp.train.problems] == [("skipped_row", 3), ("skipped_row", 4)]
    assert [row.line for row in qqp.train.rows] == [2, 5]
    mnli = read(str(make(tmp_path, "MNLI")), DataSettings())
    assert [p.line for p in mnli.train.problems] == [3]
    assert "annotators" in mnli.train.problems[0].message


def test_one_glue_file_alone_is_not_taken_for_quoted(tmp_path: Path) -> None:
    table = read(str(make(tmp_path, "MRPC") / "train.tsv"), DataSettings()).train
    assert [row.values["#1 String"] for row in table.rows] == ['" We won , " he said .', '"A']


def test_subfolders_of_the_official_folder_are_no_classes(tmp_path: Path) -> None:
    place = make(tmp_path, "MNLI")
    (place / "original").mkdir()
    (place / "original" / "multinli_1.0_train.txt").write_text("x")
    assert read(str(place), DataSettings()).label == "gold_label"
