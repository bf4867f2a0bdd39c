"""A masked-language-model Transformer, from nothing or from an encoder, to be fine-tuned afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from lightune.core.errors import UserError
from lightune.core.settings import Settings as Group
from lightune.history.language import _neural
from lightune.history.language._masked import Masked
from lightune.history.language.base import Lesson
from lightune.pretraining.settings import LoopSettings, VocabularySettings

if TYPE_CHECKING:
    from lightune.backbones.precision import Precision
    from lightune.pretraining.loop import Learner
    from lightune.pretraining.vocabulary import Vocabulary

RATE_TIMES_WIDTH, FASTEST = 0.3, 2e-3
GOING_ON = 1e-4  # the rate for a network that has learnt already
HEADS = (
    "cls.predictions.transform",
    "cls.predictions.bias",
    "lm_head.dense",
    "lm_head.bias",
    "lm_head.layer_norm",
)
POOLER = "pooler.dense"


class BertSettings(VocabularySettings):
    """The shape of the network, what is hidden, and the tokenizer that is trained with it."""

    vocabulary: Literal["bpe", "wordpiece", "unigram", "characters"] = Field(
        "wordpiece", description="how the trained tokenizer cuts words"
    )

    layers: int = Field(4, ge=1, le=96, description="number of layers (of a fresh network)")
    width: int = Field(192, ge=16, le=8192, description="width of the states (of a fresh network)")
    heads: int | None = Field(
        None, ge=1, le=128, description="attention heads; one for every 32 of the width"
    )
    block: int = Field(128, ge=8, le=512, description="tokens read at once, the two around a text included")
    dropout: float = Field(0.1, ge=0, lt=1, description="share of values dropped in training")
    hidden: float = Field(0.15, gt=0, lt=1, description="share of the words that are hidden")
    whole_words: bool = Field(True, description="hide all tokens of a word, or none")
    head_first: float = Field(
        0.1, ge=0, lt=1, description="share of the run in which only the new head learns (with --model)"
    )


class Bert(Masked):
    """An encoder with its masked head; the run is a plain transformers folder, a backbone for every task."""

    summary = "a masked-language-model Transformer, to be fine-tuned afterwards"
    paper = "Devlin et al. 2019, arXiv:1810.04805; going on: Gururangan et al. 2020, arXiv:2004.10964"
    Settings: ClassVar[type[Group]] = BertSettings
    Loop: ClassVar[type[Group]] = LoopSettings
    takes: ClassVar[frozenset[str]] = frozenset({"model", "tokenizer", "embeddings"})
    pooler: dict[str, Any] | None = None  # of the encoder gone on from: fine-tuning may want it

    @classmethod
    def train(cls, lesson: Lesson) -> Self:
        """Learn from blocks of the corpus, other words hidden at every step."""
        from lightune.pretraining.masked import MaskedLearner, MaskedNetwork
        from lightune.pretraining.masking import make_masking
        from lightune.pretraining.stream import Blocks

        settings = lesson.settings
        _neural.heads_of(settings)
        folder = _neural.model_source(lesson.model, lesson.show) if lesson.model else None
        bench = _neural.open_bench(lesson, _neural.HIDING, settings.block, folder)
        tokenizer = bench.vocabulary.tokenizer
        _require_mask(tokenizer, lesson)
        length = min(settings.block - 2, len(bench.train))
        blocks = Blocks(bench.train, length, max(1, bench.batch_tokens // length), lesson.seed)
        masking = make_masking(bench.vocabulary, settings.hidden, whole_words=settings.whole_words)
        held_out = _held_out(bench, length)

        def make_with(precision: Precision) -> MaskedLearner:
            network = make_network(settings, bench.vocabulary, folder, lesson.seed)
            start = int(tokenizer.cls_token_id)
            parts = MaskedNetwork(network, start, bench.vocabulary.end_id, precision)
            return MaskedLearner(parts, blocks, masking, held_out)

        precision = _neural.choose_precision(bench, lambda one: make_with(one).descend(0))

        def make() -> Learner:
            return make_with(precision)

        plan = _plan(bench, blocks.steps_an_epoch, folder)
        found = cls(_neural.learn(bench, make, plan).network, tokenizer)
        found.pooler = read_pooler(folder) if folder else None
        return found

    def save(self, folder: Path) -> None:
        """A plain transformers folder; the pooler of the encoder gone on from stays with it."""
        super().save(folder)
        if self.pooler:
            from safetensors.torch import load_file, save_file

            file = folder / "model.safetensors"
            prefix = self.network.base_model_prefix
            known = load_file(file) | {f"{prefix}.{name}": one for name, one in self.pooler.items()}
            save_file(known, file, metadata={"format": "pt"})

    def describe(self) -> dict[str, Any]:
        """Parameters, vocabulary and shape."""
        return _neural.describe_network(self.network, self.tokenizer)


def _require_mask(tokenizer: Any, lesson: Lesson) -> None:
    """Raise `UserError` for a tokenizer without the tokens that hiding needs."""
    if tokenizer.mask_token_id is None or tokenizer.cls_token_id is None:
        hint = "Take the tokenizer of an encoder, such as minilm, or none: one is then trained."
        name = lesson.model or lesson.tokenizer
        raise UserError(
            "this tokenizer has no token for what is hidden, or none to begin with", file=name, hint=hint
        )


def _held_out(bench: Any, length: int) -> Any:
    """Held-out texts as blocks, and the bytes that a token of them stands for."""
    import numpy as np

    from lightune.pretraining.masked import HeldOutBlocks

    texts = _neural.held_out_texts(bench)
    ids: list[int] = []
    for _, one in bench.vocabulary.encode_all(texts):
        ids += [*one, bench.vocabulary.end_id]
    length = min(length, len(ids))
    number = len(ids) // length
    num_bytes = sum(len(text.encode("utf-8")) + 1 for text in texts)
    bench.tell(
        "measured", f"with {bench.lesson.settings.hidden:.0%} hidden", "at the end: each token by itself"
    )
    rows = np.array(ids[: number * length], dtype=np.int64).reshape(number, length)
    return HeldOutBlocks(rows, num_bytes / len(ids), bench.vocabulary.tokenizer, bench.lesson.seed)


def _plan(bench: Any, steps_an_epoch: int, folder: Path | None) -> Any:
    from dataclasses import replace

    settings = bench.lesson.settings
    if folder is None:
        rate = min(FASTEST, RATE_TIMES_WIDTH / settings.width)
        return _neural.make_plan(bench, steps_an_epoch, rate, f"{RATE_TIMES_WIDTH:g} / width")
    plan = _neural.make_plan(bench, steps_an_epoch, GOING_ON, "gentle: the encoder has learnt already")
    if settings.head_first:
        why = "the encoder would unlearn what it knows for a head that knows nothing (arXiv:2202.10054)"
        bench.tell("new head first", f"{settings.head_first:.0%} of the run", why)
    return replace(plan, head_first=settings.head_first, head=HEADS)


def make_network(settings: Any, vocabulary: Vocabulary, folder: Path | None, seed: int) -> Any:
    """A fresh network, or the encoder in `folder` with a masked head whose decoder is its embeddings.

    Raises:
        UserError: a model that cannot predict hidden tokens.
    """
    from transformers import AutoConfig, AutoModelForMaskedLM

    from lightune.core.randomness import seed_everything

    seed_everything(seed)
    if folder is not None:
        return load_masked(folder)
    config = AutoConfig.for_model(
        "bert",
        vocab_size=vocabulary.size,
        hidden_size=settings.width,
        intermediate_size=4 * settings.width,
        num_hidden_layers=settings.layers,
        num_attention_heads=_neural.heads_of(settings),
        max_position_embeddings=settings.block,
        hidden_dropout_prob=settings.dropout,
        attention_probs_dropout_prob=settings.dropout,
        pad_token_id=vocabulary.tokenizer.pad_token_id,
    )
    return AutoModelForMaskedLM.from_config(config)


def load_masked(folder: Path) -> Any:
    """An encoder with a masked head, its own or a new one.

    Raises:
        UserError: a model of a kind that has none.
    """
    from transformers import AutoModelForMaskedLM

    from lightune.backbones.loading import quiet_transformers

    with quiet_transformers():
        try:
            network = AutoModelForMaskedLM.from_pretrained(str(folder), dtype="float32")
        except (OSError, ValueError, KeyError) as error:
            hint = "Take an encoder, such as --model minilm."
            first = str(error).splitlines()[0]
            raise UserError(
                f"this model cannot learn by hidden words: {first}", file=folder, hint=hint
            ) from None
    if not (hasattr(network, "cls") or hasattr(network, "lm_head")):
        hint = "Take an encoder of BERT's or RoBERTa's kind, such as --model minilm."
        raise UserError("the masked head of this model is of an unknown kind", file=folder, hint=hint)
    return network


def read_pooler(folder: Path) -> dict[str, Any] | None:
    """The pooler's tensors of an encoder, by their names inside it; None where it has none."""
    from safetensors import safe_open

    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as stream:
            for name in stream.keys():  # noqa: SIM118 - not a mapping
                if POOLER in name:
                    found[name[name.index(POOLER) :]] = stream.get_tensor(name)
    return found or None
