"""The dev split that is held out from train, or from unlabeled."""

from collections import Counter, defaultdict

import numpy as np

from tinybert.data.raw.columns import Table
from tinybert.pipeline.errors import InputError

DEV_SHARE = 0.1  # if there is no dev file
SEED = 1  # not params.yaml's: all seeds are scored on the same rows
BINS = 10  # of scores


def hold_out_dev(
    tables: dict[str, Table], source: str, target: str | None
) -> tuple[dict[str, Table], int]:
    """Moves a tenth of a split to dev, stratified by label (or by decile of the scores).

    source: train or unlabeled. target: the column of labels or scores; None: there are none. Rows
    that are the same to the model (same.mark) stay together. Returns the tables and the number of
    rows moved. Raises InputError if there are too few rows.
    """
    train = tables[source]
    rows_of = defaultdict(list)
    for row, group in enumerate(train.columns["same"]):
        rows_of[group].append(row)
    values = train.columns[target] if target else [""] * len(train)
    if target == "score":
        edges = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
        values = np.searchsorted(edges, values).tolist()
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
    if not dev_rows and not target:
        raise InputError(f"{train.file} has too few texts to take dev from it; add some")
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
    return {**tables, source: train.take(train_rows), "dev": dev}, len(dev_rows)
