"""Scores of an exported model on a labelled file, as `tinybert evaluate` prints them."""

from collections.abc import Iterable

import numpy as np
from sklearn.metrics import confusion_matrix
from tabulate import tabulate
from tqdm import tqdm

from tinybert.commands.texts import Text
from tinybert.data.raw import schemes, tagged
from tinybert.data.raw.columns import TEXTS, Table
from tinybert.data.raw.targets import preview
from tinybert.deploy.classifier import Classifier
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.wording import plural
from tinybert.tasks import word_scores
from tinybert.tasks.intervals import interval
from tinybert.tasks.scores import METRICS
from tinybert.tasks.task import REPORTED, TARGET, WORD_METRICS, Task

BATCH = 32  # texts
WIDTH = 12  # labels in a confusion table; more are shown as the most frequent confusions
SHOWN = 20  # confusions
TYPE_SCORES = ("precision", "recall", "f1")
CORRELATIONS = ("pearson", "spearman", "matthews")  # need two different targets


def evaluate(classify: Classifier, table: Table) -> str:
    """The report: rows, each metric of the model's kind with its 95 % interval, confusions.

    table: as texts.labelled returns it. Raises InputError, before anything is classified, that
    names the labels which the model does not know.
    """
    if classify.kind == "tokens":
        return _evaluate_words(classify, table)
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
    metrics = _metrics(classify)
    parts = [
        f"{table.file}: {plural(len(table), 'row', 'rows')}",
        _scores(target, predicted, metrics),
    ]
    undefined = [name for name in metrics if name in CORRELATIONS]
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


def _evaluate_words(classify: Classifier, table: Table) -> str:
    """The report for labels of words: sentences, metrics, and the scores of each type."""
    task = Task("tokens", classify.labels, pair=False, metrics=[], splits=[])
    target, sentences = _word_numbers(task, table), table.columns["words"]
    starts = np.cumsum([0, *map(len, sentences)])
    batches = range(0, len(table), BATCH)
    parts = (slice(start, start + BATCH) for start in tqdm(batches, unit="batch", disable=None))
    texts = table.columns["text_a"]
    predicted = np.concatenate([classify.number_words(texts[p], sentences[p]) for p in parts])
    metrics = REPORTED["tokens"] if task.has_entities else WORD_METRICS
    types = word_scores.type_scores(target, predicted, starts, task)
    rows = [
        [_printable(kind), *(f"{100 * values[name]:.1f}" for name in TYPE_SCORES), values["count"]]
        for kind, values in types.items()
    ]
    header = ["label", *TYPE_SCORES, "entities" if task.has_entities else "words"]
    sizes = f"{plural(len(table), 'sentence', 'sentences')}, {plural(len(target), 'word', 'words')}"
    return "\n\n".join(
        [
            f"{table.file}: {sizes}",
            _scores(*word_scores.counts(target, predicted, starts, task), metrics),
            tabulate(rows, header, colalign=("left", *["right"] * 4), disable_numparse=True),
        ]
    )


def _word_numbers(task: Task, table: Table) -> np.ndarray:
    """(words,), the numbers of the labels of all words."""
    number_of = {label: i for i, label in enumerate(task.labels)}
    # whatever the file's scheme: it is the model's that says whether there are entities
    scheme = "IOB2" if task.has_entities else schemes.WORDS
    types, numbers = {label[2:] for label in task.labels}, []
    for row, tags in enumerate(table.columns["tags"]):
        if task.has_entities:
            tags = schemes.of_types(tags, types)
        for word, tag in enumerate(schemes.to_iob2(tags, scheme)):
            if tag not in number_of:
                raise InputError(
                    f"{tagged.place(table, row, word)}: the tag {tags[word]!r:.60} is not one of "
                    f"the model's; its labels are {preview(task.labels)}. Correct it or remove the "
                    "sentence"
                )
            numbers.append(number_of[tag])
    return np.array(numbers)


def _scores(target: np.ndarray, predicted: np.ndarray, metrics: Iterable[str]) -> str:
    """A table of the metrics with their 95 % intervals."""
    scores = []
    for name in metrics:
        metric = METRICS[name]
        low, high = interval(target, predicted, metric)
        value = float(metric(target, predicted))
        scores.append([name, f"{100 * value:.1f}", f"{100 * low:.1f} to {100 * high:.1f}"])
    header = ["metric", "score", "95 % interval"]
    return tabulate(scores, header, colalign=("left", "right", "right"), disable_numparse=True)


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
