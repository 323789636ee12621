"""What is counted of labels of words, and the scores of each type. Without torch."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from tinybert.tasks.entities import Entity, of_iob2
from tinybert.tasks.task import Task


def counts(
    target: np.ndarray, predicted: np.ndarray, starts: np.ndarray, task: Task
) -> tuple[np.ndarray, np.ndarray]:
    """(rows, 2), the entities and words that there are; and (rows, 3), the entities that are
    predicted, those of them that are right, and the right words.

    target, predicted: (words,), numbers of labels. starts: (rows + 1,), where each row's words
    begin.
    """
    table = []
    for begin, end in pairwise(starts):
        right = int((target[begin:end] == predicted[begin:end]).sum())
        actual, found = set(), set()
        if task.has_entities:
            actual, found = (set(_parts(tags[begin:end], task)) for tags in (target, predicted))
        table.append((len(actual), end - begin, len(found), len(actual & found), right))
    table = np.array(table)
    return table[:, :2], table[:, 2:]


def type_scores(
    target: np.ndarray, predicted: np.ndarray, starts: np.ndarray, task: Task
) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 of each type of entity, and the `count` of its entities; of each
    label and its words, if labels mark no entities. Arguments: as of `counts`.

    As seqeval: an entity is right if its type and all its words are.
    """
    types = task.labels
    if task.has_entities:
        types = [label[2:] for label in task.labels if label.startswith("B-")]
    totals = {kind: np.zeros(3, int) for kind in types}  # there, predicted, right
    for begin, end in pairwise(starts):
        actual, found = (set(_parts(tags[begin:end], task)) for tags in (target, predicted))
        for i, parts in enumerate((actual, found, actual & found)):
            for part in parts:
                totals[part.type][i] += 1
    return {
        kind: {
            "precision": _share(right, found),
            "recall": _share(right, actual),
            "f1": _share(2 * right, actual + found),
            "count": int(actual),
        }
        for kind, (actual, found, right) in totals.items()
    }


def confusion(target: np.ndarray, predicted: np.ndarray, task: Task) -> list[list]:
    """[type, predicted type, words] of all pairs of types that some word has, the most words first.
    A word's type is that of its label, see Task.types.

    target, predicted: (words,), numbers of labels.
    """
    names = task.types
    pairs = Counter(zip(target.tolist(), predicted.tolist(), strict=True))
    counts = Counter()
    for (actual, found), count in pairs.items():
        counts[names[actual], names[found]] += count
    return [[*pair, count] for pair, count in counts.most_common()]


def shown_tags(words: Sequence[str], tags: Iterable[int], task: Task) -> str:
    """A sentence's entities as `TYPE: words`, separated by semicolons; of labels that are none, all
    labels. tags: numbers of labels."""
    labels = [task.labels[i] for i in tags]
    if not task.has_entities:
        return " ".join(labels)
    return "; ".join(f"{kind}: {' '.join(words[a:b])}" for a, b, kind in of_iob2(labels))


def _parts(tags: np.ndarray, task: Task) -> list[Entity]:
    """The entities of a sentence, or each word as one. tags: numbers of labels."""
    labels = [task.labels[i] for i in tags]
    if task.has_entities:
        return of_iob2(labels)
    return [Entity(i, i + 1, label) for i, label in enumerate(labels)]


def _share(part: int, of: int) -> float:
    return round(float(part / of), 4) if of else 0.0
