"""Which format of its own a file is in where the ending does not tell: by what stands near its beginning."""

from __future__ import annotations

import re
from pathlib import Path

LOOKED_AT = 262144  # bytes
BRACKETS = rb"[ \t]+[^\s*]*\*\)*"
SIGNS = {
    "conll2012": (rb"\A#begin document",),
    "conll2005": (rb"(?m)^[^\n]*[ \t]\(V\*\)?(?:" + BRACKETS + rb")*[ \t]*\r?$",),
    "docred": (rb'"vertexSet"', rb'"sents"'),
    "dygie": (rb'"doc_key"', rb'"sentences"', rb'"events"'),
    "oneie": (rb'"tokens"', rb'"event_mentions"'),
    "mrqa": (rb'"context"', rb'"qas"', rb'"qid"'),
    "semeval": (rb'\A(?:\xef\xbb\xbf)?\d+\t"', rb"<e1>", rb"</e2>"),
    "squad": (rb'"data"', rb'"paragraphs"'),
    "tacred": (rb'"subj_start"', rb'"obj_start"', rb'"token"'),
}


def format_of(path: Path) -> str:
    """The format all of whose signs are found near the file's beginning; "" for none."""
    try:
        with path.open("rb") as stream:
            start = stream.read(LOOKED_AT)
    except OSError:
        return ""
    return next((name for name, signs in SIGNS.items() if all(re.search(one, start) for one in signs)), "")
