"""A causal Transformer, trained from nothing or gone on with: GPT-2 or Llama in a small shape."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from lightune.core.settings import Settings as Group
from lightune.history.language import _neural
from lightune.history.language._causal import Causal
from lightune.history.language.base import How, Lesson
from lightune.pretraining.settings import LoopSettings, VocabularySettings

if TYPE_CHECKING:
    from lightune.backbones.precision import Precision
    from lightune.pretraining.loop import Learner
    from lightune.pretraining.vocabulary import Vocabulary

RATE_TIMES_WIDTH = 0.4  # a wider network takes smaller steps (Yang et al. 2022, arXiv:2203.03466)
FASTEST = 3e-3
GOING_ON = 1e-4  # the rate for a network that has learnt already


class GptSettings(VocabularySettings):
    """The shape of the network, and the tokenizer that is trained with it."""

    architecture: Literal["llama", "gpt2"] = Field(
        "llama", description="llama: rotary positions, SwiGLU; gpt2: learnt positions, GELU"
    )
    layers: int = Field(4, ge=1, le=96, description="number of layers")
    width: int = Field(192, ge=16, le=8192, description="width of the states")
    heads: int | None = Field(
        None, ge=1, le=128, description="attention heads; one for every 32 of the width"
    )
    block: int = Field(128, ge=8, le=8192, description="tokens read at once")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of values dropped in training")


class Gpt(Causal):
    """A causal network of transformers; the run is a plain transformers folder."""

    summary = "a causal Transformer: GPT-2 or Llama in a small shape"
    paper = (
        "Vaswani et al. 2017, arXiv:1706.03762; Radford et al. 2019; Touvron et al. 2023, arXiv:2302.13971"
    )
    Settings: ClassVar[type[Group]] = GptSettings
    Loop: ClassVar[type[Group]] = LoopSettings
    takes: ClassVar[frozenset[str]] = frozenset({"model", "tokenizer", "embeddings"})
    scores_end = True

    @classmethod
    def train(cls, lesson: Lesson) -> Self:
        """Learn from blocks of the corpus."""
        from lightune.pretraining.causal import BlockLearner, CausalNetwork
        from lightune.pretraining.stream import Blocks

        settings = lesson.settings
        _neural.heads_of(settings)
        folder = _neural.model_source(lesson.model, lesson.show) if lesson.model else None
        bench = _neural.open_bench(lesson, _neural.WRITING, settings.block, folder)
        length = min(settings.block, max(2, len(bench.train) - 1))
        blocks = Blocks(bench.train, length, max(1, bench.batch_tokens // length), lesson.seed)
        texts = _neural.held_out_texts(bench)

        def make_with(precision: Precision) -> BlockLearner:
            network = make_network(settings, bench.vocabulary, folder, lesson.seed)
            model = cls(network, bench.vocabulary.tokenizer)
            watch = _neural.watch(model, texts, lesson)
            return BlockLearner(CausalNetwork(network, precision), blocks, watch)

        precision = _neural.choose_precision(bench, lambda one: make_with(one).descend(0))

        def make() -> Learner:
            return make_with(precision)

        rate = GOING_ON if folder else min(FASTEST, RATE_TIMES_WIDTH / settings.width)
        why = "gentle: the network has learnt already" if folder else f"{RATE_TIMES_WIDTH:g} / width"
        plan = _neural.make_plan(bench, blocks.steps_an_epoch, rate, why)
        return cls(_neural.learn(bench, make, plan).network, bench.vocabulary.tokenizer)

    def describe(self) -> dict[str, Any]:
        """Parameters, vocabulary and shape."""
        return _neural.describe_network(self.network, self.tokenizer)

    def generate(self, prompt: str, how: How) -> str:
        """By transformers' own generation; what is longer than the window is written in stages."""
        import torch

        ids = self._cut(prompt, has_end=False)[0]
        start, left = len(ids), how.max_new_tokens
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(how.seed)
            while left > 0:
                seen = ids if len(ids) <= self.window * 3 // 4 else ids[-(self.window // 2) :]
                new = self._continue(seen, min(left, self.window - len(seen)), how)
                ids, left = ids + new, left - len(new)
                if not new or new[-1] == self.tokenizer.eos_token_id:
                    break
        before = str(self.tokenizer.decode(ids[:start], skip_special_tokens=True))
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).removeprefix(before)

    def _continue(self, ids: list[int], number: int, how: How) -> list[int]:
        import torch

        drawing: dict[str, Any] = {"do_sample": how.temperature > 0, "num_beams": how.beams}
        if how.temperature > 0:
            drawing |= {"temperature": how.temperature, "top_k": how.top_k, "top_p": how.top_p}
        given = torch.tensor([ids], device=self.network.device)
        self.network.eval()
        with torch.inference_mode():
            found = self.network.generate(
                given,
                attention_mask=torch.ones_like(given),
                max_new_tokens=number,
                eos_token_id=self.tokenizer.eos_token_id,
                pad_token_id=self.tokenizer.pad_token_id,
                **drawing,
            )
        return [int(one) for one in found[0, len(ids) :]]


def make_network(settings: Any, vocabulary: Vocabulary, folder: Path | None, seed: int) -> Any:
    """A fresh network, or the one in `folder`."""
    from lightune.core.randomness import seed_everything

    seed_everything(seed)
    if folder is not None:
        return load_causal(folder)
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_config(make_config(settings, vocabulary))


def make_config(settings: Any, vocabulary: Vocabulary) -> Any:
    """The configuration of transformers."""
    from transformers import AutoConfig

    heads = _neural.heads_of(settings)
    known: dict[str, Any] = {
        "vocab_size": vocabulary.size,
        "bos_token_id": vocabulary.end_id,
        "eos_token_id": vocabulary.end_id,
        "pad_token_id": vocabulary.tokenizer.pad_token_id,
    }
    if settings.architecture == "gpt2":
        known |= dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), settings.dropout)
        known |= {"n_positions": settings.block, "n_embd": settings.width}
        return AutoConfig.for_model("gpt2", n_layer=settings.layers, n_head=heads, **known)
    inner = 32 * max(1, round(settings.width * 8 / 3 / 32))  # as many weights as two maps of 4 x width
    known |= {"hidden_size": settings.width, "intermediate_size": inner, "num_hidden_layers": settings.layers}
    known |= {"num_attention_heads": heads, "num_key_value_heads": heads}
    known |= {"max_position_embeddings": settings.block, "attention_dropout": settings.dropout}
    return AutoConfig.for_model("llama", tie_word_embeddings=True, **known)


def load_causal(folder: Path) -> Any:
    """A causal network from its folder.

    Raises:
        UserError: it is none, or of a kind whose logits are more than a linear map of its states.
    """
    import torch

    from lightune.backbones.base import HeadSpec
    from lightune.backbones.loading import load_model, load_tokenizer, not_a_writer

    spec = HeadSpec("AutoModelForCausalLM", 0, "", (), is_language_model=True)
    network: Any = load_model(str(folder), spec, "standard", load_tokenizer(str(folder)))
    network.config.use_cache = True
    network.eval()
    with torch.no_grad():
        ids = torch.tensor([[3, 4, 5]])
        states = network.base_model(input_ids=ids, use_cache=False).last_hidden_state
        output = network.get_output_embeddings()
        whole = network(input_ids=ids, use_cache=False).logits
        if output is None or not torch.allclose(output(states), whole, atol=1e-3):
            raise not_a_writer(str(folder))
    return network
