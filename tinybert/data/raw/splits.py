"""The dev split that is held out from train."""

from collections import Counter, defaultdict

import numpy as np

from tinybert.data.raw.columns import Table
from tinybert.pipeline.errors import InputError

DEV_SHARE = 0.1  # of train, if there is no dev file
SEED = 1  # not params.yaml's: all seeds are scored on the same rows
BINS = 10  # of scores


def hold_out_dev(tables: dict[str, Table], target: str) -> tuple[dict[str, Table], int]:
    """Moves a tenth of train to dev, stratified by label (or by decile of the scores).

    target: the column of labels, tags or scores. Rows that are the same to the model (same.mark)
    stay together. Returns the tables and the number of rows moved. Raises InputError if train has
    too few rows.
    """
    train = tables["train"]
    rows_of = defaultdict(list)
    for row, group in enumerate(train.columns["same"]):
        rows_of[group].append(row)
    values = train.columns[target]
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
    dev_rows: set[int] = set()
    remaining = Counter(map(str, values))
    for _, groups in sorted(strata.items()):
        # At least one row of each label that has two, or dev would lack the label.
        quota = max(round(len(groups) * DEV_SHARE), int(len(groups) > 1))
        for i in random.permutation(len(groups)):
            counts = Counter(str(values[row]) for row in groups[i])
            # A label's last row stays in train; scores have no such limit.
            if quota and (target == "score" or all(remaining[v] > n for v, n in counts.items())):
                remaining.subtract(counts)
                dev_rows.update(groups[i])
                quota -= 1
    if not dev_rows:
        raise InputError(
            f"{train.file} has too few rows to take dev from it, no two of one label, and there is "
            "no dev file; add rows, or a dev file. If another column has the label, set columns: "
            "{text: ..., label: ...} under the task's data in params.yaml; if the labels are "
            "scores, kind: regression there"
        )
    train_rows = [row for row in range(len(train)) if row not in dev_rows]
    dev = train.take(sorted(dev_rows))
    dev.skipped = 0  # train counts them
    return {**tables, "train": train.take(train_rows), "dev": dev}, len(dev_rows)
