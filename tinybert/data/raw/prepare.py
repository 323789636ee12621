"""A task's raw files -> canonical, validated tables."""

from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerBase

from tinybert.data.raw import given, missing, raw_tables, repeats, same, sentences, splits, targets
from tinybert.data.raw.benchmarks import BENCHMARKS
from tinybert.data.raw.columns import Table
from tinybert.data.raw.describe import add_sizes, describe
from tinybert.data.raw.notices import columns, labels
from tinybert.data.raw.notices.rows import count_tokens
from tinybert.data.raw.spelling import visible
from tinybert.models.encode import TEACHER_LOGITS
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import TaskData
from tinybert.pipeline.wording import plural
from tinybert.tasks import teacher
from tinybert.tasks.task import REPORTED, TARGET, WORD_METRICS, Task, is_iob2

ON_DEMAND = {"classification": ("f1", "matthews")}  # beside REPORTED
VALUES = 10_000_000  # labels of rows in memory at once


def prepare_task(
    raw: Path,
    out: Path,
    section: TaskData,
    tokenizer: PreTrainedTokenizerBase | None = None,
    max_length: int = same.NO_LIMIT,
) -> tuple[Task, dict[str, dict]]:
    """Reads and checks a raw folder and writes {split}.parquet and task.json.

    section: params.yaml's task.<name>.data. tokenizer, max_length: the model's, which decide which
    rows are the same to it; None: their texts alone do. Output columns: text_a, text_b (null
    without a second text) and, except for unlabeled and for splits that the teacher must answer
    (Task.answered), label (int64), labels (0 or 1 for each label, float32) or score (float64); in
    train and unlabeled also teacher_logits (float32 for each label), if the files have some. For
    tokens words and, except for unlabeled, tags (int64), both lists.
    Returns the task and statistics of each split of the files: rows, labels or scores, lengths,
    duplicates, ..., and under `notices` a line for each thing that looks wrong.
    Raises InputError, before writing anything, that names file, line and remedy.
    """
    tables, kind, names, notices = read_tables(raw, section, tokenizer, max_length)
    metrics = _metrics(section, kind, names)
    source, answered = ("train" if "train" in tables else "unlabeled"), []
    if "dev" not in tables:
        answered = ["dev"] if source == "unlabeled" else []
        target = None if answered else TARGET[kind]
        tables, held_out = splits.hold_out(tables, target, source=source)
        tables["dev"].columns.pop(TEACHER_LOGITS, None)
        notices["dev"] = {f"taken_from_{source}": held_out, "notices": {}}
    probable = [split for split in tables if split != "unlabeled" and tables[split].is_probable]
    if probable:
        notices["train"]["notices"]["most_probable"] = given.describe_labels(tables, probable)
    tables = repeats.count_repeats(tables, TARGET[kind], section.drop_overlap, notices)
    classes = tables[source].columns[TARGET[kind]] if names and source == "train" else []
    if kind == "tokens":
        classes = chain.from_iterable(classes)
    if names and source == "train" and len(set(classes)) < 2:
        raise InputError(
            f"{tables['train'].file}: only one class is left; add rows, or set drop_overlap: false"
        )

    present = [split for split in raw_tables.STEMS if split in tables]
    pair = "text_b" in tables[source].columns
    task = Task(kind, names, pair, metrics, present, answered, probable)
    statistics = {}
    for split in [split for split in raw_tables.STEMS if split in notices]:
        statistics[split] = {"rows": 0, **notices[split]}
        if split in tables:
            counts = describe(split, tables[split], task) | notices[split]
            _count_broken(tables[split], counts)
            if tokenizer is not None:
                count_tokens(split, tables[split], tokenizer, max_length, counts)
            add_sizes(split, tables[split], counts)
            statistics[split] = counts
    out.mkdir(parents=True, exist_ok=True)
    for split in present:
        _write(tables[split], task, out / f"{split}.parquet")
    task.save(out)
    return task, statistics


def read_tables(
    raw: Path,
    section: TaskData,
    tokenizer: PreTrainedTokenizerBase | None = None,
    max_length: int = same.NO_LIMIT,
) -> tuple[dict[str, Table], str, list[str], dict[str, dict]]:
    """The checked tables of a raw folder's files, their targets numbered, their rows marked
    (same.mark); the kind; the names of the labels; and each split's notices.

    Arguments and errors: as of prepare_task.
    """
    notices: dict[str, dict] = {}
    kind = section.kind
    if kind is None and section.teacher and raw_tables.has_texts_alone(raw):
        kind = teacher.outputs(section)[0]
    if kind == "tokens":
        names, tables = sentences.read(raw, section, notices, tokenizer)
    else:
        kind, names, tables = _read(raw, section, notices)
    same.mark(tables, tokenizer, max_length)
    return tables, kind, names, notices


def _read(
    raw: Path, section: TaskData, notices: dict[str, dict]
) -> tuple[str, list[str], dict[str, Table]]:
    """The kind, the names of the labels and the checked tables of a task that labels texts."""
    tables = raw_tables.read(raw, section)
    for split, table in tables.items():
        notices[split] = {"notices": {"above_header": table.above} if table.above else {}}
    is_scored = "train" in tables and "score" in tables["train"].columns
    tables = missing.set_apart(tables, section, notices)
    if "train" in tables:
        notices["train"]["notices"].update(columns.check(tables["train"], section))
    empty = {split: _check_texts(table) for split, table in tables.items()}
    if raw_tables.drop_broken(section):
        tables = {split: table.drop(empty[split]) for split, table in tables.items()}
    kind, outputs = _kind(tables, section)
    for split, table in tables.items():
        notices[split]["notices"].update(columns.check_texts(table, section))
        if split != "unlabeled":
            table.columns[TARGET[kind]] = targets.parse(table, kind)
    without_label = ""
    if "train" in tables and not is_scored:
        notices["train"]["notices"].update(labels.check(tables["train"], kind, section))
        without_label = notices["train"]["notices"].get("without_label", "")
    names, tables = targets.number(tables, section, kind, without_label, outputs)
    for split, table in tables.items():
        if TEACHER_LOGITS in table.columns:
            counts = given.parse(table, names, kind, section)
            notices[split]["with_probabilities"] = counts["with_probabilities"]
            notices[split]["notices"] |= counts["notices"]
    for table in tables.values():
        if not len(table):
            raise InputError(f"{table.file}: drop_broken removes all of its rows; correct the file")
    return kind, names, tables


def _kind(tables: dict[str, Table], section: TaskData) -> tuple[str, list[str] | None]:
    """The task's kind, and the labels of the teacher if there is no train."""
    if "train" in tables:
        return section.kind or targets.kind(tables["train"]), None
    return teacher.outputs(section)


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


def _count_broken(table: Table, counts: dict) -> None:
    if table.skipped:
        counts["broken_left_out"] = table.skipped
        counts["notices"]["broken_left_out"] = (
            f"{plural(table.skipped, 'broken row is', 'broken rows are')} removed from "
            f"{table.file} (drop_broken)"
        )
    if empty := _check_texts(table):
        counts["empty_texts"] = len(empty)
        counts["notices"]["empty_texts"] = (
            f"{plural(len(empty), 'row has', 'rows have')} an empty text: "
            f"{table.where(min(empty))}; drop_broken: true under the task's data in params.yaml "
            "removes such rows"
        )


def _check_texts(table: Table) -> set[int]:
    """Checks the texts in place; returns the rows with an empty text, which published data has."""
    empty = set()
    for role in ("text_a", "text_b"):
        for row, value in enumerate(table.columns.get(role, [])):
            text = targets.check_text(value, f"{table.where(row)}: {role}", table.unit)
            table.columns[role][row] = text
            if not visible(text).strip():
                empty.add(row)
    if len(empty) == len(table):
        raise InputError(
            f"{table.file}: no row has a text; set columns under the task's data in params.yaml"
        )
    return empty


def _metrics(section: TaskData, kind: str, labels: list[str]) -> list[str]:
    reported = REPORTED[kind] if kind != "tokens" or is_iob2(labels) else WORD_METRICS
    known = (*reported, *ON_DEMAND.get(kind, ()))
    if section.metric and section.metric not in known:
        raise InputError(
            f"params.yaml: metric: {section.metric} is not defined for {kind}; use one of "
            f"{', '.join(known)}"
        )
    first = [section.metric] if section.metric else []
    benchmark = BENCHMARKS[section.benchmark].metrics if section.benchmark else ()
    metrics = list(dict.fromkeys([*first, *benchmark, *reported]))
    if "f1" in metrics and len(labels) != 2:
        raise InputError(
            f"params.yaml: metric: f1 is defined for two classes, here are {len(labels)}; use "
            "f1_macro"
        )
    return metrics


def _write(table: Table, task: Task, file: Path) -> None:
    """Writes a canonical table, in parts where its labels would fill the memory."""
    size = len(table)
    if task.kind == "multi_label" and task.target in table.columns:
        size = max(1, VALUES // len(task.labels))
    writer = None
    for start in range(0, len(table), size):
        part = _canonical(table, task, slice(start, start + size))
        writer = writer or pq.ParquetWriter(file, part.schema)
        writer.write_table(part)
    writer.close()


def _canonical(table: Table, task: Task, part: slice) -> pa.Table:
    first = table.columns["text_a"][part]
    second = table.columns["text_b"][part] if task.pair else [None] * len(first)
    columns = {"text_a": pa.array(first, pa.string()), "text_b": pa.array(second, pa.string())}
    if task.kind == "tokens":
        columns["words"] = pa.array(table.columns["words"][part], pa.list_(pa.string()))
    if task.target in table.columns:
        columns[task.target] = _targets(table.columns[task.target][part], task)
    if TEACHER_LOGITS in table.columns:
        kind = pa.list_(pa.float32(), len(task.labels))
        columns[TEACHER_LOGITS] = pa.array(table.columns[TEACHER_LOGITS][part], kind)
    return pa.table(columns)


def _targets(values: list, task: Task) -> pa.Array:
    if task.kind == "tokens":
        return pa.array(values, pa.list_(pa.int64()))
    if task.kind != "multi_label":
        return pa.array(values, pa.int64() if task.kind == "classification" else pa.float64())
    dense = np.zeros((len(values), len(task.labels)), np.float32)
    for row, classes in enumerate(values):
        dense[row, list(classes)] = 1
    return pa.FixedSizeListArray.from_arrays(pa.array(dense.ravel()), len(task.labels))
