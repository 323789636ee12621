"""Queries, keys and hidden states of any encoder, through transformers' attention interface.

transformers returns attention *probabilities*, and only in its eager mode. TinyBERT needs the
unnormalised scores, so an attention function registered here records queries and keys and then
calls SDPA; no model is re-implemented. On a CPU, SDPA is slower than its plain definition, which is
used instead; the loss then reuses its scores.
"""

from collections.abc import Collection
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from tinybert.models.dropout import dropout
from tinybert.pipeline.errors import InputError

NAME = "tinybert_capture"
# What each layer appends to, and the layers that are kept, counted from 1; None: all.
_recorder: ContextVar[tuple[list, Collection[int] | None] | None] = ContextVar(
    "recorder", default=None
)


@dataclass
class QK:
    """Queries and keys of one layer, each (batch, heads, length, head width), and their scaling."""

    query: Tensor
    key: Tensor
    scaling: float
    _scores: Tensor | None = field(default=None, init=False, repr=False)

    def scores(self) -> Tensor:
        """Unnormalised attention scores, (batch, heads, length, length); computed once."""
        if self._scores is None:
            self._scores = (self.query * self.scaling) @ self.key.transpose(-1, -2)
        return self._scores


@dataclass
class EncoderStates:
    """hidden_states: M + 1 of (batch, length, width), the embedding output first; attention: M,
    None for a layer that is not kept."""

    hidden_states: tuple[Tensor, ...]
    attention: list[QK | None]


def _attention(module: nn.Module, query, key, value, attention_mask, **kwargs):
    scaling = kwargs.get("scaling")
    qk = QK(query, key, query.shape[-1] ** -0.5 if scaling is None else scaling)
    recorder = _recorder.get()
    if recorder is not None:
        layers, kept = recorder
        layers.append(qk if kept is None or len(layers) + 1 in kept else None)
    if query.device.type != "cpu":
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    scores = qk.scores()
    if attention_mask is not None:  # not -inf: a row without tokens would become NaN
        scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
    p = kwargs.get("dropout", 0.0) if module.training else 0.0
    return (dropout(scores.softmax(-1), p) @ value).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, _attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


def use_attention(model: PreTrainedModel) -> None:
    """Switches a model to the attention function above."""
    if model.config._attn_implementation != NAME:
        model.set_attn_implementation(NAME)


def capture(
    model: PreTrainedModel, inputs: dict[str, Tensor], kept: Collection[int] | None = None
) -> EncoderStates:
    """Runs an encoder and returns its hidden states, queries and keys.

    inputs: input_ids and attention_mask, each (batch, length), and token_type_ids where used. kept:
    the layers, counted from 1, whose queries and keys are needed; the others' are None, and their
    memory, with that of their scores, is free at once. None: all.
    Raises InputError if the model does not use transformers' attention interface.
    """
    use_attention(model)
    layers: list[QK | None] = []
    token = _recorder.set((layers, kept))
    try:
        hidden_states = model(**inputs, output_hidden_states=True).hidden_states
    finally:
        _recorder.reset(token)
    if len(layers) != len(hidden_states) - 1:
        raise InputError(
            f"{type(model).__name__} has {len(hidden_states) - 1} layers, but {len(layers)} of "
            "them called transformers' attention interface; this architecture cannot be distilled"
        )
    return EncoderStates(hidden_states, layers)
