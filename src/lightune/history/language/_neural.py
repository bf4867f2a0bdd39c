"""What the neural kinds share: vocabulary, corpus in tokens, plan, and what word vectors bought."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.history.language import _tokenizer
from lightune.history.language._characters import learn_characters
from lightune.history.language.base import How, LanguageModel, Lesson

if TYPE_CHECKING:
    from lightune.backbones.precision import Precision
    from lightune.data.corpus import Corpus
    from lightune.pretraining.causal import Watch
    from lightune.pretraining.loop import Learner, Plan
    from lightune.pretraining.stream import Stream
    from lightune.pretraining.vocabulary import Vocabulary

BATCH_TOKENS = 2048
FEWEST_STEPS = 8  # of an epoch: a tiny corpus takes smaller steps
EPOCHS, MOST_EPOCHS = 5, 1000  # without a budget of time, and with one
TRIES = 3
FASTER = 1.1  # bfloat16 must win by so much to be worth its rounding
SAMPLE_TOKENS = 48
HEAD_WIDTH = 32
SMALLEST, LARGEST = 512, 16_384
BYTES_FOR_A_TOKEN = 1000  # of the corpus: a token that is seen too seldom is never learnt
BYTES_A_TOKEN = 4  # about: only to choose how much is measured
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class Role:
    """The special tokens that a tokenizer is trained with, and what it puts around a text."""

    tokens: dict[str, str]
    template: str = "$A"


WRITING = Role({"eos_token": "<|end|>", "bos_token": "<|end|>", "pad_token": "<|pad|>"})
HIDING = Role(
    {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    },
    "[CLS] $A [SEP]",
)


@dataclass
class Bench:
    """What a kind trains with.

    Attributes:
        train: the corpus as one stream of tokens; began: when the lesson began, by the process's clock.
    """

    lesson: Lesson
    vocabulary: Vocabulary
    train: Stream
    began: float

    def tell(self, what: str, value: object, why: str) -> None:
        """Keep a derived value for the report."""
        self.lesson.log.facts.append((what, str(value), why))

    @property
    def batch_tokens(self) -> int:
        """Tokens of one step."""
        return int(
            self.lesson.loop.batch_tokens or min(BATCH_TOKENS, max(16, len(self.train) // FEWEST_STEPS))
        )


def open_bench(lesson: Lesson, role: Role, longest: int, model_folder: Path | None = None) -> Bench:
    """The vocabulary and the corpus in tokens, made, or found in the unfinished run.

    Args:
        longest: tokens that the model reads at once.
        model_folder: of the model to go on from, whose tokenizer is taken.
    """
    from lightune.pretraining.first_vectors import find_vectors
    from lightune.pretraining.stream import write_stream

    began = time.perf_counter()
    if lesson.embeddings:
        find_vectors(lesson.embeddings)  # a slip is told before the hours of work
    vocabulary = _vocabulary(lesson, role, longest, model_folder)
    folder = lesson.work / "stream"
    train = write_stream(lesson.train.texts(), vocabulary, folder, lesson.show, lesson.num_bytes)
    bench = Bench(lesson, vocabulary, train, began)
    bench.tell("tokens", f"{len(train):,}", f"of {train.num_texts:,} texts, {train.num_bytes:,} bytes")
    if not vocabulary.is_lossless(list(islice(lesson.validation.texts(), 200))):
        why = "it drops case, blanks or rare signs: bits per byte are of the text as it sees it"
        bench.tell("tokenizer", "does not give every text back", why)
    return bench


def _vocabulary(lesson: Lesson, role: Role, longest: int, model_folder: Path | None) -> Vocabulary:
    from lightune.pretraining.vocabulary import open_vocabulary

    if lesson.tokenizer and model_folder is not None:
        hint = "Leave --tokenizer out: a model goes on with its own."
        raise UserError("--tokenizer and --model cannot both be given", hint=hint)
    if model_folder is not None or lesson.tokenizer:
        folder = model_folder or model_source(lesson.tokenizer, lesson.show)
        vocabulary = _open_file(folder, role) if folder.is_file() else open_vocabulary(folder)
        vocabulary.tokenizer.model_max_length = longest
        lesson.log.facts.append(("vocabulary", f"{vocabulary.size:,}", f"tokenizer of {folder.name}"))
        return vocabulary
    settings, kept = lesson.settings, lesson.work / "tokenizer"
    size, why = settings.vocabulary_size, "as given"
    if size is None:
        size, why = derive_size(lesson.num_bytes)
    if not kept.exists():
        learnt = _train_tokenizer(lesson.train, settings.vocabulary, size, role, longest)
        part = kept.with_name(".tokenizer.part")
        shutil.rmtree(part, ignore_errors=True)
        learnt.save_pretrained(part)
        part.rename(kept)
    vocabulary = open_vocabulary(kept)
    lesson.log.facts.append(("vocabulary", f"{vocabulary.size:,}", f"{settings.vocabulary}, {why}"))
    return vocabulary


def derive_size(num_bytes: int) -> tuple[int, str]:
    """(tokens for a corpus of so many bytes, why): a power of two."""
    wanted = 2 ** round(math.log2(max(num_bytes, 1) / BYTES_FOR_A_TOKEN))
    return min(max(wanted, SMALLEST), LARGEST), f"one for every {BYTES_FOR_A_TOKEN:,} bytes or so"


def _train_tokenizer(corpus: Corpus, scheme: Any, size: int, role: Role, longest: int) -> Any:
    """A transformers tokenizer learnt from the corpus, with the special tokens of `role` as its first ids."""
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    specials = list(dict.fromkeys(role.tokens.values()))
    if scheme == "wordpiece" and "unk_token" not in role.tokens:
        role = Role({**role.tokens, "unk_token": "[UNK]"}, role.template)
        specials.append("[UNK]")
    if scheme == "characters":
        tokenizer = learn_characters(corpus.texts(), size, specials)
    else:
        tokenizer = _tokenizer.learn_tokenizer(corpus, scheme, size, specials)
    around = [word for word in role.template.split() if word != "$A"]
    if around:
        pair = "[CLS] $A [SEP] $B:1 [SEP]:1"
        ids = [(token, tokenizer.token_to_id(token)) for token in around]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=role.template, pair=pair, special_tokens=ids
        )
    inputs = ["input_ids", *(["token_type_ids"] if around else []), "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=longest,
        model_input_names=inputs,
        padding_side="right",
        clean_up_tokenization_spaces=False,
        **role.tokens,
    )


def _open_file(file: Path, role: Role) -> Vocabulary:
    """A lone tokenizer.json, with the special tokens that it lacks."""
    from transformers import PreTrainedTokenizerFast

    from lightune.pretraining.vocabulary import Vocabulary

    known = _tokenizer.open_tokenizer(str(file))
    return Vocabulary(PreTrainedTokenizerFast(tokenizer_object=known, padding_side="right", **role.tokens))


def model_source(name: str, show: Show) -> Path:
    """The folder of a model or tokenizer: one on this machine, or a model by its name.

    Raises:
        UserError: nothing of that name.
    """
    path = Path(name).expanduser()
    if path.is_file() and path.suffix == ".json":
        return path
    if path.is_dir() and any((path / file).exists() for file in TOKENIZER_FILES):
        return path
    from lightune.backbones.source import resolve

    found = resolve(name, show, can_fetch=True).folder
    assert found is not None, name
    return found


def held_out_texts(bench: Bench) -> list[str]:
    """Held-out texts for measurements while it learns, drawn evenly, about `measured_tokens` of them."""
    lesson = bench.lesson
    num_bytes = lesson.validation.measure().num_bytes
    every = max(1, math.ceil(num_bytes / (BYTES_A_TOKEN * lesson.loop.measured_tokens)))
    if every > 1:
        bench.tell("measured on", f"one of {every} held-out texts", "while it learns; at the end on all")
    return list(islice(lesson.validation.texts(), 0, None, every))


def bits_per_byte(model: LanguageModel, texts: Sequence[str]) -> float:
    """-log2 P of texts over their bytes."""
    scored = model.score_all(texts, Show(is_quiet=True))
    total = sum(one.log_probability for one in scored)
    return -total / math.log(2) / max(1, sum(one.num_bytes for one in scored))


def watch(model: LanguageModel, texts: Sequence[str], lesson: Lesson) -> Watch:
    """How a causal model is looked at while it learns: held-out texts, and a text that it writes."""
    from lightune.pretraining.causal import Watch

    def write() -> str:
        how = How(SAMPLE_TOKENS, temperature=0.8, top_p=0.95, seed=lesson.seed + len(lesson.log.rows))
        return model.generate("", how)

    return Watch(lambda: bits_per_byte(model, texts), write)


def make_plan(bench: Bench, steps_an_epoch: int, rate: float, why: str) -> Plan:
    """The loop's settings with nothing left open; `rate` is the learning rate where none is given."""
    from lightune.pretraining.loop import Plan

    lesson, loop = bench.lesson, bench.lesson.loop
    has_budget = lesson.seconds is not None
    epochs = loop.epochs or (MOST_EPOCHS if has_budget else EPOCHS)
    if loop.epochs is None:
        bench.tell("epochs", epochs, "at most: --budget ends it" if has_budget else "unless told")
    if loop.learning_rate is None:
        bench.tell("learning rate", f"{rate:.2g}", why)
    spent = time.perf_counter() - bench.began
    shares = 1 + (1 / loop.measurements if lesson.embeddings else 0)  # the run without vectors costs a part
    seconds = max(1.0, lesson.seconds - spent) / shares if lesson.seconds is not None else math.inf
    return Plan(
        steps=epochs * steps_an_epoch,
        learning_rate=loop.learning_rate or rate,
        schedule=loop.schedule,
        warmup=loop.warmup,
        weight_decay=loop.weight_decay,
        clip=loop.clip,
        measurements=loop.measurements,
        patience=loop.patience,
        seed=lesson.seed,
        seconds=seconds,
    )


def choose_precision(bench: Bench, attempt: Callable[[Precision], Any]) -> Precision:
    """The arithmetic asked for, or the quicker: `attempt` does the forward and backward pass of a step."""
    asked: Any = bench.lesson.loop.precision
    file = bench.lesson.work / "precision"
    if asked == "auto" and file.exists():
        asked = file.read_text()
    if asked == "auto":
        times = {one: _quickest(attempt, one) for one in ("float32", "bfloat16")}
        asked = "bfloat16" if times["bfloat16"] * FASTER < times["float32"] else "float32"
        file.write_text(asked)
        why = f"a step takes {times['float32']:.3f} s in float32, {times['bfloat16']:.3f} s in bfloat16"
        bench.tell("precision", asked, why)
    return asked  # type: ignore[no-any-return]


def _quickest(attempt: Callable[[Any], Any], precision: str) -> float:
    times = []
    for _ in range(TRIES):
        began = time.perf_counter()
        attempt(precision)
        times.append(time.perf_counter() - began)
    return min(times)


def learn(bench: Bench, make: Callable[[], Learner], plan: Plan) -> Learner:
    """Fit what `make` makes; with word vectors to begin with, first a part of the run without them.

    Args:
        make: a fresh learner, the same at every call.
    """
    from lightune.pretraining.loop import fit

    lesson = bench.lesson
    without = _without_vectors(bench, make, plan) if lesson.embeddings else math.nan
    learner = make()
    if lesson.embeddings:
        _put_vectors(bench, learner)
    progress = fit(learner, plan, lesson.log, folder=lesson.work, show=lesson.show)
    is_early = progress.step < plan.steps and progress.seconds < plan.seconds
    how = f"stopped: {plan.patience} measurements without a better one" if is_early else "to its end"
    bench.tell("steps", f"{progress.step:,}", f"{progress.step / learner.steps_an_epoch:.2f} epochs, {how}")
    if lesson.embeddings and lesson.log.rows:
        first = lesson.log.rows[0]
        bought = without - first["bits_per_byte"]
        lesson.log.scores["bits_per_byte_saved_by_vectors"] = bought
        why = f"at the first measurement: {first['bits_per_byte']:.4f} with them (step {first['step']:.0f}), "
        bench.tell("word vectors bought", f"{bought:+.4f} bits per byte", f"{why}{without:.4f} without")
    return learner


def _without_vectors(bench: Bench, make: Callable[[], Learner], plan: Plan) -> float:
    """Bits per byte at the first measurement of the same run with random embeddings."""
    from lightune.history.language.base import Log
    from lightune.pretraining.loop import fit

    file = bench.lesson.work / "without_vectors.json"
    if not file.exists():
        journal = Log()
        bench.lesson.show.note("first a part of the run without the word vectors, to see what they buy")
        fit(make(), replace(plan, stop_after=1), journal, folder=None, show=bench.lesson.show)
        file.write_text(json.dumps(journal.rows[0]["bits_per_byte"]))
    return float(json.loads(file.read_text()))


def _put_vectors(bench: Bench, learner: Learner) -> None:
    from lightune.pretraining.first_vectors import find_vectors, read_vectors, start_embeddings, token_words

    file = find_vectors(bench.lesson.embeddings)
    network: Any = learner.network
    weight = network.get_input_embeddings().weight
    start = start_embeddings(weight, token_words(bench.vocabulary), read_vectors(file))
    if not start.num_matched:
        hint = "Vectors of words need a tokenizer with whole words, in the same language."
        raise UserError("no token has a vector in this file", file=file, hint=hint)
    bench.tell(
        "embeddings",
        f"{start.num_matched:,} of {start.num_tokens:,} tokens begin with a vector",
        f"{start.width} wide, from {bench.lesson.embeddings}",
    )


def heads_of(settings: Any) -> int:
    """Attention heads: as given, else one for every 32 of the width.

    Raises:
        UserError: a width that cannot be divided among them.
    """
    heads = int(settings.heads or max(1, settings.width // HEAD_WIDTH))
    if settings.width % heads or settings.width // heads % 2:
        problem = f"--pretrain.width {settings.width} cannot be divided among {heads} heads"
        raise UserError(problem, hint="The width is a multiple of twice the heads.")
    return heads


def describe_network(network: Any, tokenizer: Any) -> dict[str, Any]:
    """Plain facts of a network."""
    return {
        "parameters": sum(one.numel() for one in network.parameters()),
        "vocabulary": len(tokenizer),
        "architecture": type(network).__name__,
        "layers": int(network.config.num_hidden_layers),
        "width": int(network.config.hidden_size),
    }
