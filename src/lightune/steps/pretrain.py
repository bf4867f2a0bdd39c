"""`lightune pretrain`: a corpus -> a language model, measured on held-out text, saved as a run."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.settings import build
from lightune.data.corpus import (
    Corpus,
    Size,
    find_corpus,
    hold_out,
    hold_out_value,
    limit_texts,
    require_text,
)
from lightune.data.settings import DataSettings
from lightune.engine.settings import parse_seconds
from lightune.history.language.base import LanguageModel, Lesson, Log, NoSettings
from lightune.runs.folder import finish, open_work
from lightune.runs.language_folder import LanguagePage, LanguageState, write_language_files
from lightune.steps.languages import kind_of, measure
from lightune.steps.places import check_output, choose_work

GROUPS = ("pretrain", "train", "data")
CHECKPOINTS = "checkpoints"  # inside the unfinished run
MODEL = "model"
PSEUDO_BYTES = 10_000


@dataclass(frozen=True)
class PretrainRequest:
    """One `pretrain` as asked for."""

    data: str
    kind: str = "ngram"
    text: str | None = None
    validation: str | None = None
    held_out: str | None = None
    model: str = ""
    tokenizer: str = ""
    embeddings: str = ""
    budget: str | None = None
    output: str | None = None
    seed: int = 0
    resume: bool = False
    overwrite: bool = False
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def check(self) -> type[LanguageModel]:
        """The kind, when all that can be checked without reading is right.

        Raises:
            UserError: an unknown kind or setting, a flag that this kind does not know.
        """
        if not self.data:
            raise UserError("no corpus was named", hint="Give a text file, or a data set such as brown.")
        kind = kind_of(self.kind)
        for group in self.groups:
            if group not in GROUPS:
                known = ", ".join(f"--{name}.*" for name in GROUPS)
                raise UserError(f"`pretrain` has no settings --{group}.*", hint=f"It has {known}.")
        if self.groups.get("train") and kind.Loop is NoSettings:
            raise UserError(f"{self.kind} has no settings --train.*", hint="It has --pretrain.*.")
        for name in ("model", "tokenizer", "embeddings"):
            if getattr(self, name) and name not in kind.takes:
                takes = ", ".join(f"--{one}" for one in sorted(kind.takes)) or "none of these"
                raise UserError(f"--{name} does nothing for {self.kind}", hint=f"This kind takes {takes}.")
        if self.validation and self.held_out:
            raise UserError("--validation and --held-out both say what is held out", hint="Give one of them.")
        if self.budget is not None:
            parse_seconds(self.budget)
        if not 0 <= self.seed < 2**63:
            raise UserError(f"--seed cannot be {self.seed}", hint="Give a whole number from 0 up.")
        return kind

    def fingerprint(self) -> str:
        """The same for two requests that must give the same run."""
        known = asdict(self)
        for name in ("output", "resume", "overwrite"):
            known.pop(name)
        known["data"] = str(Path(self.data).absolute()) if Path(self.data).exists() else self.data
        plain = json.dumps(known, sort_keys=True, default=str)
        return hashlib.blake2b(plain.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Gathered:
    """The two parts of the corpus, their sizes, and in words how the second was chosen."""

    train: Corpus
    validation: Corpus
    sizes: dict[str, Size]
    held_out: str


def run_pretrain(request: PretrainRequest, show: Show) -> dict[str, Any]:
    """The whole job; returns the JSON object of `lightune pretrain --json`."""
    began = time.perf_counter()
    kind = request.check()
    settings = build(kind.Settings, "pretrain", request.groups.get("pretrain", {}))
    loop = build(kind.Loop, "train", request.groups.get("train", {}))
    gathered = gather(request, show)
    output = check_output(request)
    work, output = choose_work(request, output, request.kind, show)
    open_work(work, request.fingerprint(), request.data, is_resumed=request.resume)
    (work / CHECKPOINTS).mkdir(exist_ok=True)
    read = time.perf_counter() - began
    log = Log()
    lesson = Lesson(
        train=gathered.train,
        validation=gathered.validation,
        settings=settings,
        loop=loop,
        seed=request.seed,
        show=show,
        work=work / CHECKPOINTS,
        log=log,
        is_resumed=request.resume,
        seconds=parse_seconds(request.budget) - read if request.budget else None,
        model=request.model,
        tokenizer=request.tokenizer,
        embeddings=request.embeddings,
        num_bytes=gathered.sizes["train"].num_bytes,
    )
    model = kind.train(lesson)
    learnt = time.perf_counter() - began - read
    metrics: dict[str, Any] = dict(log.scores)
    if model.has_probabilities:
        metrics = {
            **measure(model.score_all(measured_texts(model, gathered, log), show), seed=request.seed),
            **metrics,
        }
    total = time.perf_counter() - began
    seconds = {"read": read, "train": learnt, "evaluate": total - read - learnt, "total": total}
    facts = model.describe()
    state = LanguageState(
        request.kind, request.data, gathered.held_out, facts, model.is_pseudo, model.has_probabilities
    )
    sizes = {part: (size.texts, size.num_bytes) for part, size in gathered.sizes.items()}
    told = LanguagePage(state, metrics, sizes, seconds, log.rows, log.samples, log.facts)
    _keep(request, model, told, work, output)
    _show(told, output, show)
    return _summary(request, told, output)


def measured_texts(model: LanguageModel, gathered: Gathered, log: Log) -> Iterable[str]:
    """The held-out texts; a part of them for a model that needs a pass for every single token."""
    if not model.is_pseudo or gathered.sizes["validation"].num_bytes <= PSEUDO_BYTES:
        return gathered.validation.texts()
    texts = limit_texts(gathered.validation, PSEUDO_BYTES)
    why = "a pseudo-log-likelihood takes a pass for every token"
    log.facts.append(("measured at the end", f"on {len(texts):,} held-out texts", why))
    return texts


def gather(request: PretrainRequest, show: Show) -> Gathered:
    """Find the corpus, measure it, and hold a part of it out.

    Raises:
        UserError: nothing there, no text in it, or nothing that can be held out.
    """
    settings = build(DataSettings, "data", request.groups.get("data", {}))
    corpus = find_corpus(request.data, settings, request.text, show)
    size = corpus.measure()
    require_text(corpus, size)
    if request.validation:
        train, validation = corpus, find_corpus(request.validation, settings, request.text, show)
        how = request.validation
    elif request.held_out:
        column, equals, value = request.held_out.partition("=")
        if not equals:
            raise UserError("--held-out needs COLUMN=VALUE", hint='Like: --held-out "book=Emma"')
        train, validation = hold_out_value(corpus, column, value)
        how = request.held_out
    else:
        share = settings.validation_fraction
        if share == 0:
            raise UserError(
                "nothing is held out to measure on", hint="Leave --data.validation-fraction at 0.1."
            )
        train, validation = hold_out(corpus, size, share, request.seed)
        how = f"{share:.0%} of the texts, in blocks"
    sizes = {"train": train.measure(), "validation": validation.measure()}
    for part in (train, validation):
        require_text(part, sizes["train" if part is train else "validation"])
    return Gathered(train, validation, sizes, how)


def _keep(
    request: PretrainRequest, model: LanguageModel, told: LanguagePage, work: Path, output: Path
) -> None:
    """Save the model beside, then give it its name."""
    import shutil

    import lightune

    shutil.rmtree(work / CHECKPOINTS)
    model.save(work)
    told.state.version = lightune.__version__
    size = sum(file.stat().st_size for file in work.rglob("*") if file.is_file())
    told.state.facts["size_bytes"] = size
    asked = {name: value for name, value in asdict(request).items() if name not in {"groups", "resume"}}
    groups = {name: dict(values) for name, values in request.groups.items()}
    write_language_files(work, told, {"run": asked, **groups})
    finish(work, output, replace=request.overwrite)


def _show(told: LanguagePage, output: Path, show: Show) -> None:
    show.table("decided", ("what", "", "why"), told.decisions)
    rows = []
    for name, one in told.metrics.items():
        if isinstance(one, dict):
            rows.append((name, f"{one['value']:.4g}", f"{one['low']:.4g} to {one['high']:.4g}"))
        else:
            rows.append((name, f"{one:.4g}", ""))
    show.table("on held-out text", ("figure", "value", "95% interval"), rows)
    show.note(f"saved: {output} (report.html in it)")


def _summary(request: PretrainRequest, told: LanguagePage, output: Path) -> dict[str, Any]:
    """The JSON object: plain numbers, and their intervals beside them."""
    plain = {name: one["value"] if isinstance(one, dict) else one for name, one in told.metrics.items()}
    spread = {name: [one["low"], one["high"]] for name, one in told.metrics.items() if isinstance(one, dict)}
    return {
        "kind": request.kind,
        "corpus": request.data,
        "output": str(output),
        "metrics": {"validation": plain},
        "intervals": {"validation": spread},
        "is_pseudo": told.state.is_pseudo,
        "facts": told.state.facts,
        "texts": {part: size[0] for part, size in told.sizes.items()},
        "bytes": {part: size[1] for part, size in told.sizes.items()},
        "seconds": told.seconds,
        "history": told.log,
        "samples": [{"step": step, "text": text} for step, text in told.samples],
        "decisions": [list(one) for one in told.decisions],
    }
