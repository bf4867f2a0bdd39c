"""The files by which sentence-transformers opens a transformers folder as a maker of vectors.

`modules.json` names the steps (network, pooling, unit length), each with the folder of its settings.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MODES = {"mean": "mean_tokens", "first": "cls_token", "last": "lasttoken"}
STEPS = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))


def write_sentence_layout(
    folder: Path, pooling: str, width: int, max_length: int, prefixes: tuple[str, str]
) -> None:
    """Add the layout to a folder that holds a transformers model and its tokenizer.

    Args:
        pooling: `mean`, `first` or `last`.
        width: H of the vectors.
        max_length: tokens at which a text is cut.
        prefixes: what stands before queries, and before what is found.
    """
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(STEPS)
    ]
    chosen = {f"pooling_mode_{mode}": mode == MODES[pooling] for mode in MODES.values()}
    _write(folder / "modules.json", modules)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": max_length, "do_lower_case": False})
    _write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": width, **chosen})
    _write(folder / "2_Normalize" / "config.json", {})
    prompts = {"query": prefixes[0], "document": prefixes[1]}
    default = "query" if prefixes[0] and prefixes[0] == prefixes[1] else None
    known = {"prompts": prompts, "default_prompt_name": default, "similarity_fn_name": "cosine"}
    _write(folder / "config_sentence_transformers.json", known)


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
