"""The parts of a transformer layer, under the names that each architecture gives them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel

from tinybert.pipeline.errors import InputError

RANDOM = "student.init: random, and at least 1 in general.epochs"


@dataclass
class LayerParts:
    """A layer whose two halves end in a LayerNorm: h' = attention_norm(h + output(attention)),
    then norm(h' + outer(activation(inner(h'))))."""

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    output: nn.Linear
    attention_norm: nn.LayerNorm
    inner: nn.Linear
    activation: Callable[[Tensor], Tensor]
    outer: nn.Linear
    norm: nn.LayerNorm


def check_projection(teacher: PreTrainedConfig, width: int) -> None:
    """Raises InputError if a student of this width cannot start from the teacher's layers."""
    if width > teacher.hidden_size:
        raise InputError(
            f"student.init: projection needs a student.hidden_size of at most "
            f"{teacher.hidden_size}, the teacher's, not {width}. Use {RANDOM}"
        )
    with torch.device("meta"):  # without weights
        layers_of(AutoModel.from_config(teacher))


def layers_of(model: PreTrainedModel) -> nn.ModuleList:
    """The layers of an encoder. Raises InputError if they are not built like BERT's."""
    encoder = getattr(model, "encoder", None) or getattr(model, "transformer", None)
    layers = getattr(encoder, "layer", [])
    first = layers[0] if layers else None
    if _is_bert(first) or _is_distilbert(first):
        return layers
    raise InputError(
        "student.init: projection needs a teacher whose layers are built like BERT's (BERT, "
        f"RoBERTa, ELECTRA, DistilBERT); those of {type(model).__name__} are not. Use {RANDOM}"
    )


def parts_of(layer: nn.Module) -> LayerParts:
    """layer: one of layers_of."""
    if _is_distilbert(layer):
        attention, feed_forward = layer.attention, layer.ffn
        return LayerParts(
            *(attention.q_lin, attention.k_lin, attention.v_lin, attention.out_lin),
            layer.sa_layer_norm,
            *(feed_forward.lin1, feed_forward.activation, feed_forward.lin2),
            layer.output_layer_norm,
        )
    attention, output = layer.attention.self, layer.attention.output
    return LayerParts(
        *(attention.query, attention.key, attention.value, output.dense),
        output.LayerNorm,
        *(layer.intermediate.dense, layer.intermediate.intermediate_act_fn, layer.output.dense),
        layer.output.LayerNorm,
    )


def _is_bert(layer: nn.Module | None) -> bool:
    """Also RoBERTa's and ELECTRA's. The norm must be at the end of both halves."""
    attention = getattr(layer, "attention", None)
    return all(
        isinstance(getattr(part, "LayerNorm", None), nn.LayerNorm)
        for part in (getattr(attention, "output", None), getattr(layer, "output", None))
    ) and hasattr(getattr(attention, "self", None), "query")


def _is_distilbert(layer: nn.Module | None) -> bool:
    return hasattr(layer, "sa_layer_norm") and hasattr(layer.attention, "q_lin")
