"""Rows that stand twice: within a split, and in train as well as where scores are taken."""

from collections import Counter, defaultdict

import numpy as np

from tinybert.errors import InputError
from tinybert.forms import Table

DEV_SHARE = 0.1  # of train, where there is no dev file
SEED = 1  # not that of params.yaml: all seeds are scored on the same rows
BINS = 10  # of scores


def hold_out_dev(tables: dict[str, Table], target: str) -> tuple[dict[str, Table], int]:
    """Takes a tenth of train as dev, stratified by label (or tenth of the scores).

    Rows of the same text go together. Returns the tables and the number of rows taken.
    """
    train = tables["train"]
    rows_of = defaultdict(list)
    for row, text in enumerate(_texts(train)):
        rows_of[text].append(row)
    values = train.columns[target]
    if target == "score":
        edges = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
        values = np.searchsorted(edges, values).tolist()
    strata = defaultdict(list)
    for rows in rows_of.values():
        strata[str(values[rows[0]])].append(rows)
    random = np.random.default_rng(SEED)
    taken: set[int] = set()
    left = Counter(map(str, values))
    for _, groups in sorted(strata.items()):
        # At least one row of each label that has two, or dev would not know it.
        wanted = max(round(len(groups) * DEV_SHARE), int(len(groups) > 1))
        for i in random.permutation(len(groups)):
            own = Counter(str(values[row]) for row in groups[i])
            # Scores are not counted; but the last row of a label stays.
            if wanted and (target == "score" or all(left[v] > n for v, n in own.items())):
                left -= own
                taken.update(groups[i])
                wanted -= 1
    if not taken:
        raise InputError(
            f"{train.file} has too few rows to take dev from them, and there is no dev file; add "
            "rows, or a dev file"
        )
    kept = [row for row in range(len(train)) if row not in taken]
    dev = train.take(sorted(taken))
    dev.skipped = 0  # they are train's
    return {**tables, "train": train.take(kept), "dev": dev}, len(taken)


def count_repeats(
    tables: dict[str, Table], target: str, drop_overlap: bool, facts: dict[str, dict]
) -> dict[str, Table]:
    """Adds to facts, for each split: duplicates (rows whose texts stood before), how many labels
    more than one those texts have, and for dev and test also_in_train.

    drop_overlap: those are taken out of train, which is returned without them.
    """
    train_texts = _texts(tables["train"])
    in_train = set(train_texts)
    elsewhere = set()
    for split, table in tables.items():
        texts = _texts(table)
        facts[split]["duplicates"] = len(texts) - len(set(texts))
        if split != "unlabeled":
            labelled = set(zip(texts, map(str, table.columns[target]), strict=True))
            facts[split]["differently_labelled"] = len(labelled) - len(set(texts))
        if split not in ("train", "unlabeled"):
            facts[split]["also_in_train"] = sum(text in in_train for text in texts)
            elsewhere.update(texts)
    if not drop_overlap:
        return tables
    kept = [row for row, text in enumerate(train_texts) if text not in elsewhere]
    if not kept:
        raise InputError(
            f"{tables['train'].file}: drop_overlap leaves no row of it; set it to false"
        )
    facts["train"]["overlap_dropped"] = len(train_texts) - len(kept)
    return {**tables, "train": tables["train"].take(kept)}


def _texts(table: Table) -> list[tuple[str, str]]:
    first = table.columns["text_a"]
    return list(zip(first, table.columns.get("text_b", [""] * len(first)), strict=True))
