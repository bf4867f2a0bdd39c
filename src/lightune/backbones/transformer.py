"""Any network of transformers as a backbone: encoders, decoders, encoder-decoders.

Loading, freezing, and running in two parts through the model's own forward (`cut.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lightune.backbones.base import POOLED, USUAL_DEPTHS, Backbone, HeadSpec, Tap, spread
from lightune.backbones.cut import entered_at, keeping, run_below
from lightune.backbones.encode import Limits
from lightune.backbones.first_token import first_alone_from, first_where_enough
from lightune.backbones.heads import Headed, final_hidden, reduce_tokens
from lightune.backbones.loading import (
    WRITING_CLASS,
    load_model,
    load_tokenizer,
    make_room,
    max_length_of,
    not_a_writer,
    writes_from_encoder,
)
from lightune.backbones.recompute import run_again_later
from lightune.backbones.structure import find_structure
from lightune.backbones.two_sides import encode_two_sides, narrow, two_sided_inputs, widen, written_places

if TYPE_CHECKING:
    from lightune.core.tokens import Batch


@dataclass(frozen=True)
class Loading:
    """What is not as usual in loading a network.

    Attributes:
        tokenizer_from: where the tokenizer is, when not with the model; it may know more tokens.
        bits: of a weight in the layers' linear maps, 4 or 8; None: float32.
    """

    tokenizer_from: str = ""
    bits: int | None = None


class Transformer(Backbone):
    """A transformers model and its tokenizer, cut anywhere between its layers."""

    def __init__(
        self, model: nn.Module, tokenizer: Any, *, identifier: str, digest: str, device: str
    ) -> None:
        self.tokenizer = tokenizer
        self.tokenizer_folder = ""
        self.storage = ""  # what the frozen part is stored by, where that changes what it computes
        self.spec = HeadSpec("AutoModel", 0, "", ())
        self.peft_model: Any = None  # peft wrapper around the model, where a method made one
        self.bypass: Callable[[], AbstractContextManager[Any]] = nullcontext  # while open: no adapter acts
        self.can_merge = False
        self.is_resized = False  # its vocabulary is larger than the pre-trained one
        self.splits_output = False
        self.first_from = ""  # the module of the top layer from which on the first token is enough
        self.records_below = False  # whether what runs below a cut keeps its gradient
        self.start_id: int | None = None  # where its decoder starts writing from what its encoder read
        self.identifier = identifier
        self.digest = digest
        self.device = device
        self.pad_id = tokenizer.pad_token_id
        self._adopt(model)
        config: Any = self.base.config
        text_config = config.get_text_config() if hasattr(config, "get_text_config") else config
        self.width = int(text_config.hidden_size)
        self.max_length = max_length_of(text_config, tokenizer)

    def _adopt(self, model: nn.Module) -> None:
        self.model = model.to(self.device)
        self.whole: Any = self.model  # what is called: peft's wrapper where a prompt goes in before the text
        self.structure = find_structure(self.model, self.probe())
        self.depth = self.structure.depth
        self.takes_types = "token_type_ids" in self.tokenizer.model_input_names

    def probe(self) -> dict[str, torch.Tensor]:
        """A tiny batch, as keyword arguments of the network."""
        found = self.tokenizer("a b", return_tensors="pt").to(self.device)
        known = {k: v for k, v in found.items() if k in ("input_ids", "attention_mask", "token_type_ids")}
        if writes_from_encoder(self.model):
            known["decoder_input_ids"] = known["input_ids"]
            known.pop("token_type_ids", None)
        return known

    @classmethod
    def load(
        cls,
        source: str,
        spec: HeadSpec,
        *,
        head: str,
        identifier: str,
        digest: str,
        device: str = "cpu",
        how: Loading | None = None,
    ) -> Transformer:
        """Load `source` (a folder, or a hub id that the hub's own cache holds) with a head.

        Args:
            spec: the task's outputs.
            head: `standard` (that of `AutoModelFor...`), or a pooling: `mean`, `attention`, `first`, `last`.
            how: what is not as usual.
        """
        how = how or Loading()
        tokenizer = load_tokenizer(how.tokenizer_from or source)
        model = load_model(source, spec, head, tokenizer, how.bits)
        is_resized = bool(how.tokenizer_from) and make_room(model, tokenizer)
        found = cls(model, tokenizer, identifier=identifier, digest=digest, device=device)
        found.storage = "" if how.bits is None else f"blocks-of-{how.bits}-bits"
        found.spec, found.is_resized, found.tokenizer_folder = spec, is_resized, how.tokenizer_from or source
        if spec.is_language_model and writes_from_encoder(model):
            found.spec = replace(spec, auto_class=WRITING_CLASS, peft_type="SEQ_2_SEQ_LM")
            found.start_id = int(model.config.decoder_start_token_id)  # type: ignore[arg-type,union-attr]
        elif spec.is_language_model:
            found._require_causal(source)
            found.splits_output = found._output_is_plain()
        elif not (spec.is_per_token or spec.is_vector):
            inputs = found.two_texts().inputs()
            found.first_from = first_alone_from(model, found.structure, inputs, found.logits_of_output)
        return found

    @property
    def base(self) -> nn.Module:
        """The pre-trained part, without the head."""
        return self.model.get_submodule(self.structure.base)

    def widest(self) -> dict[str, Any]:
        """Limits, as JSON values, under which nothing is cut that the network takes."""
        own = getattr(getattr(self.peft_model, "active_peft_config", None), "num_virtual_tokens", 0)
        limits = Limits(self.max_length - int(own or 0), "truncate", 1, self.start_id)
        return asdict(limits)

    def plain_options(self) -> dict[str, Any]:
        """What plain transformers must be told, beside the address, to load this backbone as lightune did."""
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(str(self.base.config.name_or_path))  # type: ignore[union-attr]
        config = config.get_text_config() if hasattr(config, "get_text_config") else config
        options: dict[str, Any] = {}
        if getattr(config, "dtype", None) not in (None, torch.float32):
            options["dtype"] = "float32"  # transformers 5 takes the stored one
        if getattr(config, "pad_token_id", None) is None:
            options["pad_token_id"] = self.pad_id
        return options

    def layers(self) -> Sequence[nn.Module]:
        """The layers, bottom first."""
        found: Any = self.model.get_submodule(self.structure.layers_path)
        return list(found)

    def layer_paths(self) -> list[str]:
        """Names in `model` of the layers, bottom first."""
        return [f"{self.structure.layers_path}.{index}" for index in range(self.depth)]

    def head_modules(self) -> list[str]:
        """Names in `model` of the head's modules and the pooler; a language model's outputs are none."""
        return [] if self.spec.is_language_model else list(self.structure.heads)

    def layers_above(self, depth: int) -> list[str]:
        """Names of the layers from `depth` up, and of those of a decoder behind the encoder."""
        decoder = _decoder_layers(self.base) if self.structure.is_encoder_decoder else None
        behind = {id(one) for one in decoder} if isinstance(decoder, nn.ModuleList) else set()
        found = [name for name, module in self.model.named_modules() if id(module) in behind]
        return self.layer_paths()[depth:] + found

    def linear_paths(self, depth: int) -> list[str]:
        """Names of the linear maps in the layers from `depth` up (and in a decoder behind the encoder)."""
        from transformers.pytorch_utils import Conv1D

        paths = self.layers_above(depth)
        return [
            name
            for name, module in self.model.named_modules()
            if isinstance(module, (nn.Linear, Conv1D)) and any(name.startswith(path + ".") for path in paths)
        ]

    def above_names(self, depth: int) -> list[str]:
        """Names of the modules that lie above the cut at `depth`: layers, what runs behind them, head."""
        names = self.layer_paths()[depth:] + list(self.structure.trainable_after) + self.head_modules()
        return [self.structure.base] if depth == 0 and self.structure.base else names

    def freeze_below(self, depth: int) -> None:
        """Nothing below `depth` requires a gradient; all that lies above does."""
        above = self.above_names(depth) + self.head_modules()
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(any(name.startswith(path + ".") for path in above))

    def freeze_embeddings(self) -> None:
        """No table of vectors (of tokens, positions, types) requires a gradient."""
        for module in self.model.modules():
            if isinstance(module, nn.Embedding):
                module.weight.requires_grad_(False)

    def layers_that_train(self) -> list[nn.Module]:
        """The layers in which something requires a gradient, a decoder's behind an encoder's too."""
        found = {self.model.get_submodule(name) for name in self.layers_above(0)}
        known = [module for module in self.model.modules() if module in found]
        return [one for one in known if any(weight.requires_grad for weight in one.parameters())]

    def set_training(self, cut: int) -> None:
        """Dropout on above the cut and off below it."""
        self.model.train()
        if cut == 0:
            return
        self.base.eval()
        for name in [*self.above_names(cut), *self.structure.after_layers]:
            self.model.get_submodule(name).train()

    def recompute(self, cut: int) -> None:
        """Layers above the cut keep their input alone, and run again for the backward pass.

        Transformers recomputes in layers that train: the layer is told so, the parts inside (dropout) stay
        as they are.
        """
        for layer in self.layers()[cut:]:
            known: Any = layer
            known.gradient_checkpointing = True
            known._gradient_checkpointing_func = run_again_later
            known.training = True

    def below(self, batch: Batch, taps: Sequence[Tap]) -> Mapping[Tap, torch.Tensor]:
        """Activations at `taps`: (B, T, H) for `tokens`, else (B, H)."""
        with nullcontext() if self.records_below else torch.no_grad():
            return self._below(batch, taps)

    def _below(self, batch: Batch, taps: Sequence[Tap]) -> Mapping[Tap, torch.Tensor]:
        was_training = self.model.training
        if was_training:  # or nothing is touched: another thread may be in a pass
            self.model.eval()
        try:
            pooled = [tap for tap in taps if tap.reduction != "tokens"]
            depths = [tap.depth for tap in taps if tap.reduction == "tokens" or tap.depth < self.depth]
            if not pooled:
                kept = run_below(self.model, self.structure, self._inputs(batch), depths)
                if self.start_id is not None:
                    kept = {depth: widen(hidden, batch) for depth, hidden in kept.items()}
                return {tap: kept[tap.depth] for tap in taps}
            kept = {}
            with keeping(self.model, self.structure, depths, kept):
                hidden = final_hidden(self.base, batch.inputs())
            found = {tap: kept[tap.depth] for tap in taps if tap.reduction == "tokens"}
            for tap in pooled:
                states = hidden if tap.depth == self.depth else kept[tap.depth]
                found[tap] = reduce_tokens(states, batch.attention_mask, tap.reduction)
            return found
        finally:
            if was_training:
                self.model.train()

    def above(self, hidden: torch.Tensor, batch: Batch, tap: Tap) -> torch.Tensor:
        """Logits (B, C) from the activations at `tap`."""
        if tap.reduction != "tokens":
            assert isinstance(self.model, Headed), "a reduced tap needs lightune's own head"
            return self.model.head(hidden)  # type: ignore[no-any-return]
        hidden = hidden if self.start_id is None else narrow(hidden, batch)
        with entered_at(self.model, self.structure, tap.depth, hidden):
            return self.forward(batch)

    def _inputs(self, batch: Batch) -> dict[str, torch.Tensor]:
        return batch.inputs() if self.start_id is None else two_sided_inputs(batch, self.pad_id)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Logits (B, C) of the whole network; (U, V), at the batch's units, of a language model."""
        if not self.spec.is_language_model:
            with first_where_enough(self, batch):
                logits = self.logits_of_output(self.whole(**batch.inputs()))
            return logits[:, -batch.input_ids.shape[1] :] if self.spec.is_per_token else logits
        if self.start_id is not None:
            inputs = self._inputs(batch)
            wanted = written_places(batch, inputs["decoder_attention_mask"])
            return self.logits_of_output(self.whole(**inputs, use_cache=False))[wanted]
        places = slice(None) if batch.units is None else batch.units >= 0
        if not self.splits_output:
            logits = self.logits_of_output(self.whole(**batch.inputs(), use_cache=False))
            return logits[:, -batch.input_ids.shape[1] :][places]  # a prompt's own places come first
        hidden = self.base(**batch.inputs(), use_cache=False).last_hidden_state
        return self.model.get_output_embeddings()(hidden[places])  # type: ignore[operator,no-any-return]

    @torch.no_grad()
    def _require_causal(self, source: str) -> None:
        """Raise `UserError` when what stands behind a token changes what the network says before it."""
        self.model.eval()
        texts = self.tokenizer("a b c", return_tensors="pt")["input_ids"].to(self.device)
        others = texts.clone()
        others[:, -1] = (others[:, -1] + 1) % len(self.tokenizer)
        one, other = (self.model(input_ids=ids, use_cache=False).logits[:, :-1] for ids in (texts, others))
        if not torch.allclose(one, other, atol=1e-4):
            raise not_a_writer(source)

    @torch.no_grad()
    def _output_is_plain(self) -> bool:
        """Whether logits are no more than a linear map of the last states: then few places need it."""
        self.model.eval()
        inputs = self.tokenizer("a b c", return_tensors="pt").to(self.device)
        known = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        try:
            states = self.base(**known, use_cache=False).last_hidden_state
            found = self.model.get_output_embeddings()(states)  # type: ignore[operator]
        except (TypeError, AttributeError):
            return False
        wanted = self.model(**known, use_cache=False).logits
        return bool(torch.allclose(found, wanted, atol=1e-4, rtol=1e-4))

    @staticmethod
    def logits_of_output(output: Any) -> torch.Tensor:
        """Logits from what a network gives back."""
        if hasattr(output, "start_logits"):
            return torch.stack([output.start_logits, output.end_logits], dim=-1)
        return output if isinstance(output, torch.Tensor) else output.logits

    def plain_forward(self, batch: Batch) -> torch.Tensor:
        """Logits (B, C) of the network as it was before a method put an adapter into it."""
        with self.bypass():
            return self.forward(batch)

    @torch.no_grad()
    def start_outputs(self, prior: NDArray[Any] | None) -> None:
        """Start the outputs of the head from `prior` (C,): weights at zero, biases there."""
        if prior is None:
            return
        heads = tuple(f"{name}." for name in [*self.head_modules(), "side"])
        for name, module in self.model.named_modules():
            is_last = isinstance(module, nn.Linear) and module.out_features == self.spec.num_labels
            if is_last and f"{name}.".startswith(heads) and module.weight.requires_grad:
                module.weight.zero_()
                if module.bias is not None:
                    module.bias.copy_(torch.from_numpy(prior))
                    prior = np.zeros_like(prior)  # of several outputs that are added up, one

    def usual_depths(self, head: str) -> tuple[int, ...]:
        """The depths that a pooled head reads by itself: the top alone of vectors and of a shared layer."""
        pools = head in POOLED and not self.spec.is_vector and not self.structure.is_shared
        return spread(self.depth, min(USUAL_DEPTHS, self.depth) if pools else 1)

    def merge(self) -> None:
        """Add an adapter's update to the weights, W + BA, where it has one: prediction then costs no more."""
        if self.can_merge:
            self.peft_model.merge_adapter()

    def two_texts(self) -> Batch:
        """A batch of two short texts of different length, to compare two ways of running the network on."""
        from lightune.core.tokens import Tokens

        texts = ["a b c d e f", "a b"]
        encoded = self.tokenizer(texts)
        types = encoded.get("token_type_ids") if self.takes_types else None
        tokens = Tokens.from_lists(encoded["input_ids"], types, [1, 1])
        if self.start_id is not None:
            limits = Limits(self.max_length, "truncate", 1)
            tokens = encode_two_sides(
                self.tokenizer, [(text, text) for text in texts], limits, self.start_id
            ).tokens
        return tokens.batch(np.arange(2), pad_id=self.pad_id, device=self.device)

    @torch.no_grad()
    def verified_cut(self, depth: int) -> int:
        """The highest cut at or under `depth` at which the two parts together equal the whole, 0 at worst.

        Two short texts of different length are run both ways; an architecture that lightune has never
        seen is thus checked before anything is trained, instead of trusted.
        """
        batch = self.two_texts()
        self.model.eval()
        whole = self.forward(batch)
        for cut in range(depth, 0, -1):
            if self.structure.is_shared and cut < self.depth:
                continue
            tap = Tap(cut)
            try:
                parts = self.above(self.below(batch, [tap])[tap], batch, tap)
            except (TypeError, IndexError, RuntimeError, AttributeError):
                continue
            if torch.allclose(parts, whole, atol=1e-4, rtol=1e-4):
                return cut
        return 0


def _decoder_layers(base: nn.Module) -> nn.Module | None:
    from lightune.backbones.structure import find_layers

    decoder = getattr(base, "decoder", None)
    return None if decoder is None else find_layers(decoder)[1]
