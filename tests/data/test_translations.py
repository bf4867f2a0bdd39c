"""Parallel texts as translators keep them: gettext catalogues and translation memories."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lightune.core.errors import UserError
from lightune.data.formats.po import Po
from lightune.data.read import questions, read
from lightune.data.settings import DataSettings

PO = r"""# a comment
msgid ""
msgstr ""
"Language: fr\n"
"Content-Type: text/plain; charset=UTF-8\n"

#: file.py:3
msgid "Hello, \"you\""
msgstr "Bonjour, « vous »"

msgid ""
"two "
"lines\n"
msgstr ""
"deux "
"lignes\n"

#, fuzzy
msgid "maybe"
msgstr "peut-être"

msgid "not yet"
msgstr ""

msgid "%d file"
msgid_plural "%d files"
msgstr[0] "%d fichier"
msgstr[1] "%d fichiers"

#~ msgid "old"
#~ msgstr "vieux"
"""
WAITING = r"""# Translators: keep this  line
msgid ""
msgstr ""
"Language: fr\n"

#: file.py:3
msgid "done already"
msgstr "déjà fait"

#, python-format
msgid "not \"yet\"\n"
msgstr ""
""

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
TMX = """<?xml version="1.0" encoding="UTF-8"?>
<tmx version="1.4"><header srclang="en"/><body>
<tu><tuv xml:lang="en"><seg>Press <bpt i="1">&lt;b&gt;</bpt>Enter<ept i="1">&lt;/b&gt;</ept>.</seg></tuv>
<tuv xml:lang="zh"><seg>按回车键。</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>alone</seg></tuv></tu>
<tu><tuv xml:lang="zh"><seg>二</seg></tuv><tuv xml:lang="en"><seg>two</seg></tuv></tu>
</body></tmx>
"""


def test_gettext_catalogues(tmp_path: Path) -> None:
    file = tmp_path / "django.po"
    file.write_text(PO, encoding="utf-8")
    splits = read(str(file), DataSettings())
    assert (splits.task, splits.text, splits.label) == ("translate", ("source",), "fr")
    rows = [(row.values["source"], row.values["fr"]) for row in splits.train.rows]
    assert rows == [
        ('Hello, "you"', "Bonjour, « vous »"),
        ("two lines\n", "deux lignes\n"),
        ("%d file", "%d fichier"),
    ]
    assert [problem.message for problem in splits.train.problems] == [
        "the entry is fuzzy",
        "the entry is not translated",
    ]
    assert splits.train.rows[0].line == 8


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_what_waits_is_filled_and_nothing_else_changes(line_end: str, tmp_path: Path) -> None:
    file = tmp_path / "app.po"
    before = WAITING.replace("\n", line_end)
    file.write_bytes(before.encode())
    rows = list(questions(str(file), DataSettings()))
    assert [(row.values, row.line) for row in rows] == [
        ({"source": 'not "yet"\n'}, 11),
        ({"source": "%d files"}, 19),
    ]
    said = ['pas "encore" \\ déjà', "%d\tfichiers\n"]
    told = [
        replace(row, values={"source": "", "generated": one}) for row, one in zip(rows, said, strict=True)
    ]
    filled = Po().filled(file, DataSettings(), told, tmp_path / "out.po")
    after = before.replace(
        f'yet\\"\\n"{line_end}msgstr ""{line_end}""',
        f'yet\\"\\n"{line_end}msgstr "pas \\"encore\\" \\\\ déjà\\n"',
    ).replace('msgstr[1] ""', 'msgstr[1] "%d\\tfichiers"')
    assert filled == after != before
    silent = [replace(row, values={**row.values, "generated": ""}) for row in rows]
    assert Po().filled(file, DataSettings(), silent, tmp_path / "out.po") == before
    file.write_bytes(filled.encode())
    with pytest.raises(UserError, match="has a translation already"):
        list(questions(str(file), DataSettings()))
    found = {row.values["source"]: row.values["fr"] for row in read(str(file), DataSettings()).train.rows}
    assert found['not "yet"\n'] == 'pas "encore" \\ déjà\n'


def test_a_broken_catalogue_says_where(tmp_path: Path) -> None:
    file = tmp_path / "broken.po"
    file.write_text('msgid "a"\nmsgstr "b"\n\nmsgid "c\nmsgstr "d"\n')
    with pytest.raises(UserError) as caught:
        read(str(file), DataSettings())
    assert caught.value.line == 4


def test_translation_memories(tmp_path: Path) -> None:
    file = tmp_path / "memory.tmx"
    file.write_text(TMX, encoding="utf-8")
    splits = read(str(file), DataSettings())
    assert (splits.task, splits.text, splits.label) == ("translate", ("en",), "zh")
    rows = [(row.values["en"], row.values["zh"]) for row in splits.train.rows]
    assert rows == [("Press Enter.", "按回车键。"), ("two", "二")]
    assert len(splits.train.problems) == 1


def test_a_memory_that_is_no_xml(tmp_path: Path) -> None:
    file = tmp_path / "bad.tmx"
    file.write_text("<tmx><body>\n<tu></body>")
    with pytest.raises(UserError, match="not valid XML") as caught:
        read(str(file), DataSettings())
    assert caught.value.line == 2
