"""What the predictions of teacher and student on the scored split tell, row by row."""

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_fscore_support

from tinybert.pipeline import paths
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import reading
from tinybert.tasks.task import Task

ROLES = ("teacher", "student")
PAIRS = ["actual", "predicted", "count"]
SHOWN = 20  # labels
TEXTS = 300  # on which student and teacher disagree
MOST_CHARACTERS = 500  # of a shown text


def read(name: str, task: Task, rows: int) -> pd.DataFrame:
    """metrics/predictions/T.csv: texts, and numbers for confidences and scores. Raises InputError
    if it is damaged or an earlier version wrote it."""
    file = paths.METRICS / f"predictions/{name}.csv"
    with reading(file):
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
        table[["actual", *ROLES]]  # a column that is missing
        if len(table) != rows:
            raise ValueError(f"it has {len(table)} rows, not {rows}")
        numbers = ["actual", *ROLES] if task.kind == "regression" else []
        if task.kind != "regression":
            numbers = [f"{role}_{confidence_column(task)}" for role in ROLES]
            if numbers[0] not in table:
                raise InputError(f"{file} was written by an earlier version; run dvc repro")
        return table.astype(dict.fromkeys(numbers, float))


def confidence_column(task: Task) -> str:
    """Ends the name of a role's column: of several answers to a text, the confidence is that of the
    least sure one."""
    return "confidence" if task.kind == "classification" else "least_confidence"


def per_class(predictions: pd.DataFrame, task: Task) -> list[dict]:
    """Each label's rows, the student's precision, recall and F1, and the teacher's F1; those with
    the lowest F1 of the student first, SHOWN of them."""
    actual = _targets(predictions["actual"], task)

    def scores(role: str) -> tuple[np.ndarray, ...]:
        labels = task.labels if task.kind == "classification" else None
        predicted = _targets(predictions[role], task)
        return precision_recall_fscore_support(actual, predicted, labels=labels, zero_division=0)

    precision, recall, f1, rows = scores("student")
    columns = {
        "label": task.labels, "rows": rows, "precision": precision, "recall": recall, "f1": f1,
        "teacher_f1": scores("teacher")[2],
    }  # fmt: skip
    table = pd.DataFrame(columns).sort_values("f1", kind="stable")
    return table[:SHOWN].to_dict("records")


def per_type(types: dict[str, dict[str, dict]]) -> list[dict]:
    """As per_class, for labels of words. types: the content of metrics/eval; rows: how many
    entities or words there are."""
    rows = [
        {
            "label": name, "rows": scores["count"], "teacher_f1": types["teacher"][name]["f1"],
            **{metric: scores[metric] for metric in ("precision", "recall", "f1")},
        }
        for name, scores in types["student"].items()
    ]  # fmt: skip
    return sorted(rows, key=lambda row: row["f1"])[:SHOWN]


def _targets(names: pd.Series, task: Task) -> np.ndarray:
    """Names of classes; for multi-label tasks an indicator, (rows, labels)."""
    if task.kind == "classification":
        return names.to_numpy()
    # A label with a comma of its own would be cut by a split.
    padded = [f", {row}, " for row in names]
    return np.array([[f", {label}, " in row for label in task.labels] for row in padded], int)


def counted(predictions: pd.DataFrame, role: str) -> pd.DataFrame:
    """How many rows have each pair of actual and predicted label: columns as PAIRS."""
    pairs = predictions[["actual", role]].value_counts().reset_index()
    return pairs.set_axis(PAIRS, axis=1)


def worst(pairs: pd.DataFrame, labels: list[str]) -> list[str]:
    """The SHOWN labels with the most rows that the student takes for another label, or another for
    them; all in their order if there are no more. pairs: the student's, as `counted`."""
    wrong = pairs[pairs["predicted"] != pairs["actual"]]
    errors = wrong.groupby("actual")["count"].sum()
    errors = errors.add(wrong.groupby("predicted")["count"].sum(), fill_value=0)
    chosen = set(sorted(labels, key=lambda label: -errors.get(label, 0))[:SHOWN])
    return [label for label in labels if label in chosen]


def confusion(pairs: pd.DataFrame, role: str, labels: list[str], label_count: int) -> dict:
    """Counts of actual (rows) and predicted (columns) labels; if there are more labels than those
    shown, a last column counts the predictions of the others. pairs: the role's, as `counted`."""
    index = {label: i for i, label in enumerate(labels)}
    rows = pairs[pairs["actual"].isin(index)]
    counts = np.zeros((len(labels), len(labels) + 1), int)
    predicted = rows["predicted"].map(index).fillna(len(labels)).astype(int)
    np.add.at(counts, (rows["actual"].map(index), predicted), rows["count"])
    columns = [*labels, "other"] if len(labels) < label_count else labels
    shown = counts[:, : len(columns)]
    return {
        "role": role, "labels": labels, "columns": columns, "counts": shown.tolist(),
        "max": max(1, int(shown.max())), "label_count": label_count,
    }  # fmt: skip


def disagreements(name: str, task: Task, predictions: pd.DataFrame) -> tuple[int, list[dict]]:
    """How many rows student and teacher answer differently, and at most TEXTS of them with their
    texts, cut at MOST_CHARACTERS: those of which the student is most sure first; for scores, those
    that differ most."""
    differ = predictions[predictions["teacher"] != predictions["student"]]
    column = confidence_column(task)
    if task.kind == "regression":
        order = (differ["student"] - differ["teacher"]).abs()
    else:
        order = differ[f"student_{column}"]
    differ = differ.loc[order.sort_values(ascending=False, kind="stable").index]
    shown = differ[:TEXTS]
    file = paths.tables(name) / f"{task.test_split}.parquet"
    with reading(file):
        texts = pd.read_parquet(file)
        texts = texts.loc[shown.index, ["text_a", *(["text_b"] if task.pair else [])]]
        joined = [" | ".join(row) for row in texts.itertuples(index=False)]
    cut = [t if len(t) <= MOST_CHARACTERS else f"{t[:MOST_CHARACTERS]} …" for t in joined]
    nothing = "no entity" if task.kind == "tokens" else "no label"
    rows = [
        {"text": text, "actual": _named(row["actual"], nothing), **{
            role: (_named(row[role], nothing), row.get(f"{role}_{column}")) for role in ROLES
        }}
        for text, row in zip(cut, shown.to_dict("records"), strict=True)
    ]  # fmt: skip
    return len(differ), rows


def _named(value: str | float, nothing: str) -> str:
    """A label, the labels, or a score, as people read them. nothing: instead of no label."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return value or nothing
