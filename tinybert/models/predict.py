"""A classifier's logits for many rows."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedModel

from tinybert.models.batches import inference_batches
from tinybert.models.device import accelerator
from tinybert.models.rows import Rows, labelled_logits
from tinybert.pipeline import distributed

BATCH_SIZE = 32  # rows


@contextmanager
def head_in_float32(model: PreTrainedModel, machine: Accelerator) -> Iterator[None]:
    """Within the block, the encoder computes in the machine's precision, and what follows it (the
    pooler and the head) in float32: logits in bf16 have steps of 0.03 from 4 on, of 0.06 from 8 on,
    and a head costs next to nothing."""
    encoder = model.base_model
    pooler = getattr(encoder, "pooler", None)

    def encode(*inputs, **options):
        with machine.autocast():
            outputs = type(encoder).forward(encoder, *inputs, **options)
        for name, value in outputs.items():
            if torch.is_tensor(value):
                outputs[name] = value.float()
        return outputs

    def pool(hidden_states: Tensor) -> Tensor:
        with torch.autocast(machine.device.type, enabled=False):
            return type(pooler).forward(pooler, hidden_states.float())

    replaced = [(encoder, encode), *([(pooler, pool)] if pooler is not None else [])]
    for module, forward in replaced:
        module.forward = forward
    try:
        yield
    finally:
        for module, _ in replaced:
            del module.forward


def mean_logits(
    models: list[PreTrainedModel], rows: list[Rows], precision: str, title: str | None = None
) -> np.ndarray:
    """The mean of the logits of an ensemble, as `logits` returns them; of a word, those of the
    members that read it. rows: for each member, as its tokenizer reads them."""
    each = [logits(m, read, precision, title) for m, read in zip(models, rows, strict=True)]
    if rows[0].words is None:
        return sum(each) / len(each)
    readers = np.zeros((rows[0].labelled, 1), np.float32)
    for read in rows:
        readers[read.words.index] += 1
    return sum(each) / np.maximum(readers, 1)


def logits(
    model: PreTrainedModel,
    rows: Rows,
    precision: str,
    title: str | None = None,
    shared: bool = False,
) -> np.ndarray:
    """Returns (texts, classes) in float32, in the order of the texts; (texts, 1) for regression.
    Those of a text in windows are the mean of theirs. For labels of words (words, classes), zeros
    for those that have no token, as after max_length.

    title: the progress bar's; None: no bar. The model runs in eval mode; its mode is restored.
    Its head computes in float32, whatever the precision of the encoder.
    shared: all processes call this with the same rows, each computes part of the batches, and all
    get all logits.
    """
    machine = accelerator(precision)
    training, model = model.training, model.to(machine.device).eval()
    result = np.zeros((rows.labelled, model.config.num_labels), dtype=np.float32)
    batches = inference_batches(rows, BATCH_SIZE, machine.device.type)
    batches = distributed.shard(batches) if shared else batches
    with torch.inference_mode(), head_in_float32(model, machine):
        for indices in tqdm(batches, desc=title, unit="batch", disable=title is None):
            batch = rows.batch(indices)
            batch = {name: tensor.to(machine.device) for name, tensor in batch.items()}
            result[rows.items(indices)] = labelled_logits(model, batch).float().cpu().numpy()
    model.train(training)
    if shared:
        parts = [rows.items(indices) for indices in batches]
        for part in distributed.gather([(items, result[items]) for items in parts]):
            for items, values in part:
                result[items] = values
    return rows.means(result)
