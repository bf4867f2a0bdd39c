"""Step 2: examples -> tokens -> cached activations, with the backbone loaded and the method applied."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from numpy.typing import NDArray

from lightune import methods
from lightune.backbones.base import Tap
from lightune.backbones.encode import Encoded, Limits, choose_limits, encode
from lightune.backbones.opening import open_backbone
from lightune.backbones.source import Source, resolve
from lightune.backbones.transformer import Transformer
from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.core.paths import is_disk_full, require_free
from lightune.core.progress import Show
from lightune.core.randomness import seed_everything
from lightune.core.rows import Decisions
from lightune.core.tokens import Batch, Ints, Tokens
from lightune.engine import activations as store
from lightune.engine.activations import Filled
from lightune.engine.predict import Forward
from lightune.engine.settings import CacheSettings
from lightune.methods.base import Method
from lightune.request import Request
from lightune.steps.gather import Gathered

READ_TOKENS = 2048  # padded tokens of a pass without gradients: more is no faster on a CPU, and takes memory
SCALE_ROWS = 1024  # training rows that a head's fixed scale is taken from


@dataclass
class Prepared:
    """A backbone with a method applied, tokens of all examples, and how to run them.

    Attributes:
        tap: where the trainable part reads; depth 0 without a cut.
        filled: the stored activations; None when there is no cut or no cache.
        forward: a batch -> logits, from the stored activations where there are any.
    """

    backbone: Transformer
    method: Method
    encoded: Encoded
    limits: Limits
    targets: NDArray[Any]
    tap: Tap
    filled: Filled | None
    forward: Forward
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def tokens(self) -> Tokens:
        """The tokens of all examples."""
        return self.encoded.tokens


def choose_model(request: Request, gathered_language: str, show: Show, decisions: Decisions) -> Source:
    """The model asked for, or the small one that reads the data's language."""
    name, why = request.model, "as asked"
    if name == "auto":
        is_english = gathered_language == "en"
        name = "minilm" if is_english else "e5-multilingual"
        why = (
            "small and good for English" if is_english else f"the texts are not English ({gathered_language})"
        )
    source = resolve(name, show, can_fetch=True)
    decisions.add("model", source.name, why)
    return source


def choose_method(request: Request, decisions: Decisions) -> Method:
    """The method asked for, with its settings and head."""
    name = request.method_name
    kind = plugins.load(methods, name, Method)  # type: ignore[type-abstract]
    why = "as asked" if request.method != "auto" else "light, and the most accurate for its time so far"
    decisions.add("method", name, why)
    head = kind.head if request.head == "auto" else request.head
    decisions.add("head", head, "as asked" if request.head != "auto" else f"what suits {name}")
    return kind(request.method_settings(name), head)


def prepare(request: Request, gathered: Gathered, source: Source, method: Method, show: Show) -> Prepared:
    """Load, apply, tokenise, and read through the frozen part once."""
    decisions = gathered.decisions
    began = time.perf_counter()
    backbone = open_backbone(source, gathered.task.head_spec(), head=method.head, seed=request.seed)
    seed_everything(request.seed)
    method.apply(backbone)
    loaded = time.perf_counter()
    encoded, limits = tokenise(request, gathered, backbone, decisions)
    tokenised = time.perf_counter()
    tap = choose_tap(method, backbone, decisions)
    targets = gathered.task.targets(gathered.examples)
    filled = read_once(backbone, encoded.tokens, tap, request.cache, decisions, show)
    forward = make_forward(backbone, tap, filled)
    _fit_head(method, backbone, encoded.tokens, gathered.train, tap, filled)
    activations = filled.seconds if filled else 0.0
    seconds = {"load": loaded - began, "tokenize": tokenised - loaded, "activations": activations}
    return Prepared(backbone, method, encoded, limits, targets, tap, filled, forward, seconds)


def tokenise(
    request: Request, gathered: Gathered, backbone: Transformer, decisions: Decisions
) -> tuple[Encoded, Limits]:
    """Tokens of all examples under limits taken from the training texts."""
    settings = request.data_settings
    limits, why_length, why_long = choose_limits(
        backbone.tokenizer,
        [gathered.examples[row].texts for row in gathered.train],
        model_limit=backbone.max_length,
        max_length=settings.max_length,
        long=settings.long,
        max_windows=settings.max_windows,
    )
    decisions.add("longest text", f"{limits.max_length} tokens", why_length)
    encoded = encode(backbone.tokenizer, [example.texts for example in gathered.examples], limits)
    if encoded.num_long:
        decisions.add("long texts", limits.long, why_long)
    return encoded, limits


def choose_tap(method: Method, backbone: Transformer, decisions: Decisions) -> Tap:
    """Where the network is cut: as high as the method allows and the architecture bears."""
    tap = method.tap(backbone.depth)
    if tap.depth == 0 or tap.reduction != "tokens":
        return tap
    depth = backbone.verified_cut(tap.depth)
    if depth < tap.depth:
        kind = type(backbone.base).__name__
        decisions.add("cut", f"{depth} of {backbone.depth}", f"{kind} cannot be entered at {tap.depth}")
    return Tap(depth)


def read_once(
    backbone: Transformer, tokens: Tokens, tap: Tap, cache: CacheSettings, decisions: Decisions, show: Show
) -> Filled | None:
    """Fill the activation store for these tokens; None when the run goes without it, with the reason."""
    if tap.depth == 0:
        decisions.add("activations", "not stored", "every layer changes in training")
        return None
    if cache.off:
        decisions.add("activations", "not stored", "--cache.off")
        return None
    space = store.space_of(backbone, tap, cache.dtype)
    needed = store.bytes_needed(tokens, tap, space)
    if needed > cache.limit_bytes:
        why = f"{needed / 1e9:.1f} GB would not fit --cache.limit {cache.limit}"
        decisions.add("activations", "not stored", why)
        return None
    try:
        require_free(store.store_folder(), needed, "activations")
        for entry in store.make_room(cache.limit_bytes, needed, space.name):
            show.note(f"dropped old activations: {entry.backbone}, {entry.bytes / 1e6:.0f} MB")
        with show.bar(f"reading through {tap.depth} frozen layers", tokens.num_tokens) as bar:
            filled = store.fill(backbone, tokens, tap, space=space, batch_tokens=READ_TOKENS, bar=bar)
    except UserError as error:
        if "not enough room" not in error.problem:
            raise
        show.warn(f"{error.problem}: training goes on without stored activations")
        return None
    except Exception as error:
        if not is_disk_full(error):
            raise
        show.warn("the disk is full: training goes on without stored activations")
        return None
    kept = f"{needed / 1e6:.1f} MB, {filled.num_read} read now, {filled.num_found} found"
    decisions.add("activations", f"stored at depth {tap.depth} of {backbone.depth}", kept)
    return filled


def make_forward(backbone: Transformer, tap: Tap, filled: Filled | None) -> Forward:
    """How to get logits of a batch: from what is stored, or from the beginning."""
    if filled is None:
        return backbone.forward
    stored = filled.activations
    return lambda batch: backbone.above(stored.read(batch), batch, tap)


def _fit_head(
    method: Method, backbone: Transformer, tokens: Tokens, rows: Ints, tap: Tap, filled: Filled | None
) -> None:
    """Give a head that reads one vector a text its fixed scale, from the first training rows."""
    if tap.reduction == "tokens":
        return
    import torch

    found = []
    for start in range(0, min(len(rows), SCALE_ROWS), 64):
        batch: Batch = tokens.batch(rows[start : start + 64], pad_id=backbone.pad_id, device=backbone.device)
        pooled = filled.activations.read(batch) if filled else backbone.below(batch, [tap])[tap]
        found.append(pooled)
    method.prepare(backbone, torch.cat(found))


def limits_state(limits: Limits) -> dict[str, Any]:
    """Limits as JSON values."""
    return asdict(limits)
