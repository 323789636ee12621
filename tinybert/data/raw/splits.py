"""A dev or test split that is held out from train, or from unlabeled."""

from collections import Counter, defaultdict
from collections.abc import Container

import numpy as np

from tinybert.data.raw.columns import Table
from tinybert.pipeline.errors import InputError

DEV_SHARE = 0.1  # if there is no dev file
SEED = 1  # not params.yaml's: all seeds are scored on the same rows
BINS = 10  # of scores


def hold_out(
    tables: dict[str, Table],
    target: str | None,
    split: str = "dev",
    share: float = DEV_SHARE,
    stay: Container[int] = (),
    source: str = "train",
) -> tuple[dict[str, Table], int]:
    """Moves a share of a split to a new one, stratified by label (or by decile of the scores).

    target: the column of labels, tags or scores; None: there are none. Rows that are the same to
    the model (same.mark) stay together; stay: their numbers of which none is moved. source: train
    or unlabeled. Returns the tables and the number of rows moved. Raises InputError if there are
    too few rows.
    """
    table = tables[source]
    rows_of = defaultdict(list)
    for row, group in enumerate(table.columns["same"]):
        if group not in stay:
            rows_of[group].append(row)
    values = table.columns[target] if target else [""] * len(table)
    if target == "score":
        edges = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
        values = np.searchsorted(edges, values).tolist()
    if target == "tags":  # a sentence counts for its rarest
        counts = Counter(tag for tags in values for tag in set(tags))
        values = [min(tags, key=lambda tag: (counts[tag], tag)) for tags in values]
    strata = defaultdict(list)
    for rows in rows_of.values():
        strata[str(values[rows[0]])].append(rows)
    random = np.random.default_rng(SEED)
    moved: set[int] = set()
    remaining = Counter(map(str, values))
    for _, groups in sorted(strata.items()):
        # At least one row of each label that has two, or the split would lack the label.
        quota = max(round(len(groups) * share), int(len(groups) > 1))
        for i in random.permutation(len(groups)):
            counts = Counter(str(values[row]) for row in groups[i])
            # A label's last row stays; scores have no such limit.
            if quota and (target == "score" or all(remaining[v] > n for v, n in counts.items())):
                remaining.subtract(counts)
                moved.update(groups[i])
                quota -= 1
    if not moved and not target:
        raise InputError(f"{table.file} has too few texts to take {split} from it; add some")
    if not moved:
        raise InputError(
            f"{table.file} has too few rows to take {split} from it, no two of one label, and "
            f"there is no {split} file; add rows, or a {split} file. If another column has the "
            "label, set columns: {text: ..., label: ...} under the task's data in params.yaml; if "
            "the labels are scores, kind: regression there"
        )
    others = [row for row in range(len(table)) if row not in moved]
    taken = table.take(sorted(moved))
    taken.skipped = 0  # `source` counts them
    return {**tables, source: table.take(others), split: taken}, len(moved)
