"""A classifier's logits for many rows."""

import numpy as np
import torch
from tqdm import tqdm
from transformers import PreTrainedModel

from tinybert.models.batches import inference_batches
from tinybert.models.device import accelerator
from tinybert.models.encode import Rows, model_inputs
from tinybert.pipeline import distributed

BATCH_SIZE = 32  # rows


def logits(
    model: PreTrainedModel,
    rows: Rows,
    precision: str,
    title: str | None = None,
    shared: bool = False,
) -> np.ndarray:
    """Returns (rows, classes) in float32, in the order of the rows; (rows, 1) for regression.

    title: the progress bar's; None: no bar. The model runs in eval mode; its mode is restored.
    shared: all processes call this with the same rows, each computes part of the batches, and all
    get all logits.
    """
    machine = accelerator(precision)
    training, model = model.training, model.to(machine.device).eval()
    result = np.empty((len(rows), model.config.num_labels), dtype=np.float32)
    batches = inference_batches(rows, BATCH_SIZE)
    batches = distributed.shard(batches) if shared else batches
    with torch.inference_mode(), machine.autocast():
        for indices in tqdm(batches, desc=title, unit="batch", disable=title is None):
            inputs = model_inputs(rows.batch(indices))
            inputs = {name: tensor.to(machine.device) for name, tensor in inputs.items()}
            result[indices] = model(**inputs).logits.float().cpu().numpy()
    model.train(training)
    if shared:
        for part in distributed.gather([(indices, result[indices]) for indices in batches]):
            for indices, values in part:
                result[indices] = values
    return result
