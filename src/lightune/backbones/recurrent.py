"""Recurrent networks in transformers' manner, so that one is a backbone like any other and can be cut.

LSTM (Hochreiter and Schmidhuber 1997), GRU (Cho et al. 2014, arXiv:1406.1078) or the plain RNN (Elman 1990),
each layer an entry of one list, with the embeddings as the softmax too (Press and Wolf 2017,
arXiv:1608.05859). Importing this file makes the classes known to transformers' `Auto` classes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput, SequenceClassifierOutput

from lightune.backbones.loading import RECURRENT

SPREAD = 0.05
State = tuple[torch.Tensor, ...]  # a layer's (1, B, H) tensors: hidden, and the cell of an LSTM


class RecurrentConfig(PretrainedConfig):
    """The shape of a recurrent language model."""

    model_type = RECURRENT

    def __init__(
        self,
        vocab_size: int = 64,
        hidden_size: int = 32,
        num_hidden_layers: int = 1,
        cell: str = "lstm",
        dropout: float = 0.0,
        **others: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.cell = cell
        self.dropout = dropout
        super().__init__(**others)


class RecurrentLayer(nn.Module):
    """One recurrent layer: (B, T, H) -> (B, T, H)."""

    def __init__(self, cell: str, width: int) -> None:
        super().__init__()
        kind = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[cell]
        self.cell = kind(width, width, batch_first=True)
        self.is_double = cell == "lstm"

    def forward(self, hidden: torch.Tensor, states: list[State] | None = None) -> torch.Tensor:
        """Run from this layer's first entry of `states`, which is replaced by the state at the end."""
        if states is None:
            return self.cell(hidden)[0]  # type: ignore[no-any-return]
        before = states.pop(0)
        output, after = self.cell(hidden, before if self.is_double else before[0])
        states.append(after if self.is_double else (after,))
        return output  # type: ignore[no-any-return]


class RecurrentBase(PreTrainedModel):
    """What the networks share: the configuration and how weights begin."""

    config_class = RecurrentConfig
    base_model_prefix = "model"

    def _init_weights(self, module: nn.Module) -> None:
        """Uniform weights; an LSTM's forget gates begin open (Jozefowicz et al. 2015)."""
        if isinstance(module, (nn.Embedding, nn.Linear)):
            nn.init.uniform_(module.weight, -SPREAD, SPREAD)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, (nn.LSTM, nn.GRU, nn.RNN)):
            bound = module.hidden_size**-0.5
            for name, one in module.named_parameters():
                nn.init.uniform_(one, -bound, bound)
                if isinstance(module, nn.LSTM) and name.startswith("bias_ih"):
                    nn.init.ones_(one[module.hidden_size : 2 * module.hidden_size])


class RecurrentModel(RecurrentBase):
    """Embedding and stacked recurrent layers."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        layers = (RecurrentLayer(config.cell, config.hidden_size) for _ in range(config.num_hidden_layers))
        self.layers = nn.ModuleList(layers)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The embeddings, (V, H)."""
        return self.embed_tokens

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Put other embeddings in."""
        self.embed_tokens = value

    def first_states(self, rows: int) -> list[State]:
        """Zeros for every layer."""
        width, number = self.config.hidden_size, 2 if self.config.cell == "lstm" else 1
        like = self.embed_tokens.weight
        zeros = [like.new_zeros(1, rows, width) for _ in range(number)]
        return [tuple(zeros) for _ in self.layers]

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        states: list[State] | None = None,
        output_hidden_states: bool = False,
        **ignored: Any,
    ) -> Any:
        """(B, T) ids -> (B, T, H). No token sees what stands behind it, so that padding needs no mask.

        `output_hidden_states`: what enters each layer, and the last one's output, too.
        """
        hidden = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        entering = []
        for layer in self.layers:
            entering.append(hidden)
            hidden = layer(self.dropout(hidden), states)
        hidden = self.dropout(hidden)
        kept = (*entering, hidden) if output_hidden_states else None
        return BaseModelOutput(last_hidden_state=hidden, hidden_states=kept)


class RecurrentForCausalLM(RecurrentBase):
    """Next-token logits by the embeddings themselves and a bias a token."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = RecurrentModel(config)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.post_init()

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """(..., H) -> (..., V)."""
        return nn.functional.linear(hidden, self.model.embed_tokens.weight, self.bias)

    def forward(self, input_ids: torch.Tensor, states: list[State] | None = None, **ignored: Any) -> Any:
        """(B, T) ids -> logits (B, T, V)."""
        hidden = self.model(input_ids, states=states).last_hidden_state
        return CausalLMOutput(logits=self.logits(hidden))


class RecurrentForSequenceClassification(RecurrentBase):
    """A linear map of the state at the last token of each text."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = RecurrentModel(config)
        self.score = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        **ignored: Any,
    ) -> Any:
        """(B, T) ids -> logits (B, C)."""
        hidden = self.model(input_ids, inputs_embeds=inputs_embeds).last_hidden_state
        last = hidden[:, -1]
        if attention_mask is not None:
            ends = attention_mask.sum(dim=1).long() - 1
            last = hidden[torch.arange(len(hidden), device=hidden.device), ends]
        return SequenceClassifierOutput(logits=self.score(last))


AutoConfig.register(RECURRENT, RecurrentConfig, exist_ok=True)
AutoModel.register(RecurrentConfig, RecurrentModel, exist_ok=True)
AutoModelForCausalLM.register(RecurrentConfig, RecurrentForCausalLM, exist_ok=True)
AutoModelForSequenceClassification.register(
    RecurrentConfig, RecurrentForSequenceClassification, exist_ok=True
)
