"""Chats and parallel texts out of their packages: ChatterBot's dialogues, the Debian Reference."""

from __future__ import annotations

import html
import io
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

AR_MAGIC, AR_HEADER = b"!<arch>\n", 60
CHAPTER = re.compile(r"\./usr/share/debian-reference/(ch\d\d)\.[\w-]+\.html")
PARAGRAPH = re.compile(r"<p\b[^>]*>(.*?)</p>", re.DOTALL)
MOST_SHARED = 0.6  # of the words: more, and a paragraph was not translated
DIALOGUE = re.compile(r"chatterbot_corpus/data/english/(\w+)\.yml")


def read_chatterbot(archive: Path) -> Iterator[tuple[str, str, str]]:
    """(prompt, response, topic) of ChatterBot's English dialogues; each of several answers is a row."""
    import yaml

    seen = set()
    with zipfile.ZipFile(archive) as folder:
        for name in sorted(folder.namelist()):
            found = DIALOGUE.fullmatch(name)
            if not found:
                continue
            for first, *replies in yaml.safe_load(folder.read(name).decode("utf-8"))["conversations"]:
                for reply in replies:
                    row = (str(first).strip(), str(reply).strip(), found[1])
                    if all(row) and row not in seen:
                        seen.add(row)
                        yield row


def read_paragraphs(archive: Path) -> dict[str, list[str]]:
    """Chapter -> its paragraphs as plain text, in order, of a Debian Reference package."""
    found: dict[str, list[str]] = {}
    with tarfile.open(
        fileobj=io.BytesIO(debian_member(archive.read_bytes(), "data.tar")), mode="r:*"
    ) as folder:
        for member in folder:
            name = CHAPTER.fullmatch(member.name)
            stream = folder.extractfile(member) if name else None
            if name and stream:
                page = stream.read().decode("utf-8")
                found[name[1]] = [_plain(one) for one in PARAGRAPH.findall(page)]
    return dict(sorted(found.items()))


def pairs(first: Path, second: Path) -> Iterator[tuple[str, str, str]]:
    """(text, its translation, chapter): the n-th paragraphs of chapters with as many in both."""
    one, other = read_paragraphs(first), read_paragraphs(second)
    for chapter, texts in one.items():
        others = other.get(chapter, [])
        if len(texts) == len(others):
            for text, translation in zip(texts, others, strict=True):
                if text and translation and not _is_same(text, translation):
                    yield text, translation, chapter


def _is_same(text: str, translation: str) -> bool:
    """Whether most words of the translation stand in the text: it was left as it is."""
    known, words = set(text.split()), translation.split()
    return sum(word in known for word in words) > MOST_SHARED * len(words)


def _plain(piece: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", piece)).split())


def debian_member(archive: bytes, start: str) -> bytes:
    """The first file of a Debian package (an ar archive) whose name begins so."""
    assert archive.startswith(AR_MAGIC), "not an ar archive"
    place = len(AR_MAGIC)
    while place < len(archive):
        header = archive[place : place + AR_HEADER]
        name, size = header[:16].decode().strip().rstrip("/"), int(header[48:58])
        place += AR_HEADER
        if name.startswith(start):
            return archive[place : place + size]
        place += size + size % 2
    raise KeyError(start)
