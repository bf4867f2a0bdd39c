"""A finished run, opened: predict and evaluate with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.rows import Example, Row
from lightune.request import check_precision
from lightune.runs.folder import RunState, Told, read_state

if TYPE_CHECKING:
    import torch

    from lightune.backbones.precision import Precision
    from lightune.backbones.transformer import Transformer
    from lightune.backbones.writer import Writing
    from lightune.core.tokens import Batch, Ints, Tokens
    from lightune.engine.watch import Watch
    from lightune.methods.base import Method
    from lightune.tasks.base import Prediction, Task

CHUNK_ROWS = 2048  # rows held at once when a file is streamed


class Run:
    """A run folder ready to use. `predict` takes texts, `evaluate` labelled data."""

    def __init__(
        self, folder: Path, state: RunState, task: Task, method: Method, backbone: Transformer
    ) -> None:
        self.folder = folder
        self.state = state
        self.task = task
        self.method = method
        self.backbone = backbone
        self.metrics: dict[str, Any] = {}
        self.beams = 1  # how many beginnings of a new text are followed
        self.watch: Watch | None = None  # set by those who want to know what looks unlike the training data

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the network's outputs."""
        return self.task.labels

    def predict(
        self, texts: Sequence[str | tuple[str, str]], *, precision: str = "exact"
    ) -> list[Prediction]:
        """One prediction a text (or pair), in order.

        Args:
            precision: `exact` is float32; `fast` the quickest arithmetic that this machine has, measured, and
                float32 once more for rows so close to another answer that rounding might decide.

        Raises:
            UserError: pairs where the run takes single texts, or the reverse.
        """
        pairs = [(one,) if isinstance(one, str) else tuple(one) for one in texts]
        expected = len(self.task.reads(self.state.text))
        for number, one in enumerate(pairs):
            if len(one) != expected:
                kind = "a pair of texts" if expected == 2 else "one text"
                raise UserError(f"text {number} is not {kind}", hint=f"This run takes {kind} at a time.")
        return self._decide(self._examples(pairs), precision)

    def generate(self, prompts: Sequence[str], how: Writing | None = None) -> list[str]:
        """One new text for every prompt, by a run that writes.

        Args:
            how: how long, and how the next token is chosen; None: the likeliest, 128 at most.

        Raises:
            UserError: the run gives labels, not texts.
        """
        if self.task.kind != "text":
            raise UserError(f"this run does not write texts: its task is {self.task.name}", file=self.folder)
        examples = self._examples([(prompt,) for prompt in prompts])
        return [str(one.label) for one in self._written(examples, how)]

    def _decide(self, examples: Sequence[Example], precision: str = "exact") -> list[Prediction]:
        """What the run says of examples."""
        if self.task.kind == "text":
            from lightune.backbones.writer import Writing

            return self._written(examples, Writing(beams=self.beams))
        return self.task.decode(self._outputs(examples, precision), examples)

    def _written(self, examples: Sequence[Example], how: Writing | None = None) -> list[Prediction]:
        from lightune.backbones.writer import Writer

        return self.task.generate(Writer(self.backbone), examples, how=how)

    def vectors(self, texts: Sequence[str], *, column: str | None = None, precision: str = "exact") -> Any:
        """(len(texts), H) float32 vectors of length 1: their product is the cosine.

        Args:
            column: the column of the training data whose kind of text these are, where the model tells
                queries from passages; the first unless said.

        Raises:
            UserError: the run makes no vectors.
        """
        if self.task.kind != "vectors":
            hint = "Train one with: lightune train PAIRS --task retrieve"
            raise UserError(
                f"a run of the task {self.task.name} makes no vectors", file=self.folder, hint=hint
            )
        name = column or self.task.reads(self.state.text)[0]
        examples = [self._example(Row(0, {name: text}, ""), (name,)) for text in texts]
        found = self._outputs(examples, precision)
        return found[:, 0] if examples else found

    def logits(self, texts: Sequence[tuple[str, ...]], precision: str = "exact") -> Any:
        """(B, C) of texts, windows of long ones pooled; or as many arrays (U, C), one line an answer."""
        return self._outputs(self._examples(texts), precision)

    def strangeness(self, texts: Sequence[tuple[str, ...]]) -> Any:
        """(B,) how unlike the training data texts are: above 1 is beyond what 99 of 100 like it reach.

        Raises:
            UserError: the run has not learnt what is usual: too few validation rows, or a task without it.
        """
        watch = self.new_watch()
        if watch is None:
            hint = "Train again with 50 validation rows or more, as classify, pair, multilabel or regress."
            raise UserError("the run does not know what is usual", file=self.folder, hint=hint)
        self.watch, before = watch, self.watch
        try:
            self.logits(texts)
        finally:
            self.watch = before
        return watch.distances()

    def new_watch(self) -> Watch | None:
        """What tells rows unlike the training data; None where the run has not learnt it."""
        from lightune.engine.watch import Watch
        from lightune.runs.familiar import read_region

        region = read_region(self.folder)
        return Watch(region) if region is not None else None

    def _examples(self, texts: Sequence[tuple[str, ...]]) -> list[Example]:
        names = self.task.reads(self.state.text)
        return [self._example(Row(0, dict(zip(names, one, strict=True)), "")) for one in texts]

    def _example(self, row: Row, text: Sequence[str] | None = None) -> Example:
        """What the task sees of a row without its answer."""
        names = tuple(text or self.task.reads(self.state.text))
        if self.state.extra.get("masks"):  # it learnt from masked texts, and reads no others
            from lightune.privacy.masking import Masker

            row = replace(row, values=Masker().mask(row.values))
        return self.task.row_to_example(row, names, None)

    def outputs(self, examples: Sequence[Example]) -> Any:
        """(B, C) logits of examples, or as many arrays; gold answers are not looked at."""
        return self._outputs(examples)

    def _outputs(self, examples: Sequence[Example], precision: str = "exact") -> Any:
        from lightune.engine.predict import settle

        if self.task.has_second_round:  # what the second round asks is not taken from gold answers
            examples = [replace(one, gold=None) for one in examples]
        logits = self._asked(examples, precision)
        return settle(self.task, logits, examples, lambda more: self._asked(more, precision))

    def _asked(self, examples: Sequence[Example], precision: str) -> Any:
        import numpy as np

        from lightune.backbones.encode import Limits
        from lightune.backbones.precision import reading_in
        from lightune.backbones.streams import num_streams
        from lightune.engine.predict import Reading, ask_close_again, logits_of

        if not examples:
            return np.zeros((0, max(1, len(self.task.labels))), dtype=np.float32)
        tokens = self.task.encode(self.backbone.tokenizer, examples, Limits(**self.state.limits)).tokens
        device = self.backbone.device

        def forward(batch: Batch) -> torch.Tensor:
            return self.method.forward(self.backbone, batch)

        watched = self.watch.around(forward, self.backbone, tokens) if self.watch else forward

        known = num_streams(tokens.num_tokens, device, self.backbone.storage)
        streams = known if self.method.may_overlap else 1

        def ask(rows: Ints, arithmetic: Precision) -> Any:
            def read(batch: Batch) -> torch.Tensor:
                with reading_in(arithmetic, device):
                    return watched(batch)

            how = Reading(self.backbone.pad_id, device, streams=streams)
            return logits_of(read, tokens, rows, task=self.task, how=how)

        arithmetic = self._arithmetic(tokens, precision, streams)
        found = ask(np.arange(len(examples)), arithmetic)
        if arithmetic == "float32":
            return found
        return ask_close_again(found, self.task.margins, lambda rows: ask(rows, "float32"))

    def _arithmetic(self, tokens: Tokens, precision: str, streams: int) -> Precision:
        """Float32, or for `fast` and texts enough what is quickest here."""
        if check_precision(precision) == "exact":
            return "float32"
        import numpy as np

        from lightune.engine.plan import speeds_here
        from lightune.engine.predict import READ_TOKENS

        rows, backbone = np.arange(tokens.num_examples), self.backbone
        # Not `plain_forward`: that would take the merged adapter out again.
        speeds = speeds_here(
            backbone, backbone.forward, tokens, rows, batch_tokens=READ_TOKENS, streams=streams
        )
        return speeds.best if speeds else "float32"

    def predict_rows(
        self, rows: Iterable[Row], text: Sequence[str], precision: str = "exact"
    ) -> Iterator[dict[str, Any]]:
        """Rows with `predicted` and `probability` added, streamed in chunks, in the order they come.

        Raises:
            UserError: a row without a column that the run reads.
        """
        remaining = iter(rows)
        while chunk := list(islice(remaining, CHUNK_ROWS)):
            for row in chunk:
                self._require_texts(row, text)
            examples = [self._example(row, text) for row in chunk]
            decoded = self._decide(examples, precision)
            if self.watch is not None:
                self.watch.count()
            for row, prediction in zip(chunk, decoded, strict=True):
                yield {**row.values, **self.task.columns_of(prediction)}

    def evaluate(self, examples: Sequence[Example]) -> dict[str, dict[str, float]]:
        """Metric name -> {value, low, high} (95% bootstrap interval).

        Raises:
            UserError: a label that the run was not trained on.
        """
        return self.score(self._outputs(examples), self.task.targets(examples))

    def score(self, logits: Any, targets: Any) -> dict[str, dict[str, float]]:
        """Metric name -> {value, low, high} of logits and targets, E of each."""
        values, intervals = self.task.metrics(logits, targets), self.task.intervals(logits, targets)
        return {
            name: {"value": value, "low": intervals[name][0], "high": intervals[name][1]}
            for name, value in values.items()
            if name in intervals
        }

    @staticmethod
    def _require_texts(row: Row, text: Sequence[str]) -> None:
        for name in text:
            if name not in row.values:
                raise UserError(
                    f"there is no column {name!r}, which the run reads",
                    file=row.file,
                    line=row.line,
                    hint=f"The columns are: {', '.join(row.values)}. Name the text one with --text COLUMN.",
                )


def load(
    folder: str | Path,
    show: Show | None = None,
    *,
    model: str | None = None,
    labels: Sequence[str] | None = None,
) -> Run:
    """Open a run folder, or an adapter folder of plain peft.

    Args:
        model: where its backbone is; else it is found by address, then by digest in the known places.
        labels: what the outputs of a plain adapter are called, where no file says it.

    Raises:
        UserError: no run there, the backbone is nowhere, or something is not what was trained.
    """
    run = open_run(Path(folder), show, Told(model, tuple(labels) if labels is not None else None))
    run.backbone.merge()
    return run


def open_run(folder: Path, show: Show | None, told: Told) -> Run:
    """What `load` gives, the adapter still beside the weights."""
    state = read_state(folder, told)
    from lightune.backbones.opening import open_backbone
    from lightune.runs.parts import method_of, source_of, task_of

    task, method = task_of(state), method_of(state)
    source = source_of(folder, state, show or Show(is_quiet=True), told.model)
    backbone = open_backbone(source, task.head_spec(), head=state.head, seed=0, bits=method.bits)
    method.load(backbone, folder)
    state.limits = state.limits or backbone.widest()
    backbone.model.eval()
    run = Run(folder, state, task, method, backbone)
    run.metrics = read_metrics(folder)
    return run


def read_metrics(folder: Path) -> dict[str, Any]:
    """metrics.json of a run, empty when it is gone."""
    import json

    file = folder / "metrics.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
