"""A dev or test split that is held out from train, or from unlabeled."""

from collections import Counter, defaultdict
from collections.abc import Container

import numpy as np

from tinybert.data.raw.columns import Table
from tinybert.pipeline.errors import InputError

DEV_SHARE = 0.1  # if there is no dev file
SEED = 1  # not params.yaml's: all seeds are scored on the same rows
BINS = 10  # of scores
# A row of each label may be more than the share: up to so many rows, or times the share.
FEW, MANY = 5, 1.5


def hold_out(
    tables: dict[str, Table],
    target: str | None,
    split: str = "dev",
    share: float = DEV_SHARE,
    stay: Container[int] = (),
    source: str = "train",
) -> tuple[dict[str, Table], int]:
    """Moves a share of a split to a new one, stratified by label (or by decile of the scores): at
    least a row of each label that has two, if those are not many times the share; else rows spread
    over the labels.

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
    shuffled = [
        [groups[i] for i in random.permutation(len(groups))] for _, groups in sorted(strata.items())
    ]
    # At least one row of each label that has two, or the split would lack the label.
    quotas = [max(round(len(groups) * share), int(len(groups) > 1)) for groups in shuffled]
    size = share * sum(map(len, shuffled))
    is_spread = target != "score" and sum(quotas) > max(FEW, MANY * size)
    if is_spread:  # too many labels, or sets of labels, for a row of each
        quotas = [max(1, round(size))]
        shuffled = [_every_nth(shuffled, quotas[0], random)]

    def labels(row: int) -> list[str]:  # of which a row must stay
        value = values[row]
        # Most sets of labels are rare; if none of their rows moved, the split would have no such.
        return list(map(str, value)) if is_spread and target == "labels" else [str(value)]

    moved: set[int] = set()
    remaining = Counter(label for row in range(len(values)) for label in labels(row))
    for quota, groups in zip(quotas, shuffled, strict=True):
        for rows in groups:
            counts = Counter(label for row in rows for label in labels(row))
            # A label's last row stays; scores have no such limit.
            if quota and (target == "score" or all(remaining[v] > n for v, n in counts.items())):
                remaining.subtract(counts)
                moved.update(rows)
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


def _every_nth(strata: list[list], number: int, random: np.random.Generator) -> list:
    """The members of all strata, of which the first `number` are at equal distances in the order of
    the strata: each stratum has its share among them, rounded up or down."""
    members = [member for stratum in strata for member in stratum]
    positions = np.arange(len(members)) * number / len(members) + random.random()
    return [members[i] for i in np.argsort(positions % 1, kind="stable")]
