"""DocRED (Yao et al. 2019): documents with entities, their mentions, and relations between entities.

A row is an ordered pair of entities that have a sentence in common: the text is the first such sentence,
head and tail their first mentions in it. Pairs without a relation have the label `NA`, which the file does
not write. Of several relations of one pair the first is `relation`, the others are `more_relations`.
Relations across sentences have no row; their number is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError
from lightune.core.rows import Row, Splits
from lightune.core.spans import join_words
from lightune.data.formats.base import Format
from lightune.data.settings import DataSettings
from lightune.data.sniff import format_of
from lightune.data.text_lines import read_lines

NONE = "NA"


class Docred(Format):
    """One row for each ordered pair of entities of a sentence."""

    suffixes = (".json",)
    fills, fills_from = (".json",), "relation"

    def recognises(self, path: Path) -> bool:
        """A `.json` file with DocRED's keys near its beginning."""
        return super().recognises(path) and format_of(path) == "docred"

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """The pairs of all documents, in file order.

        Raises:
            UserError: no JSON list, or a document without what it needs.
        """
        self.columns = ["title", "document", "sentence", "text", "head", "tail", "head_entity", "tail_entity"]
        self.columns += ["relation", "more_relations"]
        index = num_all = num_far = 0
        for number, document in enumerate(read_documents(path, settings.encoding)):
            try:
                rows = rows_of(document, number)
            except (KeyError, IndexError, TypeError) as error:
                hint = "Each needs title, sents, vertexSet (mentions with pos and sent_id) and labels."
                raise UserError(f"document {number + 1} is broken: {error!r}", file=path, hint=hint) from None
            held = {(one["head_entity"], one["tail_entity"]) for one in rows}
            labels = document.get("labels") or []
            num_all += len(labels)
            num_far += sum((one["h"], one["t"]) not in held for one in labels)
            for values in rows:
                yield Row(index, values, str(path))
                index += 1
        if num_far:
            why = "their entities have no sentence in common"
            self.decisions.add("relations left out", f"{num_far} of {num_all}", why)

    def splits(self, path: Path, settings: DataSettings) -> Splits:
        """All pairs, for the task `relation`."""
        found = super().splits(path, settings)
        return replace(found, text=("text",), label="relation", task="relation")

    def filled(self, path: Path, settings: DataSettings, rows: Sequence[Row], output: Path) -> str:
        """The documents with the relations found; those that the file gives a pair besides are left out."""
        own = [replace(row, values={**row.values, "more_relations": []}) for row in rows]
        return write(read_documents(path, settings.encoding), own)


def read_documents(path: Path, encoding: str = "utf-8") -> list[dict[str, Any]]:
    """The documents as they stand in the file.

    Raises:
        UserError: it is no JSON list.
    """
    try:
        found = json.loads("".join(read_lines(path, encoding)))
    except json.JSONDecodeError as error:
        raise UserError(f"not valid JSON: {error.msg}", file=path, line=error.lineno) from None
    if not isinstance(found, list):
        raise UserError("a DocRED file is one list of documents", file=path)
    return found


def rows_of(document: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """The pairs of one document; `relation` is None where it has no labels (a blind test set)."""
    sentences = [join_words([str(word) for word in words]) for words in document["sents"]]
    mentions = [_first_mentions(entity) for entity in document["vertexSet"]]
    labels = document.get("labels")
    known: dict[tuple[int, int], list[str]] = {}
    for one in labels or ():
        known.setdefault((one["h"], one["t"]), []).append(one["r"])
    found = []
    for head, first in enumerate(mentions):
        for tail, second in enumerate(mentions):
            common = sorted(first.keys() & second.keys())
            if head == tail or not common:
                continue
            text, places = sentences[common[0]]
            relations = known.get((head, tail), [NONE])
            found.append(
                {
                    "title": document.get("title"),
                    "document": number,
                    "sentence": common[0],
                    "text": text,
                    "head": _place(first[common[0]], places, text),
                    "tail": _place(second[common[0]], places, text),
                    "head_entity": head,
                    "tail_entity": tail,
                    "relation": None if labels is None else relations[0],
                    "more_relations": relations[1:],
                }
            )
    return found


def write(documents: Sequence[dict[str, Any]], rows: Sequence[Row]) -> str:
    """The documents with the relations of the rows, in the layout of the official files (one line, no end).

    Labels keep their place and evidence where the rows say the same; new ones come last, with their sentence
    as evidence; labels of pairs that have no row stay.
    """
    said: dict[int, dict[tuple[int, int], tuple[list[str], int]]] = {}
    for row in rows:
        one = row.values
        relations = [one["relation"], *(one.get("more_relations") or ())]
        kept = [name for name in relations if name not in {NONE, None}]
        pair = (one["head_entity"], one["tail_entity"])
        said.setdefault(one["document"], {})[pair] = (kept, one["sentence"])
    made = []
    for number, document in enumerate(documents):
        waiting = {pair: list(names) for pair, (names, _) in said.get(number, {}).items()}
        labels = []
        for one in document.get("labels") or ():
            pair = (one["h"], one["t"])
            if pair not in waiting or one["r"] in waiting[pair]:
                labels.append(one)
            if pair in waiting and one["r"] in waiting[pair]:
                waiting[pair].remove(one["r"])
        for pair, names in waiting.items():
            evidence = [said[number][pair][1]]
            labels += [{"r": name, "h": pair[0], "t": pair[1], "evidence": evidence} for name in names]
        has_labels = "labels" in document or labels
        made.append({**document, "labels": labels} if has_labels else document)
    return json.dumps(made)


def _first_mentions(entity: Sequence[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Sentence -> the first mention in it."""
    found: dict[int, dict[str, Any]] = {}
    for one in sorted(entity, key=lambda mention: (mention["sent_id"], mention["pos"])):
        found.setdefault(one["sent_id"], one)
    return found


def _place(mention: dict[str, Any], places: Sequence[tuple[int, int]], text: str) -> dict[str, Any]:
    """A mention's tokens (first, behind the last) by characters."""
    first, behind = mention["pos"]
    start, end = places[first][0], places[behind - 1][1]
    return {"start": start, "end": end, "type": mention.get("type"), "text": text[start:end]}
