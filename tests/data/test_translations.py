"""Parallel texts as translators keep them: gettext catalogues and translation memories."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightune.core.errors import UserError
from lightune.data.read import read
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
