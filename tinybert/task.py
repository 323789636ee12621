"""What a task is: its raw files -> canonical, validated tables; its kind, labels and metrics."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerBase

from tinybert import forms, splits, targets
from tinybert.encode import read_rows
from tinybert.errors import InputError
from tinybert.forms import Table
from tinybert.published import FORMS
from tinybert.schema import Task as Section

# Reported for each kind; the best epoch is chosen by the first, if params.yaml names no other.
METRICS = {
    "classification": ("accuracy", "f1_macro"),
    "multi_label": ("f1_micro", "f1_macro", "accuracy"),
    "regression": ("pearson", "spearman"),
}
ON_DEMAND = {"classification": ("f1", "matthews"), "multi_label": (), "regression": ()}
TARGET = {"classification": "label", "multi_label": "labels", "regression": "score"}
NO_LIMIT = 1_000_000  # tokens


@dataclass
class Task:
    """kind: "classification", "multi_label" or "regression". labels: class names in the order of
    their numbers, empty for regression. pair: whether there are two texts. metrics: those that
    are reported; the best epoch is chosen by the first. splits: those that exist. teacher: model,
    revision and labels (of its outputs, or None) of an already fine-tuned teacher, or None."""

    kind: str
    labels: list[str]
    pair: bool
    metrics: list[str]
    splits: list[str]
    teacher: dict | None = None

    @property
    def metric(self) -> str:
        return self.metrics[0]

    @property
    def target(self) -> str:
        """The column of the canonical tables: "label", "labels" or "score"."""
        return TARGET[self.kind]

    @property
    def test_split(self) -> str:
        """Where the scores that are reported come from."""
        return "test" if "test" in self.splits else "dev"

    def head(self) -> dict:
        """What AutoModelForSequenceClassification needs to know."""
        if self.kind == "regression":
            return {"num_labels": 1, "problem_type": "regression"}
        names = dict(enumerate(self.labels))
        return {
            "id2label": names,
            "label2id": {name: i for i, name in names.items()},
            "problem_type": {
                "classification": "single_label_classification",
                "multi_label": "multi_label_classification",
            }[self.kind],
        }


def prepare(raw: Path, out: Path, section: Section) -> tuple[Task, dict[str, dict]]:
    """Reads and checks a raw folder and writes {split}.parquet and task.json.

    section: params.yaml's task.<name>. Columns written: text_a, text_b (null without a second
    text) and label (int64), labels (for each label 0 or 1, float32) or score (float64), which
    unlabeled has not.
    Returns the task and, for each split, counts of duplicates and of rows that also stand in train.
    Raises InputError that names file, line and remedy; nothing is written then.
    """
    tables = forms.read(raw, section)
    empty = {split: _check_texts(table) for split, table in tables.items()}
    if forms.drop_broken(section):
        tables = {split: table.leave_out(empty[split]) for split, table in tables.items()}
    kind = section.kind or targets.kind(tables["train"])
    for split, table in tables.items():
        if split != "unlabeled":
            table.columns[TARGET[kind]] = targets.parse(table, kind)
    labels, tables = targets.number(tables, section, kind)
    metrics = _metrics(section, kind, labels)
    facts: dict[str, dict] = {split: {} for split in tables}
    if "dev" not in tables:
        tables, held_out = splits.hold_out_dev(tables, TARGET[kind])
        facts["dev"] = {"taken_from_train": held_out}
    tables = splits.count_repeats(tables, TARGET[kind], section.drop_overlap, facts)
    for split, table in tables.items():
        if not len(table):
            raise InputError(f"{table.file}: drop_broken leaves no row of it; correct the file")
        if table.skipped:
            facts[split]["broken_left_out"] = table.skipped
        if empty := len(_check_texts(table)):
            facts[split]["empty_texts"] = empty
    if labels and len({str(value) for value in tables["train"].columns[TARGET[kind]]}) < 2:
        raise InputError(
            f"{tables['train'].file}: one class is left; add rows, or set drop_overlap: false"
        )
    if kind == "classification":
        rare = _rare(tables["train"], labels)
        if rare:
            facts["train"]["labels_of_one_row"] = rare

    teacher = None
    if section.teacher:
        teacher = {
            "model": section.teacher,
            "revision": section.teacher_revision,
            "labels": section.teacher_labels,
        }
    names = [split for split in forms.STEMS if split in tables]
    task = Task(kind, labels, "text_b" in tables["train"].columns, metrics, names, teacher)
    canonical = {split: _canonical(tables[split], task, split) for split in names}
    out.mkdir(parents=True, exist_ok=True)
    for split, columns in canonical.items():
        pq.write_table(columns, out / f"{split}.parquet")
    text = json.dumps(asdict(task), ensure_ascii=False, indent=2)
    (out / "task.json").write_text(text + "\n", encoding="utf-8")
    return task, {split: facts[split] for split in names}


def describe(folder: Path, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int) -> dict:
    """For each split: rows, labels or scores, token lengths, and rows cut at max_length."""
    described = {}
    for split in task.splits:
        rows = read_rows(folder / f"{split}.parquet", tokenizer, max_length=NO_LIMIT)
        lengths = rows.lengths
        facts: dict = {"rows": len(rows)}
        if split != "unlabeled":
            if task.kind == "regression":
                scores = rows.columns["score"]
                facts["score"] = {"min": float(scores.min()), "max": float(scores.max())}
            else:
                own = rows.columns[task.target]
                if task.kind == "classification":
                    own = np.eye(len(task.labels))[own]
                counts = own.sum(axis=0).astype(int).tolist()
                facts["labels"] = dict(zip(task.labels, counts, strict=True))
        facts["tokens"] = {
            "total": int(lengths.sum()),
            "median": int(np.median(lengths)),
            "max": int(lengths.max()),
        }
        facts["rows_cut"] = int((lengths > max_length).sum())
        described[split] = facts
    return described


def load(folder: Path) -> Task:
    return Task(**json.loads((folder / "task.json").read_text(encoding="utf-8")))


def _rare(train: Table, labels: list[str]) -> dict[str, str]:
    """Labels that one row has, and where: that row may be broken."""
    counts = Counter(train.columns["label"])
    return {
        labels[label]: train.where(row)
        for row, label in enumerate(train.columns["label"])
        if counts[label] == 1
    }


def _check_texts(table: Table) -> set[int]:
    """The rows with an empty text, which published data has."""
    empty = set()
    for role in ("text_a", "text_b"):
        for row, value in enumerate(table.columns.get(role, [])):
            if isinstance(value, (int, float)) and value == value:
                value = table.columns[role][row] = str(value)
            if value is None or value != value:
                raise InputError(
                    f"{table.where(row)}: {role} is missing; fill it or remove the {table.unit}"
                )
            if not isinstance(value, str):
                raise InputError(f"{table.where(row)}: {role} must be a text, it is {value!r:.80}")
            targets.check_characters(value, f"{table.where(row)}: {role}")
            if not value.strip():
                empty.add(row)
    if len(empty) == len(table):
        raise InputError(
            f"{table.file}: no row has a text; set columns under its task in params.yaml"
        )
    return empty


def _metrics(section: Section, kind: str, labels: list[str]) -> list[str]:
    known = (*METRICS[kind], *ON_DEMAND[kind])
    if section.metric and section.metric not in known:
        raise InputError(
            f"params.yaml: metric: {section.metric} is no metric of a task of kind {kind}; it may "
            f"be {', '.join(known)}"
        )
    own = [section.metric] if section.metric else []
    published = FORMS[section.form].metrics if section.form else ()
    found = list(dict.fromkeys([*own, *published, *METRICS[kind]]))
    if "f1" in found and len(labels) != 2:
        raise InputError(
            f"params.yaml: metric: f1 is that of the second of two classes, here are {len(labels)}"
            "; use f1_macro"
        )
    return found


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


def summary(task: Task, facts: dict[str, dict], max_length: int) -> str:
    """What a reader should know of a task before it is trained on, a line each."""
    labels = f", labels: {targets.shown(task.labels)}" if task.labels else ""
    lines = [f"{task.kind}{' of pairs' if task.pair else ''}{labels}"]
    for split, fact in facts.items():
        lines.append(f"{split}: {fact['rows']} rows")
        said = {
            "rows_cut": f"are longer than {max_length} tokens and are cut there",
            "taken_from_train": "were taken from train, by label: there is no dev file",
            "empty_texts": "have an empty text, and are kept (drop_broken: true leaves them out)",
            "duplicates": "have texts that stand there before",
            "differently_labelled": "of those have another label or score",
            "also_in_train": "also stand in train (drop_overlap: true takes them out of train)",
            "overlap_dropped": "also stand in dev or test and were taken out",
            "broken_left_out": "are broken and were left out (drop_broken)",
        }
        lines += [f"  warning: {fact[key]} {text}" for key, text in said.items() if fact.get(key)]
        missing = [label for label, count in fact.get("labels", {}).items() if not count]
        if missing:
            lines.append(f"  warning: no row has the label {targets.shown(missing)}")
        for label, where in fact.get("labels_of_one_row", {}).items():
            lines.append(f"  warning: {where} alone has the label {targets.shown([label])}")
    return "\n".join(lines)
