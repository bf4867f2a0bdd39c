"""From a run folder or the name of a model to a language model, and what it says of texts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.evaluate.intervals import bootstrap
from lightune.history import language
from lightune.history.language.base import How, LanguageModel, Scored
from lightune.runs.language_folder import LanguageState, is_language_run, read_language_state

CAUSAL, MASKED = "ForCausalLM", "LMHeadModel"


def kind_of(name: str) -> type[LanguageModel]:
    """The class of a kind.

    Raises:
        UserError: there is no such kind; the nearest is named.
    """
    try:
        return plugins.load(language, name, LanguageModel)  # type: ignore[type-abstract]
    except UserError as error:
        raise UserError(f"there is no kind of language model called {name!r}", hint=error.hint) from None


def open_run(folder: Path) -> tuple[LanguageModel, LanguageState]:
    """The language model of a run folder.

    Raises:
        UserError: no run, or one of another sort.
    """
    state = read_language_state(folder)
    return kind_of(state.kind).load(folder), state


def open_model(name: str, show: Show) -> LanguageModel:
    """A run folder, an .arpa file, or any causal or masked transformers model by name, folder or hub id.

    Raises:
        UserError: nothing of that name, or a model without a language-model head.
    """
    folder = Path(name).expanduser()
    if is_language_run(folder):
        return open_run(folder)[0]
    if folder.suffix == ".arpa" and folder.is_file():
        from lightune.history.language.ngram import Ngram

        return Ngram.from_arpa(folder)
    from lightune.backbones.source import resolve

    found = resolve(name, show, can_fetch=True).folder
    assert found is not None, name
    config = json.loads((found / "config.json").read_text(encoding="utf-8"))
    classes = [str(one) for one in config.get("architectures") or ()]
    if any(one.endswith("ForMaskedLM") for one in classes):
        from lightune.history.language._masked import Masked

        return Masked.load(found)
    if any(one.endswith((CAUSAL, MASKED)) for one in classes):
        from lightune.history.language._causal import Causal

        return Causal.load(found)
    raise UserError(
        f"this model has no language-model head: it gives vectors, not probabilities "
        f"({', '.join(classes) or 'no architecture named'})",
        file=name,
        hint="Take a causal or masked language model, such as smollm2, or give it a head with: "
        "lightune pretrain CORPUS --kind bert --model " + name,
    )


def measure(scored: Sequence[Scored], *, seed: int = 0) -> dict[str, dict[str, float]]:
    """bits_per_byte and perplexity of texts, each {value, low, high}: 95% bootstrap over the texts."""
    sums = np.array([[-one.log_probability, len(one.tokens), one.num_bytes] for one in scored])

    def figures(rows: Any) -> dict[str, float]:
        cost, tokens, num_bytes = sums[rows].sum(0)
        return {
            "bits_per_byte": float(cost / np.log(2) / max(num_bytes, 1)),
            "perplexity": float(np.exp(min(cost / max(tokens, 1), 700))),
        }

    value, spread = figures(np.arange(len(sums))), bootstrap(figures, len(sums), seed=seed)
    return {
        name: {"value": one, "low": spread[name][0], "high": spread[name][1]} for name, one in value.items()
    }


def assess(folder: Path, data: str, text: str | None, settings: Any, show: Show) -> dict[str, Any]:
    """{metrics, rows, run} of a language-model run on texts it has not seen."""
    from lightune.data.corpus import find_corpus, require_text

    corpus = find_corpus(data, settings, text, show)
    require_text(corpus, corpus.measure())
    model, state = open_run(folder)
    scored = model.score_all(corpus.texts(), show)
    result = {"metrics": measure(scored), "rows": len(scored), "run": str(folder), "kind": state.kind}
    return {**result, "is_pseudo": model.is_pseudo}


def write(folder: Path, prompts: Sequence[str], how: How) -> list[str]:
    """One new text for every prompt, each with a seed of its own.

    Raises:
        UserError: a way of drawing that makes no sense, or a kind that does not write.
    """
    from dataclasses import replace

    if how.max_new_tokens < 1 or how.beams < 1:
        raise UserError("--max-new-tokens and --beams must be 1 or more")
    if how.temperature < 0 or how.top_k < 0 or not 0 < how.top_p <= 1:
        hint = "Temperature and top-k are 0 or more, top-p lies between 0 and 1."
        raise UserError("this way of drawing tokens makes no sense", hint=hint)
    model, _ = open_run(folder)
    return [
        model.generate(prompt, replace(how, seed=how.seed + number)) for number, prompt in enumerate(prompts)
    ]
