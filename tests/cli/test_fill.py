"""`predict RUN FILE --output OTHER`: answers in the form that the programs of the file's own format read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import lightune, plain
from tests.making import TinyModel, sentences, task_rows, train_tiny, write_csv

CONTEXT = "Maria Curie was born in Warsaw in 1867."
PO = r"""# Translators: keep this  line
msgid ""
msgstr ""
"Language: fr\n"

#: file.py:3
msgid "done already"
msgstr "déjà fait"

#, python-format
msgid "not \"yet\"\n"
msgstr ""

#, fuzzy
msgid "maybe"
msgstr "peut-être"

msgid "%d file"
msgid_plural "%d files"
msgstr[0] "%d fichier"
msgstr[1] ""

#~ msgid "old"
#~ msgstr ""
"""


@pytest.fixture(scope="module")
def translator(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("translator")
    rows, _, _ = task_rows("translate", 24)
    data = write_csv(folder / "data.csv", rows, ("en", "fr"))
    train_tiny(folder, tiny("t5", num_layers=2), data=data, method="lora", groups={"train": {"epochs": 1}})
    return folder / "run"


def test_a_real_model_fills_and_a_table_has_the_same_rows(translator: Path, tmp_path: Path) -> None:
    file, output, table = tmp_path / "app.po", tmp_path / "out.po", tmp_path / "out.jsonl"
    file.write_text(PO, encoding="utf-8")
    for place in (output, table):
        assert lightune("predict", translator, file, "--output", place).code == 0
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    assert [row["source"] for row in rows] == ['not "yet"\n', "%d files"]
    kept = [line for line in PO.splitlines() if line not in {'msgstr ""', 'msgstr[1] ""'}]
    assert set(kept) <= set(output.read_text(encoding="utf-8").splitlines())
    file.write_text(PO.partition("#, python-format")[0], encoding="utf-8")
    ended = lightune("predict", translator, file, "--output", output)
    assert (ended.code, "has a translation already" in plain(ended.err)) == (2, True)


def squad() -> dict[str, Any]:
    answer = {"text": "Warsaw", "answer_start": CONTEXT.index("Warsaw")}
    items = [
        {"id": f"q{n}", "question": f"Where was she born {n}?", "answers": [answer], "is_impossible": False}
        for n in range(12)
    ]
    paragraph = {"context": CONTEXT, "qas": items}
    return {"version": "v2.0", "data": [{"title": "Curie", "paragraphs": [paragraph]}]}


def test_squads_evaluation_can_read_the_answers(tiny: TinyModel, tmp_path: Path) -> None:
    file = tmp_path / "dev.json"
    file.write_text(json.dumps(squad()))
    model = tiny("bert", num_layers=2)
    train_tiny(tmp_path, model, data=file, method="head", groups={"train": {"epochs": 1}})
    run, output = tmp_path / "run", tmp_path / "answers.json"
    assert lightune("predict", run, file, "--output", output).code == 0
    said = json.loads(output.read_text())
    assert list(said) == [f"q{n}" for n in range(12)]
    assert all(answer and answer in CONTEXT for answer in said.values())
    whole = tmp_path / "answered.squad.json"
    assert lightune("predict", run, file, "--output", whole).code == 0
    (paragraph,) = json.loads(whole.read_text())["data"][0]["paragraphs"]
    for item in paragraph["qas"]:
        (answer,) = item["answers"]
        start = answer["answer_start"]
        assert CONTEXT[start : start + len(answer["text"])] == answer["text"] == said[item["id"]]
    lines = json.dumps({"header": {}}) + "\n"
    for n in range(2):
        item = {"qid": f"m{n}", "question": "Where?", "detected_answers": []}
        lines += json.dumps({"context": CONTEXT, "qas": [item]}) + "\n"
    (tmp_path / "dev.jsonl").write_text(lines)
    assert lightune("predict", run, tmp_path / "dev.jsonl", "--output", output).code == 0
    assert list(json.loads(output.read_text())) == ["m0", "m1"]


@pytest.fixture(scope="module")
def classifier(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classifier")
    train_tiny(folder, tiny("bert", num_layers=2), method="head", groups={"train": {"epochs": 1}})
    return folder / "run"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--output", "answers.json"), "no column 'answer'"),
        (("--output", "answers.po"), "cannot write a file with the ending '.po'"),
        (("--output", "nowhere/answers.csv"), "the folder of the output file does not exist"),
    ],
)
def test_what_cannot_be_written_is_said_first(
    more: tuple[str, ...], words: str, classifier: Path, tmp_path: Path
) -> None:
    (tmp_path / "dev.json").write_text(json.dumps(squad()))
    ended = lightune("predict", classifier, "dev.json", "--text", "question", *more, folder=tmp_path)
    assert (ended.code, words in plain(ended.err)) == (2, True), ended.err
    assert {path.name for path in tmp_path.iterdir()} == {"dev.json"}


def test_roles_and_relations_come_back_in_their_files(tiny: TinyModel, tmp_path: Path) -> None:
    """The tags of a run as columns of brackets, its relations as SemEval's lines; the rest stays."""
    roles = "".join(f"The - (A0*\ncat{n} - *)\nsaw see (V*)\nit - (A1*)\n\n" for n in range(16))
    lines = [
        f'{n}\t"The <e1>{text.split()[1]}</e1> is <e2>{text.split()[4]}</e2>."\n{label}\nComment:\n\n'
        for n, (text, label) in enumerate(sentences(24))
    ]
    model = tiny("bert", num_layers=2)
    for name, text, kept in (("roles.props", roles, "saw"), ("train.txt", "".join(lines), "<e1>")):
        file = tmp_path / name
        file.write_text(text)
        run, output = tmp_path / f"run-{name}", tmp_path / f"out-{name}"
        train_tiny(
            tmp_path, model, data=file, output=str(run), method="head", groups={"train": {"epochs": 1}}
        )
        ended = lightune("predict", run, file, "--output", output)
        assert ended.code == 0, ended.err
        old, new = text.splitlines(), output.read_text().splitlines()
        assert len(old) == len(new)
        assert [line for line in old if kept in line] == [line for line in new if kept in line]
        assert [line.split()[:2] for line in old] == [line.split()[:2] for line in new] or kept == "<e1>"
