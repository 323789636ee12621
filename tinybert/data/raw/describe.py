"""Statistics of a task's tables, and what the stage prints of them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerBase

from tinybert.data.raw.same import NO_LIMIT
from tinybert.data.raw.targets import preview
from tinybert.models.encode import encode, read_texts
from tinybert.tasks.task import Task

ROWS, VALUES = 10_000, 10_000_000  # at most in memory at once: rows, and labels of rows


def describe(folder: Path, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int) -> dict:
    """Statistics of each split: rows, labels or scores, token lengths, rows cut at max_length."""
    statistics = {}
    for split in task.splits:
        lengths, labels, scores = [], np.zeros(len(task.labels), np.int64), []
        with pq.ParquetFile(folder / f"{split}.parquet") as file:
            for batch in file.iter_batches(min(ROWS, max(1, VALUES // max(1, len(task.labels))))):
                part = pa.Table.from_batches([batch])
                lengths.append(encode(*read_texts(part), tokenizer, NO_LIMIT).lengths)
                if task.target in part.column_names:
                    values = part[task.target].combine_chunks()
                    if task.kind == "classification":
                        labels += np.bincount(values.to_numpy(), minlength=len(labels))
                    elif task.kind == "multi_label":
                        dense = values.flatten().to_numpy().reshape(len(part), -1)
                        labels += np.count_nonzero(dense, axis=0)
                    else:
                        scores.append(values.to_numpy())
        tokens = np.concatenate(lengths)
        counts: dict = {"rows": len(tokens)}
        if scores:
            values = np.concatenate(scores)
            counts["score"] = {"min": float(values.min()), "max": float(values.max())}
        elif split != "unlabeled":
            counts["labels"] = dict(zip(task.labels, labels.tolist(), strict=True))
        counts["tokens"] = {
            "total": int(tokens.sum()),
            "median": int(np.median(tokens)),
            "max": int(tokens.max()),
        }
        counts["rows_cut"] = int((tokens > max_length).sum())
        statistics[split] = counts
    return statistics


def merged(statistics: dict[str, dict], notices: dict[str, dict]) -> dict[str, dict]:
    """The statistics of `describe` with the notices of `prepare_task`; a split of which no row
    remains has 0 rows."""
    return {split: {**statistics.get(split, {"rows": 0}), **notices[split]} for split in notices}


def summary(task: Task, statistics: dict[str, dict]) -> str:
    """A task's kind, labels, sizes and data warnings, one per line.

    statistics: of each split, as `merged` gives them.
    """
    labels = f", labels: {preview(task.labels)}" if task.labels else ""
    lines = [f"{task.kind}{' of pairs' if task.pair else ''}{labels}"]
    for split, counts in statistics.items():
        lines.append(f"{split}: {counts['rows']} rows")
        lines += [f"  warning: {line}" for line in counts["notices"].values()]
        absent = [label for label, count in counts.get("labels", {}).items() if not count]
        if absent:
            lines.append(f"  warning: no row has the label {preview(absent)}")
    return "\n".join(lines)
