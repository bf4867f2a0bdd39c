"""Step 2: examples -> tokens -> cached activations, with the backbone loaded and the method applied."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightune import methods
from lightune.backbones.base import Tap
from lightune.backbones.encode import Encoded, Limits, choose_limits
from lightune.backbones.made_up import random_texts
from lightune.backbones.opening import open_backbone
from lightune.backbones.source import Source, resolve
from lightune.backbones.streams import num_streams
from lightune.backbones.transformer import Transformer
from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.randomness import seed_everything
from lightune.core.rows import Decisions
from lightune.core.tokens import Ints, Tokens
from lightune.engine.activations import Filled
from lightune.engine.plan import speeds_here
from lightune.engine.predict import READ_TOKENS, Forward
from lightune.engine.settings import CacheSettings
from lightune.engine.watch import watched_depth
from lightune.methods.base import Method
from lightune.request import Request
from lightune.steps.gather import Gathered
from lightune.steps.reading import Pace, is_storable, make_forward, read_once
from lightune.steps.scale import fit_head
from lightune.steps.start import backbone_of, method_of
from lightune.tasks.base import Intervals, Prediction, Task

if TYPE_CHECKING:
    from lightune.privacy.descent import PrivateDescent

# 100 movie sentences, 3 draws: side 0.70, head 0.68, LoRA 0.61, at 8, 5 and 17 s (MiniLM, 2 cores, 2026-11).
FEW_ROWS, FEW_ROWS_METHOD = 300, "side"
LEAST_ROOM = 8  # tokens of a text that a prompt must leave
PRIVATE_METHOD = "head"  # the fewest numbers to hide in noise


@dataclass(frozen=True)
class Written:
    """Texts that a model wrote, and how like the right ones they are."""

    texts: list[Prediction]
    metrics: dict[str, float]
    intervals: Intervals
    seconds: float


@dataclass
class Prepared:
    """A backbone with a method applied, tokens of all examples, and how to run them.

    Attributes:
        taps: where the trainable part reads; one at depth 0 without a cut.
        filled: the stored activations; None when there is no cut or no cache.
        forward: a batch -> logits, from the stored activations where there are any.
        pace: the arithmetic, and how fast the whole network's forward pass is in it.
    """

    backbone: Transformer
    method: Method
    encoded: Encoded
    limits: Limits
    targets: NDArray[Any]
    taps: tuple[Tap, ...]
    filled: Filled | None
    forward: Forward
    pace: Pace
    cache: CacheSettings
    seconds: dict[str, float] = field(default_factory=dict)
    thaw: Callable[[], None] = lambda: None  # lets the layers train again that were frozen after an epoch
    num_trained: int = 0  # numbers that train, or did in the first epoch
    held_logits: NDArray[Any] | None = None  # of the validation rows, by the epoch that is kept
    held_by_epoch: list[NDArray[Any]] = field(default_factory=list)  # by every epoch, where none is chosen
    untouched: NDArray[Any] | None = None  # logits of the tested rows before training
    untouched_written: Written | None = None  # likewise the texts it wrote
    private: PrivateDescent | None = None  # how it is trained, where that is private
    watched: Filled | None = None  # the stored means half way up, where nothing else is read there

    @property
    def tokens(self) -> Tokens:
        """The tokens of all examples."""
        return self.encoded.tokens

    @property
    def cut(self) -> int:
        """How many bottom layers are read once: none without a cut."""
        return max(tap.depth for tap in self.taps)

    @property
    def streams(self) -> int:
        """How many batches the whole network reads at once."""
        if not self.method.may_overlap or self.method.is_recomputing:
            return 1
        return num_streams(self.tokens.num_tokens, self.backbone.device, self.backbone.storage)


def choose_model(request: Request, gathered: Gathered, show: Show) -> Source:
    """The model asked for, or the small one that reads the data's language."""
    kind, gathered_language, decisions = gathered.task.kind, gathered.language, gathered.decisions
    if gathered.start is not None:
        return backbone_of(gathered.start, show, request.model, decisions)
    name, why = request.model, "as asked"
    if name == "auto" and kind == "text":
        name, why = "smollm2", "a small model that writes"
    elif name == "auto":
        is_english = gathered_language == "en"
        name = "minilm" if is_english else "e5-multilingual"
        why = (
            "small and good for English" if is_english else f"the texts are not English ({gathered_language})"
        )
    source = resolve(name, show, can_fetch=True)
    decisions.add("model", source.name, why)
    return source


def is_open(request: Request) -> bool:
    """Whether `auto` may choose freely: nothing was said that only one method understands."""
    return request.method == "auto" and request.head == "auto" and not request.groups.get("method")


def choose_method(request: Request, gathered: Gathered) -> Method:
    """The method asked for, with its settings and head; for few rows the one that needs least of them."""
    num_rows, decisions = len(gathered.train), gathered.decisions
    if gathered.start is not None:
        return method_of(gathered.start, decisions)
    name, why = request.method_name, "as asked"
    is_private = request.privacy.is_private
    if is_open(request) and num_rows < FEW_ROWS and not is_private and gathered.task.kind != "text":
        name, why = FEW_ROWS_METHOD, f"{num_rows} rows are too few for changes to the whole model"
    elif is_open(request) and is_private and gathered.task.kind != "text":
        name, why = PRIVATE_METHOD, "private: a race would spend epsilon once for each method"
    elif request.method == "auto":
        why = "light and accurate, and the safe choice where a race cannot be decided"
    kind = plugins.load(methods, name, Method)  # type: ignore[type-abstract]
    decisions.add("method", name, why)
    head = head_of(kind, request, gathered.task)
    decisions.add("head", head, "as asked" if request.head != "auto" else f"what suits {name}")
    return kind(request.method_settings(name), head)


def head_of(kind: type[Method], request: Request, task: Task) -> str:
    """The head asked for, or the method's; a task with an answer a token pools nothing.

    Raises:
        UserError: a pooling was asked for where there is nothing to pool.
    """
    head = kind.head if request.head == "auto" else request.head
    if request.head == "auto" and head == "standard" and request.privacy.is_private and not task.is_per_token:
        head = "mean"  # the noise on a pooler's weights, a hundred thousand and more, drowns the rest
    if task.kind == "text" and request.head == "auto":
        return "standard"
    if task.kind == "vectors":
        return _pooling_of(head, request)
    if not task.is_per_token or head == "standard":
        return head
    if request.head == "auto" and kind.opens_with == "peft":
        return "standard"  # so that peft alone opens it
    if request.head != "auto":
        hint = "Leave --head out, or give --head standard."
        raise UserError(
            f"--head {head} pools a text to one vector, and {task.name} answers by word", hint=hint
        )
    return "tokens"


def _pooling_of(head: str, request: Request) -> str:
    """How tokens become a vector: a fixed pooling, so that the untouched model is where training starts.

    Raises:
        UserError: a pooling that has to be learnt first.
    """
    if request.head == "attention":
        hint = "Give --head mean, first or last: whichever the model was trained with."
        raise UserError("--head attention learns its weights, and vectors need a fixed pooling", hint=hint)
    return "mean" if head == "standard" else head


def prepare(
    request: Request,
    gathered: Gathered,
    source: Source,
    method: Method,
    show: Show,
    *,
    others: Sequence[Method] = (),
) -> Prepared:
    """Load, apply, tokenise, and read through the frozen part once: for `others` that will come, too."""
    prepared = open_unread(request, gathered, source, method)
    read_frozen(request, prepared, gathered, show, others=others)
    return prepared


def read_frozen(
    request: Request, prepared: Prepared, gathered: Gathered, show: Show, *, others: Sequence[Method] = ()
) -> None:
    """Read all texts through the frozen part, where there is one, and train from what is stored then."""
    backbone, taps, pace, cache = prepared.backbone, prepared.taps, prepared.pace, prepared.cache
    watched = _watched_taps(prepared)
    read = tuple(dict.fromkeys([*taps, *watched, *_taps_to_come(backbone, others)]))
    if not is_storable(backbone, prepared.tokens, read, pace, cache):
        read, watched = taps, ()  # what is to come goes without; the first contender need not
    filled = read_once(backbone, prepared.tokens, read, pace, cache, gathered.decisions, show)
    prepared.watched = filled.only(watched) if filled and watched else None
    filled = filled.only(taps) if filled else None
    if filled is not None:
        prepared.filled = filled
        prepared.forward = make_forward(prepared.method, backbone, taps, filled.read, pace)
        prepared.seconds["activations"] = filled.seconds
    tokens, rows = prepared.tokens, gathered.train
    if request.privacy.is_private:  # the scale must not show what the training rows are like
        tokens = random_texts(backbone.tokenizer, taken_types=backbone.takes_types)
        rows, filled = np.arange(tokens.num_examples), None
    if gathered.start is None:
        fit_head(prepared.method, backbone, tokens, rows, taps, filled)


def _watched_taps(prepared: Prepared) -> tuple[Tap, ...]:
    """Means of the states that `predict` will look at: cheap to keep in a pass that keeps means anyway."""
    depth = watched_depth(prepared.backbone)
    keeps_means = all(tap.reduction != "tokens" for tap in prepared.taps)
    return (Tap(depth, "mean"),) if keeps_means and depth < prepared.backbone.depth else ()


def _taps_to_come(backbone: Transformer, others: Sequence[Method]) -> list[Tap]:
    """What the other contenders of a race will read, where that is known beforehand: states of all tokens."""
    found = [tap for other in others for tap in other.taps(backbone.depth)]
    return [tap for tap in found if tap.depth > 0 and not backbone.structure.is_shared]


def open_unread(request: Request, gathered: Gathered, source: Source, method: Method) -> Prepared:
    """Load, tokenise, apply; nothing is read through the frozen part yet."""
    decisions = gathered.decisions
    began = time.perf_counter()
    spec = gathered.task.head_spec()
    backbone = open_backbone(source, spec, head=method.head, seed=request.seed, bits=method.bits)
    loaded = time.perf_counter()
    _suit(request, gathered, source, decisions)
    encoded, limits = tokenise(request, gathered, backbone, method)
    tokenised = time.perf_counter()
    if gathered.beside is not None:
        gathered.beside.wait()  # what is timed from here on wants the machine for itself
    pace = choose_pace(request, backbone, encoded.tokens, gathered.train, decisions)
    seed_everything(request.seed)
    targets = gathered.task.targets(gathered.examples)
    if gathered.start is not None:
        method.resume(backbone, gathered.start.folder)
    else:
        method.apply(backbone)
    taps = choose_taps(method, backbone, decisions)
    if gathered.start is None and not request.privacy.is_private:  # a prior counts the training labels
        backbone.start_outputs(gathered.task.prior(targets[gathered.train]))
    forward = make_forward(method, backbone, taps, None, pace)
    seconds = {"load": loaded - began, "tokenize": tokenised - loaded, "activations": 0.0}
    return Prepared(
        backbone, method, encoded, limits, targets, taps, None, forward, pace, request.cache, seconds
    )


def _suit(request: Request, gathered: Gathered, source: Source, decisions: Decisions) -> None:
    """Let the task fit its texts to the model."""
    task, columns = gathered.task, gathered.columns.text
    chosen, why = task.suit(source.name, columns, request.data_settings.prefixes)
    if chosen:
        decisions.add("prefixes", chosen, why)


def tokenise(
    request: Request, gathered: Gathered, backbone: Transformer, method: Method
) -> tuple[Encoded, Limits]:
    """Tokens of all examples under limits taken from the training texts.

    Raises:
        UserError: the method leaves no room for them.
    """
    settings, decisions = request.data_settings, gathered.decisions
    room = backbone.max_length - method.extra_tokens
    if room < LEAST_ROOM:
        problem = (
            f"the model takes {backbone.max_length} tokens, and {method.name} wants {method.extra_tokens}"
        )
        raise UserError(problem, hint="Give fewer --method.tokens.")
    limits, why_length, why_long = choose_limits(
        backbone.tokenizer,
        [text for row in gathered.train for text in gathered.task.readings(gathered.examples[row])],
        model_limit=room,
        max_length=settings.max_length,
        long="truncate" if gathered.task.kind == "vectors" else settings.long,
        max_windows=settings.max_windows,
    )
    limits = replace(limits, start_id=backbone.start_id)
    decisions.add("longest text", f"{limits.max_length} tokens", why_length)
    encoded = gathered.task.encode(backbone.tokenizer, gathered.examples, limits)
    if encoded.num_long:
        is_windows = gathered.task.is_per_token
        why_long = "every token needs its answer" if is_windows else why_long
        why_long = "a text has one vector" if gathered.task.kind == "vectors" else why_long
        what = gathered.task.cuts_long or ("windows" if is_windows else limits.long)
        decisions.add("long texts", what, why_long)
    return encoded, limits


def choose_taps(method: Method, backbone: Transformer, decisions: Decisions) -> tuple[Tap, ...]:
    """Where the network is cut: as high as the method allows and the architecture bears."""
    taps = method.taps(backbone.depth)
    if len(taps) > 1 or taps[0].depth == 0 or taps[0].reduction != "tokens":
        return taps
    depth = backbone.verified_cut(taps[0].depth)
    if depth < taps[0].depth:
        kind = type(backbone.base).__name__
        decisions.add("cut", f"{depth} of {backbone.depth}", f"{kind} cannot be entered at {taps[0].depth}")
    return (Tap(depth),)


def choose_pace(
    request: Request, backbone: Transformer, tokens: Tokens, rows: Ints, decisions: Decisions
) -> Pace:
    """Float32, or the faster arithmetic where that is allowed and there is enough to do."""
    speeds = None
    if request.precision == "fast" and request.cache.dtype != "float32":
        streams = num_streams(tokens.num_tokens, backbone.device, backbone.storage)
        plain = backbone.plain_forward
        speeds = speeds_here(backbone, plain, tokens, rows, batch_tokens=READ_TOKENS, streams=streams)
    if speeds is None:
        return Pace("float32", None)
    why = f"measured here: {speeds.bfloat16:,.0f} tokens/s in bfloat16, {speeds.float32:,.0f} in float32"
    decisions.add("arithmetic", speeds.best, why)
    return Pace(speeds.best, speeds)


def limits_state(limits: Limits) -> dict[str, Any]:
    """Limits as JSON values."""
    return asdict(limits)
