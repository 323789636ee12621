"""The teacher's logits for all rows of task distillation, computed once."""

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinybert.models import predict
from tinybert.models.device import machine_kind
from tinybert.models.encode import TEACHER_LOGITS, read_for_each, shard_files
from tinybert.pipeline import distributed
from tinybert.pipeline.files import atomic_write, link_or_copy, reading, write_array


def label_shards(
    teachers: list[PreTrainedModel],
    shards: list[Path],
    out: Path,
    tokenizers: list[PreTrainedTokenizerBase],
    max_length: int,
    precision: str,
    checkpoint_dir: Path,
) -> None:
    """Writes NNNNN.npy, float32 logits (rows, classes), for each shard NNNNN.parquet: those of
    its column teacher_logits where a row has some, else the mean of the teachers'. For labels of
    words (words, classes). tokenizers: of each teacher, as load_tokenizers returns them.

    The processes share the shards. checkpoint_dir: for finished shards; a rerun skips those.
    """
    folder = checkpoint_dir / machine_kind(precision)
    folder.mkdir(exist_ok=True)
    files = [folder / f"{shard.stem}.npy" for shard in shards]
    for i in distributed.shard(range(len(shards))):
        if files[i].exists():
            continue
        rows = read_for_each(shards[i], tokenizers, max_length)
        logits = predict.mean_logits(teachers, rows, precision, f"label {shards[i].stem}")
        _use_given(shards[i], logits)
        with atomic_write(files[i]) as file:
            write_array(file, logits)
    distributed.barrier()
    if distributed.is_main():
        link_or_copy(files, out)


def _use_given(shard: Path, logits: np.ndarray) -> None:
    """Replaces the logits of the rows for which the task's files give others, in place."""
    if TEACHER_LOGITS in pq.read_schema(shard).names:
        values = pq.read_table(shard, columns=[TEACHER_LOGITS])[TEACHER_LOGITS].combine_chunks()
        has_values = values.is_valid().to_numpy(zero_copy_only=False)
        logits[has_values] = values.drop_null().flatten().to_numpy().reshape(-1, logits.shape[1])


def read_logits(labels: Path) -> np.ndarray:
    """The logits of all augmented rows, (rows, classes) or (words, classes). Raises InputError that
    names a file that is missing or damaged."""
    return np.concatenate([_read(file) for file in shard_files(labels, "npy")])


def _read(file: Path) -> np.ndarray:
    with reading(file):
        return np.load(file)


def read_labels(labels: Path, shards: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the logits of all augmented rows, (rows, classes), and their sources, (rows,): the
    index of the row that a row is a copy of, or its own index. For labels of words both are of
    words, of which a copy has as many as its source."""
    logits, source, start = [], [], 0
    for file in shards:
        logits.append(_read(labels / f"{file.stem}.npy"))
        names = {"source", "words"}.intersection(pq.read_schema(file).names)
        table = pq.read_table(file, columns=list(names))
        sources = table["source"].to_numpy()
        if "words" in table.column_names:
            counts = pc.list_value_length(table["words"]).to_numpy()
            starts = np.cumsum([0, *counts])[:-1]
            sources = np.arange(counts.sum()) + np.repeat(starts[sources] - starts, counts)
        source.append(sources + start)
        start += len(logits[-1])
    return np.concatenate(logits), np.concatenate(source)


def label_changes(logits: np.ndarray, source: np.ndarray, kind: str) -> dict[str, float]:
    """How far word replacement changed the teacher's predictions.

    logits: (rows, classes). source: (rows,), as read_labels returns it. kind: the task's. Returns
    the numbers of rows and copies, and label_changed: the share of copies whose predicted label
    (multi-label: any label) differs from their source's. For regression score_change: the mean
    absolute difference. For labels of words all are of words.
    """
    copies = np.flatnonzero(source != np.arange(len(source)))
    of_copy, of_source = logits[copies], logits[source[copies]]
    if kind == "regression":
        changed, name = np.abs(of_copy - of_source)[:, 0], "score_change"
    elif kind == "multi_label":
        changed, name = ((of_copy > 0) != (of_source > 0)).any(axis=1), "label_changed"
    else:
        changed, name = of_copy.argmax(axis=1) != of_source.argmax(axis=1), "label_changed"
    return {
        "rows": len(source),
        "copies": len(copies),
        name: round(float(changed.mean()), 4) if len(copies) else 0.0,
    }
