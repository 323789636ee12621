"""What a task is: raw files -> canonical, validated tables; the kind of task and its label names.

A raw folder holds train.*, dev.*, optionally test.* and unlabeled.*, each .tsv (never quoted),
.csv, .jsonl or .parquet, with a header: `text` or `text_a` and `text_b`; and `label` (a class) or
`score` (a number: regression).
"""

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerBase

from tinybert.encode import read_rows
from tinybert.errors import InputError

SPLITS = ("train", "dev", "test", "unlabeled")
SUFFIXES = (".tsv", ".csv", ".jsonl", ".parquet")
NO_LIMIT = 1_000_000  # tokens
REMEDY = "The README's section on your own data shows the form."


@dataclass
class Task:
    """kind: "classification" or "regression". labels: class names in the order of their numbers,
    empty for regression. pair: whether there are two texts. metric: what the best epoch is chosen
    by. splits: those that exist."""

    kind: str
    labels: list[str]
    pair: bool
    metric: str
    splits: list[str]

    @property
    def target(self) -> str:
        return "score" if self.kind == "regression" else "label"

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
            "problem_type": "single_label_classification",
        }


def prepare(raw: Path, out: Path) -> Task:
    """Reads and checks a raw folder and writes {split}.parquet and task.json.

    Columns written: text_a, text_b (null without a second text) and label (int64) or score
    (float64); neither for unlabeled. Raises InputError that names file, line and remedy.
    """
    if not raw.is_dir():
        raise InputError(f"{raw} is missing: put train.tsv and dev.tsv there. {REMEDY}")
    files = {split: file for split in SPLITS if (file := _find(raw, split))}
    for split in ("train", "dev"):
        if split not in files:
            raise InputError(f"{raw} has no {split} file ({split}.tsv, ...). {REMEDY}")
    tables = {split: _read(file) for split, file in files.items()}

    train = tables["train"]
    pair = "text_b" in train
    kind = "regression" if "score" in train else "classification"
    target = "score" if kind == "regression" else "label"
    texts = ["text_a", "text_b"] if pair else ["text_a"]
    for split, table in tables.items():
        wanted = texts if split == "unlabeled" else [*texts, target]
        _check(table, wanted, files[split])
    labels = [] if kind == "regression" else sorted(train["label"].unique())
    if kind == "classification" and len(labels) < 2:
        raise InputError(
            f"{files['train']} has a single class, {labels[0]!r}; there is nothing to learn"
        )

    metric = "pearson" if kind == "regression" else "accuracy"
    task = Task(kind, labels, pair, metric, list(tables))
    canonical = {}
    for split, table in tables.items():
        columns = {"text_a": pa.array(table["text_a"].tolist(), pa.string())}
        second = table["text_b"].tolist() if pair else [None] * len(table)
        columns["text_b"] = pa.array(second, pa.string())
        if split != "unlabeled":
            columns[target] = _targets(table, task, files[split])
        canonical[split] = pa.table(columns)
    out.mkdir(parents=True, exist_ok=True)
    for split, columns in canonical.items():
        pq.write_table(columns, out / f"{split}.parquet")
    text = json.dumps(asdict(task), ensure_ascii=False, indent=2)
    (out / "task.json").write_text(text + "\n", encoding="utf-8")
    return task


def describe(folder: Path, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int) -> dict:
    """For each split: rows, labels or scores, token lengths, and rows cut at max_length."""
    described = {}
    for split in task.splits:
        rows = read_rows(folder / f"{split}.parquet", tokenizer, max_length=NO_LIMIT)
        lengths = rows.lengths
        facts = {"rows": len(rows)}
        if "label" in rows.columns:
            counts = np.bincount(rows.columns["label"], minlength=len(task.labels)).tolist()
            facts["labels"] = dict(zip(task.labels, counts, strict=True))
        if "score" in rows.columns:
            score = rows.columns["score"]
            facts["score"] = {"min": float(score.min()), "max": float(score.max())}
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


def _find(raw: Path, split: str) -> Path | None:
    found = [
        raw / f"{split}{suffix}" for suffix in SUFFIXES if (raw / f"{split}{suffix}").is_file()
    ]
    if len(found) > 1:
        names = " and ".join(file.name for file in found)
        raise InputError(f"{raw} has {names}: keep one of them")
    return found[0] if found else None


def _read(file: Path) -> pd.DataFrame:
    """A raw file as strings, with `text` renamed to `text_a`."""
    if file.suffix == ".parquet":
        table = pq.read_table(file).to_pandas()
    else:
        try:
            text = file.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{file} is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}. "
                "Save it as UTF-8"
            ) from None
        if not text.strip():
            raise InputError(f"{file} is empty. {REMEDY}")
        table = {".tsv": _tsv, ".csv": _csv, ".jsonl": _jsonl}[file.suffix](text, file)
    return table.rename(columns={"text": "text_a"})


def _tsv(text: str, file: Path) -> pd.DataFrame:
    """Unquoted: a quotation mark is a character like any other."""
    header, *rows = [line.rstrip("\r").split("\t") for line in text.rstrip("\r\n").split("\n")]
    for number, fields in enumerate(rows, start=2):
        if len(fields) != len(header):
            raise InputError(
                f"{file}, line {number}: {len(fields)} fields, the header has {len(header)} "
                f"({', '.join(header)}); fields are separated by one tab"
            )
    return pd.DataFrame(rows, columns=header, dtype=object)


def _csv(text: str, file: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    except pd.errors.ParserError as error:
        raise InputError(f"{file}: {error}; quote fields that contain a comma") from None


def _jsonl(text: str, file: Path) -> pd.DataFrame:
    rows = []
    for number, line in enumerate(text.rstrip("\r\n").split("\n"), start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{file}, line {number}: no valid JSON: {error.msg}") from None
        if not isinstance(row, dict):
            raise InputError(f'{file}, line {number}: must be an object like {{"text": ...}}')
        rows.append(row)
    return pd.DataFrame(rows, dtype=object)


def _check(table: pd.DataFrame, wanted: list[str], file: Path) -> None:
    def line(row: int) -> str:
        number = row + (1 if file.suffix in (".jsonl", ".parquet") else 2)
        return f"{file}, {'row' if file.suffix in ('.csv', '.parquet') else 'line'} {number}"

    for column in wanted:
        if column not in table:
            shown = {"text_a": "text (or text_a and text_b)"}.get(column, column)
            raise InputError(f"{file} has no column {shown}; it has {', '.join(map(str, table))}")
        for row, value in enumerate(table[column]):
            if value is None or value != value or not str(value).strip():
                raise InputError(f"{line(row)}: {column} is empty; fill it or remove the line")
        if column != "score":
            table[column] = table[column].astype(str)
    if not len(table):
        raise InputError(f"{file} has a header and no rows")


def _targets(table: pd.DataFrame, task: Task, file: Path) -> pa.Array:
    offset = 1 if file.suffix in (".jsonl", ".parquet") else 2
    if task.kind == "regression":
        scores = pd.to_numeric(table["score"], errors="coerce")
        if bad := [row for row, score in enumerate(scores) if not abs(score) < float("inf")]:
            value = table["score"].iloc[bad[0]]
            raise InputError(f"{file}, line {bad[0] + offset}: score {value!r} is no finite number")
        return pa.array(scores.tolist(), pa.float64())
    number = {name: i for i, name in enumerate(task.labels)}
    for row, name in enumerate(table["label"]):
        if name not in number:
            raise InputError(
                f"{file}, line {row + offset}: label {name!r} does not occur in train, which has "
                f"{', '.join(task.labels)}"
            )
    return pa.array([number[name] for name in table["label"]], pa.int64())
