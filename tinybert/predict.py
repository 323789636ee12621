"""A classifier's logits for many rows."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinybert import processes
from tinybert.batches import inference_batches
from tinybert.device import accelerator
from tinybert.encode import Rows, model_inputs, read_rows
from tinybert.files import deliver, writing
from tinybert.task import Task


def logits(
    model: PreTrainedModel,
    rows: Rows,
    batch_size: int,
    precision: str,
    title: str | None = None,
    shared: bool = False,
) -> np.ndarray:
    """(rows, classes) in float32, in the order of the rows; (rows, 1) for regression.

    title: of the progress bar; None: no bar. The model is in eval mode, and put back after.
    shared: all processes call this with the same rows, each computes a part of the batches, and all
    get all logits.
    """
    machine = accelerator(precision)
    training, model = model.training, model.to(machine.device).eval()
    found = np.empty((len(rows), model.config.num_labels), dtype=np.float32)
    batches = inference_batches(rows, batch_size)
    batches = processes.mine(batches) if shared else batches
    with torch.inference_mode(), machine.autocast():
        for indices in tqdm(batches, desc=title, unit="batch", disable=title is None):
            inputs = model_inputs(rows.batch(indices))
            inputs = {name: tensor.to(machine.device) for name, tensor in inputs.items()}
            found[indices] = model(**inputs).logits.float().cpu().numpy()
    model.train(training)
    if shared:
        for part in processes.gather([(indices, found[indices]) for indices in batches]):
            for indices, values in part:
                found[indices] = values
    return found


def label(
    teacher: PreTrainedModel,
    shards: list[Path],
    out: Path,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    batch_size: int,
    precision: str,
    work: Path,
) -> None:
    """Writes for each shard NNNNN.parquet the teacher's logits, NNNNN.npy, (rows, classes). The
    processes share the shards. work: where those are that are made already."""
    made = [work / f"{file.stem}.npy" for file in shards]
    for i in processes.mine(range(len(shards))):
        if made[i].exists():
            continue
        rows = read_rows(shards[i], tokenizer, max_length)
        found = logits(teacher, rows, batch_size, precision, f"label {shards[i].stem}")
        with writing(made[i]) as file:
            np.save(file, found)
    processes.barrier()
    if processes.is_main():
        deliver(made, out)


def scorer(
    model: PreTrainedModel, rows: Rows, task: Task, batch_size: int, precision: str
) -> Callable[[], float]:
    """What train.fit asks after each epoch: the task's metric of the model as it then is."""
    from tinybert.scores import scores  # with scikit-learn and SciPy, which labelling does not need

    def score() -> float:
        found = logits(model, rows, batch_size, precision, shared=True)
        return scores(found, rows.columns[task.target], [task.metric])[task.metric]

    return score


def labelled(labels: Path, shards: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """The logits of all augmented rows, and for each the row that it is a copy of, or itself."""
    logits, source, start = [], [], 0
    for file in shards:
        logits.append(np.load(labels / f"{file.stem}.npy"))
        source.append(pq.read_table(file, columns=["source"])["source"].to_numpy() + start)
        start += len(logits[-1])
    return np.concatenate(logits), np.concatenate(source)


def changes(logits: np.ndarray, source: np.ndarray, kind: str) -> dict[str, float]:
    """How far word replacement changed what the teacher says.

    source: (rows,), the row that each is a copy of, or itself. label_changed: the share of copies
    whose predicted label (for several labels: any of them) is not their source's; for regression
    score_change, the mean absolute difference.
    """
    copies = np.flatnonzero(source != np.arange(len(source)))
    own, original = logits[copies], logits[source[copies]]
    if kind == "regression":
        changed, name = np.abs(own - original)[:, 0], "score_change"
    elif kind == "multi_label":
        changed, name = ((own > 0) != (original > 0)).any(axis=1), "label_changed"
    else:
        changed, name = own.argmax(axis=1) != original.argmax(axis=1), "label_changed"
    return {
        "rows": len(source),
        "copies": len(copies),
        name: round(float(changed.mean()), 4) if len(copies) else 0.0,
    }
