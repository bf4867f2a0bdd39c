"""A recurrent language model: LSTM, GRU or plain RNN, its softmax tied to its embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from lightune.core.randomness import generator
from lightune.core.settings import Settings as Group
from lightune.history.language import _neural
from lightune.history.language._causal import Causal
from lightune.history.language.base import How, Lesson, draw
from lightune.pretraining.settings import LoopSettings, VocabularySettings

if TYPE_CHECKING:
    from lightune.backbones.precision import Precision
    from lightune.pretraining.loop import Learner

RATE_TIMES_WIDTH, FASTEST = 1.0, 3e-3
LONGEST = 512  # tokens, where it is a backbone
DRAWING = 41  # the purpose of the random stream


class LstmSettings(VocabularySettings):
    """The shape of the network, and the tokenizer that is trained with it."""

    cell: Literal["lstm", "gru", "rnn"] = Field("lstm", description="the kind of recurrent cell")
    layers: int = Field(2, ge=1, le=16, description="number of layers")
    width: int = Field(384, ge=16, le=8192, description="width of the embeddings and states")
    steps: int = Field(64, ge=2, le=4096, description="tokens that the gradient goes back through")
    dropout: float = Field(0.1, ge=0, lt=1, description="share of values dropped between layers in training")


class Lstm(Causal):
    """A recurrent network; the run is a folder that transformers opens once lightune.backbones is loaded."""

    summary = "a recurrent network: stacked LSTM, GRU or RNN, tied softmax"
    paper = "Hochreiter and Schmidhuber 1997; Mikolov et al. 2010; Press and Wolf 2017, arXiv:1608.05859"
    Settings: ClassVar[type[Group]] = LstmSettings
    Loop: ClassVar[type[Group]] = LoopSettings
    takes: ClassVar[frozenset[str]] = frozenset({"tokenizer", "embeddings"})
    scores_end = True

    @classmethod
    def train(cls, lesson: Lesson) -> Self:
        """Learn from parts of the corpus side by side."""
        from lightune.core.randomness import seed_everything
        from lightune.pretraining.causal import CausalNetwork, LaneLearner

        settings = lesson.settings
        bench = _neural.open_bench(lesson, _neural.WRITING, LONGEST)
        length = min(settings.steps, max(2, len(bench.train) // 2))
        rows = max(1, min(bench.batch_tokens // length, len(bench.train) // (length + 1)))
        texts = _neural.held_out_texts(bench)

        def make_with(precision: Precision) -> LaneLearner:
            seed_everything(lesson.seed)
            network = make_network(settings, bench.vocabulary)
            model = cls(network, bench.vocabulary.tokenizer)
            watch = _neural.watch(model, texts, lesson)
            return LaneLearner(
                CausalNetwork(network, precision), bench.train, (rows, length), watch, lesson.seed
            )

        precision = _neural.choose_precision(bench, lambda one: make_with(one).descend(0))

        def make() -> Learner:
            return make_with(precision)

        rate, why = min(FASTEST, RATE_TIMES_WIDTH / settings.width), f"{RATE_TIMES_WIDTH:g} / width"
        plan = _neural.make_plan(bench, make().steps_an_epoch, rate, f"{why}, at most {FASTEST:g}")
        return cls(_neural.learn(bench, make, plan).network, bench.vocabulary.tokenizer)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open a run."""
        import lightune.backbones.recurrent  # noqa: F401 - makes the classes known to transformers

        return super().load(folder)

    def describe(self) -> dict[str, Any]:
        """Parameters, vocabulary and shape."""
        return {
            **_neural.describe_network(self.network, self.tokenizer),
            "cell": self.network.config.cell,
        }

    def generate(self, prompt: str, how: How) -> str:
        """Token by token, the state carried on; it knows no beams.

        Raises:
            UserError: more than one beam.
        """
        import torch

        from lightune.core.errors import UserError

        if how.beams > 1:
            raise UserError("a recurrent model writes without beams", hint="Leave --beams out.")
        ids = self._cut(prompt, has_end=False)[0]
        start, end, random = len(ids), self.tokenizer.eos_token_id, generator(how.seed, DRAWING)
        self.network.eval()
        states, given = self.network.model.first_states(1), ids
        with torch.inference_mode():
            for _ in range(how.max_new_tokens):
                logits = self.network(torch.tensor([given]), states=states).logits[0, -1]
                chosen = draw(logits.double().softmax(0).numpy(), how, random)
                ids, given = [*ids, chosen], [chosen]
                if chosen == end:
                    break
        before = str(self.tokenizer.decode(ids[:start], skip_special_tokens=True))
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).removeprefix(before)


def make_network(settings: Any, vocabulary: Any) -> Any:
    """A fresh recurrent network."""
    from lightune.backbones.recurrent import RecurrentConfig, RecurrentForCausalLM

    return RecurrentForCausalLM(
        RecurrentConfig(
            vocab_size=vocabulary.size,
            hidden_size=settings.width,
            num_hidden_layers=settings.layers,
            cell=settings.cell,
            dropout=settings.dropout,
            bos_token_id=vocabulary.end_id,
            eos_token_id=vocabulary.end_id,
            pad_token_id=vocabulary.tokenizer.pad_token_id,
        )
    )
