"""Scores of an exported model on a labelled file, as `tinybert evaluate` prints them."""

import numpy as np
from sklearn.metrics import confusion_matrix
from tabulate import tabulate
from tqdm import tqdm

from tinybert.commands.texts import Text
from tinybert.data.raw.columns import TEXTS, Table
from tinybert.data.raw.targets import preview
from tinybert.deploy.classifier import Classifier
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.wording import plural
from tinybert.tasks.intervals import interval
from tinybert.tasks.scores import METRICS
from tinybert.tasks.task import REPORTED, TARGET

BATCH = 32  # texts
WIDTH = 12  # labels in a confusion table; more are shown as the most frequent confusions
SHOWN = 20  # confusions
CORRELATIONS = ("pearson", "spearman", "matthews")  # need two different targets


def evaluate(classify: Classifier, table: Table) -> str:
    """The report: rows, each metric of the model's kind with its 95 % interval, confusions.

    table: as texts.labelled returns it. Raises InputError, before anything is classified, that
    names the labels which the model does not know.
    """
    target = _numbers(classify, table)
    columns = [table.columns[role] for role in TEXTS[classify.pair]]
    rows: list[Text] = list(zip(*columns, strict=True)) if classify.pair else columns[0]
    batches = range(0, len(rows), BATCH)
    predictions = [
        prediction
        for start in tqdm(batches, unit="batch", disable=None)
        for prediction in classify(rows[start : start + BATCH])
    ]
    predicted = _predicted(classify, predictions)
    scores = []
    for name in _metrics(classify):
        metric = METRICS[name]
        low, high = interval(target, predicted, metric)
        value = float(metric(target, predicted))
        scores.append([name, f"{100 * value:.1f}", f"{100 * low:.1f} to {100 * high:.1f}"])
    header = ["metric", "score", "95 % interval"]
    parts = [
        f"{table.file}: {plural(len(table), 'row', 'rows')}",
        tabulate(scores, header, colalign=("left", "right", "right"), disable_numparse=True),
    ]
    undefined = [name for name, *_ in scores if name in CORRELATIONS]
    if undefined and len(np.unique(target)) == 1:
        parts.append(
            f"All rows have the same {TARGET[classify.kind]}: {' and '.join(undefined)} "
            "cannot be computed, and 0.0 means nothing; add other rows"
        )
    if classify.kind == "classification":
        parts.append(confusions(target, predicted, classify.labels))
    return "\n\n".join(parts)


def confusions(target: np.ndarray, predicted: np.ndarray, labels: list[str]) -> str:
    """A table with a row for each label of the file and a column for each predicted one. With more
    than WIDTH labels: the most frequent confusions.

    target, predicted: (rows,), numbers of labels.
    """
    names = [_printable(label) for label in labels]
    counts = confusion_matrix(target, predicted, labels=np.arange(len(labels)))
    if len(labels) <= WIDTH:
        rows = [[name, *row] for name, row in zip(names, counts.tolist(), strict=True)]
        return tabulate(rows, ["label \\ predicted", *names])
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:SHOWN]
    rows = [
        [names[actual], names[other], counts[actual, other]]
        for actual, other in zip(*np.unravel_index(order, counts.shape), strict=True)
        if counts[actual, other]
    ]
    if not rows:
        return "no label was mistaken for another"
    return tabulate(rows, ["label", "predicted", "rows"], disable_numparse=True)


def _metrics(classify: Classifier) -> list[str]:
    two_classes = classify.kind == "classification" and len(classify.labels) == 2
    return [*REPORTED[classify.kind], *(["f1", "matthews"] if two_classes else [])]


def _numbers(classify: Classifier, table: Table) -> np.ndarray:
    """The targets as scores.scores takes them."""
    values = table.columns[TARGET[classify.kind]]
    if classify.kind == "regression":
        return np.array(values)
    number_of = {label: i for i, label in enumerate(classify.labels)}
    several = classify.kind == "multi_label"
    unknown: dict[str, str] = {}  # label -> where it is first
    for row, value in enumerate(values):
        for name in value if several else [value]:
            if name not in number_of:
                unknown.setdefault(name, table.where(row))
    if unknown:
        first, where = next(iter(unknown.items()))
        others = [_printable(name) for name in list(unknown)[1:]]
        more = f" ({len(others)} more: {preview(others)})" if others else ""
        raise InputError(
            f"{where}: label {first!r:.80} is not one of the model's{more}; its labels are "
            f"{preview(classify.labels)}. Correct it or remove the row"
        )
    if several:
        return np.array([[int(label in set(row)) for label in classify.labels] for row in values])
    return np.array([number_of[name] for name in values])


def _predicted(classify: Classifier, predictions: list[dict]) -> np.ndarray:
    """In the shape of the targets: what the model answers, not its logits."""
    if classify.kind == "regression":
        return np.array([prediction["score"] for prediction in predictions])
    if classify.kind == "multi_label":
        answers = [set(prediction["labels"]) for prediction in predictions]
        return np.array([[int(label in a) for label in classify.labels] for a in answers])
    number_of = {label: i for i, label in enumerate(classify.labels)}
    return np.array([number_of[prediction["label"]] for prediction in predictions])


def _printable(label: str) -> str:
    """Characters that a table cannot show, such as line ends and zero-width ones, are escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in label)
