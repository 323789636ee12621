"""A task's raw files -> canonical, validated tables."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerBase

from tinybert.data.raw import raw_tables, splits, targets
from tinybert.data.raw.benchmarks import BENCHMARKS
from tinybert.data.raw.columns import Table
from tinybert.models.encode import read_rows
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import TaskData
from tinybert.tasks.task import REPORTED, TARGET, Task

ON_DEMAND = {"classification": ("f1", "matthews"), "multi_label": (), "regression": ()}
NO_LIMIT = 1_000_000  # tokens


def prepare_task(raw: Path, out: Path, section: TaskData) -> tuple[Task, dict[str, dict]]:
    """Reads and checks a raw folder and writes {split}.parquet and task.json.

    section: params.yaml's task.<name>.data. Output columns: text_a, text_b (null without a second
    text) and, except for unlabeled, label (int64), labels (0 or 1 for each label, float32) or score
    (float64).
    Returns the task and, for each split, counts of duplicates and of rows that are also in train.
    Raises InputError, before writing anything, that names file, line and remedy.
    """
    tables = raw_tables.read(raw, section)
    empty = {split: _check_texts(table) for split, table in tables.items()}
    if raw_tables.drop_broken(section):
        tables = {split: table.drop(empty[split]) for split, table in tables.items()}
    kind = section.kind or targets.kind(tables["train"])
    for split, table in tables.items():
        if split != "unlabeled":
            table.columns[TARGET[kind]] = targets.parse(table, kind)
    labels, tables = targets.number(tables, section, kind)
    metrics = _metrics(section, kind, labels)
    notices: dict[str, dict] = {split: {} for split in tables}
    if "dev" not in tables:
        tables, held_out = splits.hold_out_dev(tables, TARGET[kind])
        notices["dev"] = {"taken_from_train": held_out}
    tables = splits.count_repeats(tables, TARGET[kind], section.drop_overlap, notices)
    for split, table in tables.items():
        if not len(table):
            raise InputError(f"{table.file}: drop_broken removes all of its rows; correct the file")
        if table.skipped:
            notices[split]["broken_left_out"] = table.skipped
        if empty := len(_check_texts(table)):
            notices[split]["empty_texts"] = empty
    if labels and len({str(value) for value in tables["train"].columns[TARGET[kind]]}) < 2:
        raise InputError(
            f"{tables['train'].file}: only one class is left; add rows, or set drop_overlap: false"
        )
    if kind == "classification":
        rare = _rare(tables["train"], labels)
        if rare:
            notices["train"]["labels_of_one_row"] = rare

    names = [split for split in raw_tables.STEMS if split in tables]
    task = Task(kind, labels, "text_b" in tables["train"].columns, metrics, names)
    canonical = {split: _canonical(tables[split], task, split) for split in names}
    out.mkdir(parents=True, exist_ok=True)
    for split, columns in canonical.items():
        pq.write_table(columns, out / f"{split}.parquet")
    task.save(out)
    return task, {split: notices[split] for split in names}


def write_texts(tables: Path | None, out: Path) -> None:
    """Writes the texts of train and of unlabeled to texts.txt, as general text: a paragraph each,
    with blank lines between. tables: the folder of prepare_task; None: there is other general text,
    and `out` stays empty, so that a new task changes nothing for the general student."""
    out.mkdir(parents=True, exist_ok=True)
    if tables is None:
        return
    files = [tables / f"{split}.parquet" for split in ("train", "unlabeled")]
    with (out / "texts.txt").open("w", encoding="utf-8") as stream:
        for file in filter(Path.exists, files):
            for batch in pq.ParquetFile(file).iter_batches(columns=["text_a", "text_b"]):
                for row in batch.to_pylist():
                    for text in filter(None, row.values()):
                        stream.write(" ".join(text.split()) + "\n\n")


def describe(folder: Path, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int) -> dict:
    """Statistics of each split: rows, labels or scores, token lengths, rows cut at max_length."""
    statistics = {}
    for split in task.splits:
        rows = read_rows(folder / f"{split}.parquet", tokenizer, max_length=NO_LIMIT)
        lengths = rows.lengths
        counts: dict = {"rows": len(rows)}
        if split != "unlabeled":
            if task.kind == "regression":
                scores = rows.columns["score"]
                counts["score"] = {"min": float(scores.min()), "max": float(scores.max())}
            else:
                target = rows.columns[task.target]
                if task.kind == "classification":
                    target = np.eye(len(task.labels))[target]
                per_label = target.sum(axis=0).astype(int).tolist()
                counts["labels"] = dict(zip(task.labels, per_label, strict=True))
        counts["tokens"] = {
            "total": int(lengths.sum()),
            "median": int(np.median(lengths)),
            "max": int(lengths.max()),
        }
        counts["rows_cut"] = int((lengths > max_length).sum())
        statistics[split] = counts
    return statistics


def _rare(train: Table, labels: list[str]) -> dict[str, str]:
    """Labels that occur once -> the row that has them: it may be broken."""
    counts = Counter(train.columns["label"])
    return {
        labels[label]: train.where(row)
        for row, label in enumerate(train.columns["label"])
        if counts[label] == 1
    }


def _check_texts(table: Table) -> set[int]:
    """Checks the texts in place; returns the rows with an empty text, which published data has."""
    empty = set()
    for role in ("text_a", "text_b"):
        for row, value in enumerate(table.columns.get(role, [])):
            text = targets.check_text(value, f"{table.where(row)}: {role}", table.unit)
            table.columns[role][row] = text
            if not text.strip():
                empty.add(row)
    if len(empty) == len(table):
        raise InputError(
            f"{table.file}: no row has a text; set columns under the task's data in params.yaml"
        )
    return empty


def _metrics(section: TaskData, kind: str, labels: list[str]) -> list[str]:
    known = (*REPORTED[kind], *ON_DEMAND[kind])
    if section.metric and section.metric not in known:
        raise InputError(
            f"params.yaml: metric: {section.metric} is not defined for {kind}; use one of "
            f"{', '.join(known)}"
        )
    first = [section.metric] if section.metric else []
    benchmark = BENCHMARKS[section.benchmark].metrics if section.benchmark else ()
    metrics = list(dict.fromkeys([*first, *benchmark, *REPORTED[kind]]))
    if "f1" in metrics and len(labels) != 2:
        raise InputError(
            f"params.yaml: metric: f1 is defined for two classes, here are {len(labels)}; use "
            "f1_macro"
        )
    return metrics


def _canonical(table: Table, task: Task, split: str) -> pa.Table:
    columns = {"text_a": pa.array(table.columns["text_a"], pa.string())}
    second = table.columns["text_b"] if task.pair else [None] * len(table)
    columns["text_b"] = pa.array(second, pa.string())
    if split != "unlabeled":
        kind = {
            "label": pa.int64(),
            "labels": pa.list_(pa.float32(), len(task.labels)),
            "score": pa.float64(),
        }[task.target]
        columns[task.target] = pa.array(table.columns[task.target], kind)
    return pa.table(columns)


def summary(task: Task, statistics: dict[str, dict], max_length: int) -> str:
    """A task's kind, labels, sizes and data warnings, one per line.

    statistics: of each split, those of `describe` and the notices of `prepare_task`.
    """
    labels = f", labels: {targets.preview(task.labels)}" if task.labels else ""
    lines = [f"{task.kind}{' of pairs' if task.pair else ''}{labels}"]
    for split, counts in statistics.items():
        lines.append(f"{split}: {counts['rows']} rows")
        warnings = {
            "rows_cut": f"rows truncated to {max_length} tokens",
            "taken_from_train": "rows split off train, because there is no dev file",
            "empty_texts": "rows with an empty text (drop_broken: true removes them)",
            "duplicates": "rows that repeat an earlier row's texts",
            "differently_labelled": "repeated texts with another label or score",
            "also_in_train": "rows that are also in train (drop_overlap: true removes them there)",
            "overlap_dropped": "rows removed because they are also in dev or test",
            "broken_left_out": "broken rows removed (drop_broken)",
        }
        lines += [
            f"  warning: {text}: {counts[key]}" for key, text in warnings.items() if counts.get(key)
        ]
        missing = [label for label, count in counts.get("labels", {}).items() if not count]
        if missing:
            lines.append(f"  warning: no row has the label {targets.preview(missing)}")
        for label, where in counts.get("labels_of_one_row", {}).items():
            lines.append(f"  warning: the label {targets.preview([label])} is only in {where}")
    return "\n".join(lines)
