"""The frozen part in 4 or 8 bits a weight, in GGUF's formats, unpacked by torch wherever the network runs.

Blocks of 32 weights of a row: Q4_1 has 16 levels between the least and the largest weight of its block (20
bytes), Q8_0 255 levels round zero (34 bytes). The gguf library packs, and what it unpacks is what `Block`
unpacks. A model that comes from such a file loses nothing. A map is unpacked to float32 when it multiplies,
as QLoRA does (Dettmers et al. 2023, arXiv:2305.14314), so that states are not rounded.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize
from transformers import PreTrainedModel
from transformers.core_model_loading import ConversionOps
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.quantizers.quantizers_utils import get_module_from_name
from transformers.utils.quantization_config import QuantizationConfigMixin

from lightune.core.errors import UserError

FORMATS = {4: "Q4_1", 8: "Q8_0"}  # by bits
BLOCK = 32  # weights that share a scale
NAME = "lightune-blocks"


class Block(nn.Module):
    """Unpacks blocks into weights, as a parametrization of `weight`; torch calls `right_inverse` to pack."""

    def __init__(self, bits: int, width: int) -> None:
        """Of rows of `width` weights."""
        super().__init__()
        self.bits, self.width = bits, width

    def forward(self, blocks: torch.Tensor) -> torch.Tensor:
        """blocks: (rows, width / 32 * bytes) uint8 -> weights: (rows, width) float32."""
        each = blocks.view(-1, blocks.shape[1] * BLOCK // self.width)
        if self.bits == 8:
            weights = each[:, 2:].view(torch.int8).float().mul_(_halves(each[:, :2]))
        else:
            scale_and_least = _halves(each[:, :4])
            scale, two = scale_and_least[:, :1], each[:, 4:].contiguous()  # levels in a byte, 16 places apart
            weights = scale.new_empty(len(each), BLOCK)
            weights[:, : BLOCK // 2] = (two & 15) * scale
            weights[:, BLOCK // 2 :] = (two >> 4) * scale
            weights.add_(scale_and_least[:, 1:])
        return weights.view(-1, self.width)

    def right_inverse(self, weight: torch.Tensor) -> tuple[torch.Tensor]:
        """weights: (rows, width) -> blocks, as `forward` takes them."""
        from gguf import GGMLQuantizationType
        from gguf.quants import quantize

        numbers = weight.detach().float().cpu().numpy()
        packed = quantize(numbers, GGMLQuantizationType[FORMATS[self.bits]])
        return (torch.from_numpy(packed).to(weight.device),)


def _halves(numbers: torch.Tensor) -> torch.Tensor:
    """(N, 2 * n) bytes -> (N, n) float32 of the float16 they hold."""
    return numbers.contiguous().view(torch.float16).float()


@register_quantization_config(NAME)
class Packing(QuantizationConfigMixin):
    """Bits of a weight."""

    def __init__(self, bits: int = 4, **_: Any) -> None:
        """4 or 8."""
        self.quant_method = NAME
        self.bits = bits


@register_quantizer(NAME)
class Packer(HfQuantizer):
    """Packs while transformers reads, so that no more than one map is there in float32."""

    layers: tuple[str, ...] = ()

    def _process_model_before_weight_loading(self, model: PreTrainedModel, **_: Any) -> None:
        """How the names of all that is in a layer begin."""
        self.layers = tuple(
            f"{name}.{number}."
            for name, module in model.named_modules()
            if isinstance(module, nn.ModuleList)
            for number in range(len(module))
        )

    def param_needs_quantization(self, model: PreTrainedModel, param_name: str, **_: Any) -> bool:
        """The weights of linear maps inside the layers, where rows are whole blocks."""
        module, name = get_module_from_name(model, param_name)
        is_map = isinstance(module, nn.Linear | Conv1D) and name == "weight"
        return is_map and module.weight.shape[1] % BLOCK == 0 and param_name.startswith(self.layers)

    def get_quantize_ops(self) -> ConversionOps:
        """How a weight is packed."""
        return PackOne(self.quantization_config.bits)

    def _process_model_after_weight_loading(self, model: PreTrainedModel, **_: Any) -> PreTrainedModel:
        """Copy what stays float32: as long as one weight lies in what was read, all of the file is held.

        Raises:
            UserError: nothing was packed.
        """
        if not any(parametrize.is_parametrized(one) for one in model.modules()):
            hint = f"Its layers have no linear maps with rows of {BLOCK}, {2 * BLOCK}, ... weights."
            raise UserError("no weights of this model can be stored in few bits", hint=hint)
        for one in model.parameters():
            if one.is_floating_point():
                one.data = one.data.clone()
        return model

    def is_serializable(self) -> bool:
        """A run keeps its adapter alone."""
        return False

    @property
    def is_trainable(self) -> bool:
        """By what is trained beside it."""
        return True


class PackOne(ConversionOps):
    """Packs one weight that was read."""

    def __init__(self, bits: int) -> None:
        """Of `bits` each."""
        self.bits = bits

    def convert(
        self,
        input_dict: dict[str, Any],
        model: nn.Module | None = None,
        full_layer_name: str | None = None,
        missing_keys: Any = None,
        **_: Any,
    ) -> dict[str, torch.Tensor]:
        """Set the weight, pack it; nothing is left for transformers to set."""
        assert model is not None
        assert full_layer_name is not None
        [found] = input_dict.values()
        module, _name = get_module_from_name(model, full_layer_name)
        module.weight = nn.Parameter(found[0] if isinstance(found, list) else found, requires_grad=False)
        block = Block(self.bits, module.weight.shape[1])
        parametrize.register_parametrization(module, "weight", block, unsafe=True)
        module._is_hf_initialized = True
        if missing_keys is not None:
            missing_keys.discard(full_layer_name)
        return {}
