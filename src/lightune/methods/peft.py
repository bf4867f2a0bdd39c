"""Every tuner of the installed peft that fits a text model, each an option under peft's own lower-case name.

Nothing is listed by hand but what does not fit, and why. Where a tuner goes follows from the network's
structure: the linear maps (or normalisations) of the layers above the cut, by explicit paths.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from lightune.core.errors import UserError, nearest
from lightune.methods._injected import STORED_BITS, Bits, Injected
from lightune.methods.base import MANY_ROWS, LayeredSettings, MethodSettings, Recipe

if TYPE_CHECKING:
    from lightune.backbones.transformer import Transformer

# peft's own kinds that are no method for a text model by itself.
UNFIT = {
    "adalora": "it hands out its ranks from step to step, which the training loop does not do",
    "adaption_prompt": "it is for Llama's layers alone",
    "cartridge": "it distils a long context, not labelled rows",
    "cpt": "it needs the tokens of its prompt",
    "multitask_prompt_tuning": "it starts from prompts of other tasks",
    "poly": "it needs to know which of several tasks a row is of",
    "shadow": "it trains a second network beside the model",
    "frod": "its sparse matrices cannot be saved as safetensors",
    "shira": "its sparse matrices cannot be saved as safetensors",
    "trainable_tokens": "peft saves no head beside it",
    "xlora": "it mixes adapters that are trained before",
    "lora": "it has a file of its own",
}
# LoRA with other starts or scales: the option, and what peft is told.
OF_LORA: dict[str, dict[str, Any]] = {
    "dora": {"use_dora": True},
    "rslora": {"use_rslora": True},
    "pissa": {"init_lora_weights": "pissa"},
    "olora": {"init_lora_weights": "olora"},
}
# Where peft's own start is for large models: a first step of a boundary of 15 norms, or of a scale of 150, is
# past anything that 300 rows can mend (docs/log.md, 2026-11-29).
STARTS: dict[str, dict[str, Any]] = {"delora": {"delora_lambda": 1}, "fourierft": {"scaling": 50.0}}
# Of these, what is trained elsewhere opens here all the same.
READABLE = frozenset({"adalora", "trainable_tokens", "shira", "frod", "cpt", "adaption_prompt"})
PROMPTS = frozenset({"prompt_tuning", "p_tuning", "prefix_tuning"})
# What comes from elsewhere brings the network's own head; the rest of these do well with it on 300 movie
# sentences (docs/log.md, 2026-11-27). All others turn a new pooler too slowly: a head on the means of several
# depths begins much nearer to the answer.
OWN_HEADED = READABLE | {*OF_LORA, "ia3", "deft", "gralora", "oft"}
# Learning rates by tuner: those with few or multiplied numbers need larger ones than LoRA's.
RATES = {
    "ia3": 1e-2, "ln_tuning": 5e-3, "prompt_tuning": 1e-1, "p_tuning": 5e-3, "prefix_tuning": 2e-2,
    "vera": 2e-2, "pvera": 1e-2, "vblora": 5e-3, "fourierft": 5e-2, "waveft": 2e-4, "oft": 2e-3, "boft": 5e-3,
    "hra": 2e-3, "road": 5e-3, "tinylora": 2e-3, "unilora": 1e-2, "beft": 4e-3,
    "osf": 1e-4, "pissa": 1e-3, "olora": 1e-3, "c3a": 2e-2, "miss": 5e-4,
}  # fmt: skip
# Those that want many steps of 16 rows: epochs on some hundreds of rows and on about a thousand, and the
# head's rate, as they were searched together (benchmarks/results/recipes.json).
SMALL_STEPS = {
    "waveft": (6, 5, 2e-4),
    "prompt_tuning": (8, 5, 2e-3),
    "prefix_tuning": (10, 6, 1e-3),
}
SIZES = (
    "block_size",
    "oft_block_size",
    "boft_block_size",
    "vector_length",
    "group_size",
)  # must divide widths
PAPERS = {
    "ia3": "Liu et al. 2022, arXiv:2205.05638",
    "dora": "Liu et al. 2024, arXiv:2402.09353",
    "rslora": "Kalajdzievski 2023, arXiv:2312.03732",
    "pissa": "Meng et al. 2024, arXiv:2404.02948",
    "olora": "Büyükakyüz 2024, arXiv:2406.01775",
    "loha": "Hyeon-Woo et al. 2022, arXiv:2108.06098",
    "vera": "Kopiczko et al. 2024, arXiv:2310.11454",
    "vblora": "Li et al. 2024, arXiv:2405.15179",
    "fourierft": "Gao et al. 2024, arXiv:2405.03003",
    "oft": "Qiu et al. 2023, arXiv:2306.07280",
    "boft": "Liu et al. 2024, arXiv:2311.06243",
    "prefix_tuning": "Li and Liang 2021, arXiv:2101.00190",
    "prompt_tuning": "Lester et al. 2021, arXiv:2104.08691",
    "p_tuning": "Liu et al. 2021, arXiv:2103.10385",
    "ln_tuning": "Zhao et al. 2024, arXiv:2312.11420",
    "beft": "arXiv:2509.15974",
    "c3a": "Chen et al. 2024, arXiv:2407.19342",
    "delora": "Bini et al. 2025, arXiv:2503.18225",
    "hra": "Yuan et al. 2024, arXiv:2405.17484",
    "lily": "arXiv:2407.09946",
    "lokr": "Yeh et al. 2023, arXiv:2309.14859",
    "miss": "Kang and Yin 2024, arXiv:2409.15371",
    "peanut": "arXiv:2410.01870",
    "pvera": "arXiv:2512.07703",
    "randlora": "Albert et al. 2025, arXiv:2502.00987",
    "road": "Liao and Monz 2024, arXiv:2409.00119",
    "supertuning": "arXiv:2607.09287",
    "tinylora": "arXiv:2602.04118",
    "unilora": "arXiv:2506.00799",
}
SUMMARIES = {
    "ia3": "one learned factor for each output of the linear maps",
    "dora": "low-rank updates of direction, and a learned magnitude",
    "rslora": "low-rank updates scaled by the root of the rank",
    "pissa": "low-rank updates started from the largest singular values",
    "olora": "low-rank updates started orthonormal",
    "vera": "two vectors a layer round shared random matrices",
    "prefix_tuning": "learned keys and values before every layer's own",
    "prompt_tuning": "learned vectors before the text",
    "p_tuning": "vectors before the text, made by a small network",
    "ln_tuning": "the normalisation layers",
}


class PeftSettings(LayeredSettings):
    """What every tuner can be told; the rest by peft's own names in `options`."""

    rank: int | None = Field(None, ge=1, le=4096, description="peft's r (its default)")
    bits: Bits = STORED_BITS
    tokens: int = Field(20, ge=1, le=1000, description="virtual tokens of prompt, prefix and p-tuning")
    options: dict[str, Any] = Field(
        default_factory=dict, description='more of peft\'s own settings, as JSON: {"init_weights": false}'
    )

    @field_validator("options", mode="before")
    @classmethod
    def read_json(cls, value: Any) -> Any:
        """An object, also as JSON text from the command line."""
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError('it should be JSON such as {"init_weights": false}') from None


class Tuner(Injected):
    """One tuner of peft's; `variant` makes the classes."""

    Settings: ClassVar[type[MethodSettings]] = PeftSettings
    summary = "a tuner of peft's"
    paper = "peft"
    tuner: str
    fixed: ClassVar[dict[str, Any]] = {}
    settings: PeftSettings

    @property
    def can_merge(self) -> bool:
        """LoRA's kin: their merging was seen to be exact."""
        return self.tuner == "lora" and super().can_merge

    def recipe(self, num_rows: int) -> Recipe:
        """The tuner's own rate; LoRA with another start or scale learns as quickly as LoRA."""
        if self.tuner == "lora":
            epochs = 2 if num_rows >= 3000 else 3 if num_rows >= MANY_ROWS else 8 if num_rows >= 200 else 20
        else:
            epochs = 3 if num_rows >= 3000 else 5 if num_rows >= MANY_ROWS else 10 if num_rows >= 200 else 20
        rate, of_head, batch_rows = RATES.get(self.name, 2e-3), 2e-3, 32
        if self.name in SMALL_STEPS:
            few, many, of_head = SMALL_STEPS[self.name]
            batch_rows = 16
            if 200 <= num_rows < 3000:
                epochs = many if num_rows >= MANY_ROWS else few
        reason = f"a rate that suits {self.name}; {num_rows} rows"
        waits = self.name == "prefix_tuning"  # its accuracy goes down before it goes up
        return Recipe(rate, of_head, epochs, "onecycle", reason, batch_rows=batch_rows, stops_early=not waits)

    def frozen_depth(self, depth: int) -> int:
        """Prompts change what goes in, so that nothing can be cached."""
        if self.name in PROMPTS:
            return 0
        return super().frozen_depth(depth)

    def config(self, backbone: Transformer) -> Any:
        """Peft's configuration, fitted to the network's widths.

        Raises:
            UserError: a setting that peft does not know, or nothing to adapt.
        """
        from dataclasses import fields

        from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

        kind = PEFT_TYPE_TO_CONFIG_MAPPING[self.tuner.upper()]
        known = {one.name: one.default for one in fields(kind)}
        for name in self.settings.options:
            if name not in known:
                raise UserError(f"{self.name} has no setting {name!r} in peft", hint=nearest(name, known))
        paths = self._paths(backbone)
        told = {name: value for name, value in self.shared(backbone, paths).items() if name in known}
        if self.settings.rank is not None and "r" in known:
            told["r"] = self.settings.rank
        if self.name in PROMPTS:
            told.pop("target_modules", None)
            told |= {"num_virtual_tokens": self.settings.tokens, **self._sizes(backbone)}
        if "feedforward_modules" in known:
            told["feedforward_modules"] = [path for path in paths if _narrows(backbone, path)]
        told |= _fitted(backbone, paths, known)
        return kind(**{**told, **self.fixed, **self.settings.options})

    @property
    def extra_tokens(self) -> int:
        """Those of a prompt."""
        return self.settings.tokens if self.name in PROMPTS else 0

    def _sizes(self, backbone: Transformer) -> dict[str, int]:
        """Of a prompt's vectors: those of the embeddings, which may be narrower than the layers."""
        if self.name == "prefix_tuning":
            return {}
        base: Any = backbone.base
        sizes = {"num_layers": backbone.depth, "num_attention_heads": base.config.num_attention_heads}
        return {"token_dim": base.get_input_embeddings().embedding_dim, **sizes}

    def _paths(self, backbone: Transformer) -> list[str]:
        """Where the tuner goes."""
        depth = self.frozen_depth(backbone.depth)
        if self.tuner == "ln_tuning":
            layers = tuple(path + "." for path in backbone.layer_paths()[depth:])
            paths = [
                name
                for name, module in backbone.model.named_modules()
                if "norm" in type(module).__name__.lower() and name.startswith(layers)
            ]
        else:
            paths = backbone.linear_paths(depth)
        if not paths:
            raise UserError(f"{self.name} finds nothing to adapt", hint="Set --method.layers to 1 or more.")
        return paths

    def apply(self, backbone: Transformer) -> None:
        """Inject by peft.

        Raises:
            UserError: this tuner does not take this network.
        """
        try:
            super().apply(backbone)
            if self.name in PROMPTS:
                _require_prompted(backbone)
        except UserError:
            raise
        except (ValueError, TypeError, NotImplementedError, AttributeError, RuntimeError, KeyError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            kind = type(backbone.base).__name__
            hint = "Try --method lora, or head."
            raise UserError(f"peft cannot put {self.name} into {kind}: {first}", hint=hint) from None


def _require_prompted(backbone: Transformer) -> None:
    """Run two short texts, and see that the prompt has a part in the answer: some networks leave it out.

    Raises:
        ValueError: it has none, or the network cannot run with it.
    """
    import torch

    prompts = [
        one for one in backbone.model.get_submodule("prompt_encoder").parameters() if one.requires_grad
    ]
    try:
        found = backbone.forward(backbone.two_texts())
    except (RuntimeError, TypeError, ValueError, NotImplementedError):
        raise ValueError("it does not take what goes in before the text") from None
    changes = torch.autograd.grad(found.square().sum(), prompts, allow_unused=True)
    if not any(one is not None and bool(one.any()) for one in changes):
        raise ValueError("its answer does not depend on what goes in before the text")


def _narrows(backbone: Transformer, path: str) -> bool:
    """Whether a linear map goes from wide to narrow: the second of a feed-forward block."""
    module: Any = backbone.model.get_submodule(path)
    outside, inside = _shape_of(module)
    if type(module).__name__ == "Conv1D":  # GPT-2 keeps its maps transposed
        outside, inside = inside, outside
    return bool(inside > outside)


def _shape_of(module: Any) -> tuple[int, ...]:
    """Of the weight, also where it is stored in blocks of few bits."""
    if hasattr(module, "out_features"):
        return (int(module.out_features), int(module.in_features))
    weight = getattr(module, "weight", None)
    return () if weight is None else tuple(weight.shape)


def _fitted(backbone: Transformer, paths: list[str], known: dict[str, Any]) -> dict[str, Any]:
    """Block sizes that divide all widths; no more frequencies or ranks than the smallest map has."""
    known_shapes = [_shape_of(backbone.model.get_submodule(path)) for path in paths]
    shapes = [one for one in known_shapes if len(one) == 2]
    if not shapes:
        return {}
    common = math.gcd(*(side for shape in shapes for side in shape))
    least = min(side for shape in shapes for side in shape)
    found: dict[str, Any] = {}
    for name in SIZES:
        if isinstance(known.get(name), int) and known[name] > 0:
            found[name] = max(size for size in range(1, known[name] + 1) if common % size == 0)
    if isinstance(known.get("n_frequency"), int):
        found["n_frequency"] = min(known["n_frequency"], *(a * b for a, b in shapes))
    if isinstance(known.get("r"), int) and known["r"] > least // 2:
        found["r"] = max(1, least // 2)
    return found


def _told(fixed: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in fixed.items()) or "its own defaults"


@cache
def variants() -> tuple[str, ...]:
    """The tuners of the installed peft by name, read from its source: peft itself is not imported."""
    found = find_spec("peft")
    assert found is not None
    assert found.origin is not None
    source = (Path(found.origin).parent / "utils" / "peft_types.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == "PeftType":
            members = [one.targets[0] for one in node.body if isinstance(one, ast.Assign)]
            names = {one.id.lower() for one in members if isinstance(one, ast.Name)}
            return tuple(sorted({*names, *OF_LORA} - set(UNFIT)))
    raise AssertionError("peft has no list of its tuners")


def variant(name: str) -> type[Tuner] | None:
    """The class of an option; the suffix `_tuning` may be left off. None: there is no such tuner."""
    for option in (name, f"{name}_tuning"):
        if option in variants() or option in READABLE:
            tuner = "lora" if option in OF_LORA else option
            fixed = OF_LORA.get(option) or STARTS.get(option, {})
            known = {"name": option, "tuner": tuner, "fixed": fixed}
            known |= {"paper": PAPERS.get(option, "as peft documents it"), "__module__": __name__}
            known["summary"] = SUMMARIES.get(option, f"peft's {tuner} with {_told(fixed)}")
            known["unfit"] = UNFIT.get(option, "")
            if option not in OWN_HEADED:
                known["head"] = "mean"
            if option in PROMPTS:
                known["kept"] = "nothing: the input changes"
                known["apart"] = "a prompt that goes in before the text, which no weight holds"
            return type(f"Tuner_{option}", (Tuner,), known)
    return None


def described(config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """(option, its settings) that an adapter folder's configuration amounts to.

    Raises:
        UserError: a tuner that does not open here, with the reason.
    """
    name = str(config.get("peft_type", "")).lower()
    if name in UNFIT and name != "lora" and name not in READABLE:
        raise UserError(f"adapters of peft's {name} do not open here: {UNFIT[name]}")
    if name != "lora" and name not in READABLE and name not in variants():
        raise UserError(f"the installed peft has no tuner {name!r}", hint="Run: pip install --upgrade peft")
    if name == "lora":
        is_kind = {"dora": config.get("use_dora"), "rslora": config.get("use_rslora")}
        start = config.get("init_lora_weights")
        is_kind |= {one: start == one for one in ("pissa", "olora")}
        name = next((one for one, is_it in is_kind.items() if is_it), "lora")
    given = config.get("r")
    rank = given if isinstance(given, int) and given > 0 else None  # 0 of OFT: its blocks have a size instead
    if name == "lora":
        alpha, dropout = config.get("lora_alpha"), config.get("lora_dropout")
        return name, {"rank": rank or 8, "alpha": alpha or None, "dropout": dropout or 0.0}
    tokens = {"tokens": config["num_virtual_tokens"]} if config.get("num_virtual_tokens") else {}
    return name, {"rank": rank} | tokens
