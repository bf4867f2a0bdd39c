"""Replies to prompts: a causal language model learns the reply's tokens, given all that stands before them.

Loss: -log P(w_t | w_<t) over the tokens of replies and their ends (Radford et al. 2018; Ouyang et al. 2022,
section 3.5: supervised fine-tuning). Perplexity: exp of the mean of that over held-out replies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lightune.backbones.base import HeadSpec
from lightune.backbones.encode import Encoded, Limits
from lightune.backbones.encode_chat import REPLY, encode_chats
from lightune.backbones.two_sides import encode_two_sides
from lightune.core.rows import Example, Row
from lightune.core.shown import Shown
from lightune.core.tokens import Batch, Ints, Tokens
from lightune.data.profile import is_missing
from lightune.data.written import REPLIES, find_reply
from lightune.tasks.base import Array, Intervals, Prediction, Task, by_example

if TYPE_CHECKING:
    import torch

    from lightune.core.rows import Table
    from lightune.data.columns import Columns
    from lightune.data.profile import LabelProfile


class Instruct(Task):
    """A reply for every prompt."""

    name = "instruct"
    summary = "a reply to a prompt or a chat"
    kind = "text"
    auto_class = "AutoModelForCausalLM"
    peft_type = "CAUSAL_LM"
    is_per_token = True
    best_by = "log_likelihood"
    also_told = ("chrf",)
    added = ("generated",)
    precedence = 20
    is_able = True

    @classmethod
    def recognises(cls, profile: LabelProfile, num_texts: int) -> str:
        """A column that is called a response."""
        name = profile.column.strip().lower()
        return f"the column {profile.column!r} holds replies" if name in REPLIES else ""

    @classmethod
    def find_columns(
        cls, table: Table, text: tuple[str, ...] | None, label: str | None, *, is_asked: bool
    ) -> Columns | None:
        """A prompt and its reply."""
        return find_reply(table, text, label, is_asked=is_asked)

    def gold(self, row: Row, label: str, profile: LabelProfile) -> str | None:
        """The reply."""
        value = row.values.get(label)
        return None if is_missing(value) else str(value)

    def row_to_example(self, row: Row, text: tuple[str, ...], gold: Any) -> Example:
        """The chat so far, and the reply where it is known."""
        chat = row.values.get("turns")
        if isinstance(chat, (list, tuple)) and chat:
            turns = tuple((str(role), str(content)) for role, content in chat)
        else:
            parts = [row.values.get(name) for name in text]
            turns = (("user", self.prompt("\n\n".join(str(part) for part in parts if not is_missing(part)))),)
        prompt = next((content for role, content in reversed(turns) if role != REPLY), "")
        if gold is not None:
            turns = (*turns, (REPLY, gold))
        return Example((prompt,), gold, row.index, row.file, row.line, turns=turns)

    def source_of(self, example: Example) -> str:
        """What an encoder reads: the chat so far."""
        before = example.turns if example.gold is None else example.turns[:-1]
        return "\n".join(content for _, content in before)

    def prompt(self, text: str) -> str:
        """What the model is asked, from the text of a row."""
        return text

    def learn(self, examples: Sequence[Example]) -> None:
        """There are no labels."""

    def head_spec(self) -> HeadSpec:
        """The model's own outputs over its vocabulary: nothing new is put on top."""
        return HeadSpec(
            self.auto_class, 0, "", (), peft_type=self.peft_type, is_per_token=True, is_language_model=True
        )

    def encode(self, tokenizer: Any, examples: Sequence[Example], limits: Limits) -> Encoded:
        """Chats by the model's own template; only replies are to be learnt.

        A model with an encoder reads the prompt there.
        """
        if limits.start_id is not None:
            pairs = [(self.source_of(example), example.gold) for example in examples]
            return encode_two_sides(tokenizer, pairs, limits, limits.start_id)
        return encode_chats(tokenizer, [example.turns for example in examples], limits)

    def targets(self, examples: Sequence[Example]) -> Array:
        """(B,) zeros: what is to be predicted lies in the tokens."""
        return np.zeros(len(examples), dtype=np.int64)

    def pool(self, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(U, V) logits before each token of a reply -> (U, 2): log-probability, 1.0 if likeliest."""
        import torch

        from lightune.tasks._chosen import chosen_log_probability

        assert batch.units is not None
        wanted = batch.units[batch.units >= 0]
        chosen = chosen_log_probability(outputs.float(), wanted)
        return torch.stack([chosen, (outputs.argmax(-1) == wanted).float()], dim=1)

    def part(self, logits: Array, batch: Batch) -> list[Array]:
        """(U, 2) -> an array for each example."""
        return by_example(logits, batch)

    def join(self, targets: Array) -> Array:
        """All tokens of some examples."""
        return np.concatenate(list(targets)) if targets.dtype == object else targets

    def weigh(self, tokens: Tokens, rows: Ints) -> int:
        """All tokens that are asked for."""
        return tokens.num_answers(rows)

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """(U,) negative log-likelihood of every token of a reply."""
        return -logits[:, 0]

    def losses(self, outputs: torch.Tensor, batch: Batch, targets: Array) -> torch.Tensor:
        """The same from outputs."""
        return -self.pool(outputs, batch)[:, 0]

    def decode(self, logits: Array, examples: Sequence[Example]) -> list[Prediction]:
        """Nothing is said by the likelihood of replies; `generate` makes new ones."""
        return [Prediction(None, None, {}) for _ in examples]

    def generate(self, writer: Any, examples: Sequence[Example], **options: Any) -> list[Prediction]:
        """New replies, by a `Writer` of the backbone."""
        if writer.reads_apart:
            texts = writer.write_from([self.source_of(example) for example in examples], **options)
            return [Prediction(text, None, {}) for text in texts]
        chats = [tuple(turn for turn in example.turns) for example in examples]
        asked = [turns[:-1] if turns and turns[-1][0] == REPLY else turns for turns in chats]
        return [Prediction(text, None, {}) for text in writer.write(asked, **options)]

    def columns_of(self, prediction: Prediction) -> dict[str, Any]:
        """The new text."""
        return {"generated": prediction.label}

    def compared(self, prediction: Prediction, example: Example) -> dict[str, Shown]:
        """What was asked, the right text, and the one that was written, with its chrF."""
        chrf = 100 - self.badness(prediction, example)
        return {
            "Asked": Shown("\n".join(example.texts)),
            "Right text": Shown(str(example.gold)),
            "Written by the model": Shown(str(prediction.label), notes=(f"chrF {chrf:.1f}",)),
        }

    def badness(self, prediction: Prediction, example: Example) -> float:
        """100 less its chrF."""
        from lightune.evaluate.texts import chrf_of

        return 100 - chrf_of(str(prediction.label), str(example.gold))

    def compare_texts(self, said: Sequence[str], gold: Sequence[str]) -> tuple[dict[str, float], Intervals]:
        """exact_match, chrf (0 to 100), rouge1, rouge2 and rougeL (0 to 1) of generated replies."""
        from lightune.evaluate.texts import ROUGE, text_metrics

        return text_metrics(said, gold, names=("exact_match", "chrf", *ROUGE))

    def metrics(self, logits: Array, targets: Array) -> dict[str, float]:
        """Perplexity and accuracy a token of replies; log_likelihood, the mean a token."""
        every = self.join(logits)
        if not len(every):
            return {"perplexity": float("nan"), "accuracy": 0.0, "log_likelihood": float("-inf")}
        mean = float(every[:, 0].astype(np.float64).mean())
        return {
            "perplexity": float(np.exp(-mean)),
            "accuracy": float(every[:, 1].mean()),
            "log_likelihood": mean,
        }

    def intervals(self, logits: Array, targets: Array, *, seed: int = 0) -> Intervals:
        """95% bootstrap intervals, examples drawn."""
        from lightune.evaluate.intervals import bootstrap

        sums = np.array([[*one.sum(axis=0), len(one)] for one in logits], dtype=np.float64)

        def of(rows: Array) -> dict[str, float]:
            total, right, number = sums[rows].sum(axis=0)
            mean = total / max(number, 1)
            return {
                "perplexity": float(np.exp(-mean)),
                "accuracy": right / max(number, 1),
                "log_likelihood": mean,
            }

        return bootstrap(of, len(sums), seed=seed)

    def score(
        self, predicted: Sequence[Any], targets: Array, examples: Sequence[Example]
    ) -> tuple[dict[str, float], Intervals]:
        """Metrics of texts from elsewhere: they have no likelihood."""
        return self.compare_texts(list(predicted), [str(one.gold) for one in examples])

    def problem_type(self) -> str:
        """Transformers has no name for it."""
        return ""

    def as_logits(self, predicted: Sequence[Any]) -> Array:
        """A text has no logits."""
        raise NotImplementedError("no baseline answers in tokens of the model")
