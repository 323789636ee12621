"""Rows that repeat within a split, or between train or unlabeled and the splits with scores.

Rows are compared as the model sees them: same.mark.
"""

from collections import defaultdict

from tinybert.data.raw.columns import Table
from tinybert.pipeline.errors import InputError

TRAINED_ON = ("train", "unlabeled")
DROP = "drop_overlap: true under the task's data in params.yaml removes them from"


def count_repeats(
    tables: dict[str, Table], target: str, drop_overlap: bool, notices: dict[str, dict]
) -> dict[str, Table]:
    """Adds counts to each split's notices: duplicates (rows that repeat an earlier row),
    near_duplicates (those of them in another spelling), differently_labelled (the number of further
    labels of the same texts); for splits with scores also_in_train and nearly_in_train (those of
    them in another spelling), for test the same of dev, for unlabeled also_in_dev_or_test; for
    splits of labels same_tokens: rows that only unknown tokens or the end after max_length tell
    apart from rows of another label.

    drop_overlap: remove the rows that are also in a split with scores from train and unlabeled.
    Returns the tables; unlabeled is missing if no row remains. Raises InputError if no row of train
    would remain.
    """
    scored = {split: table for split, table in tables.items() if split not in TRAINED_ON}
    elsewhere = {
        group: table.where(row)
        for table in scored.values()
        for row, group in enumerate(table.columns["same"])
    }
    for split, table in tables.items():
        _count_within(table, None if split == "unlabeled" else target, notices[split])
        if split in scored:
            remedy = None if drop_overlap else f"{DROP} train"
            _count_in(table, "train", tables["train"], remedy, notices[split])
        if split == "test":
            remedy = "dev chooses the epoch; remove them from one of the files"
            _count_in(table, "dev", tables["dev"], remedy, notices[split])
    if "unlabeled" in tables:
        groups = tables["unlabeled"].columns["same"]
        rows = [row for row, group in enumerate(groups) if group in elsewhere]
        notices["unlabeled"]["also_in_dev_or_test"] = len(rows)
        if rows and not drop_overlap:
            notices["unlabeled"]["notices"]["also_in_dev_or_test"] = (
                f"{len(rows)} rows are also in dev or test, and would be trained on: "
                f"{tables['unlabeled'].where(rows[0])} is {elsewhere[groups[rows[0]]]}; "
                f"{DROP} unlabeled"
            )
    return _without_overlap(tables, elsewhere, notices) if drop_overlap else tables


def _count_within(table: Table, target: str | None, notices: dict) -> None:
    groups, texts = table.columns["same"], table.columns["text"]
    first: dict[int, int] = {}
    for row, group in enumerate(groups):
        first.setdefault(group, row)
    notices["duplicates"] = len(table) - len(first)
    notices["near_duplicates"] = len(set(texts)) - len(first)
    if notices["duplicates"]:
        row = next(row for row, group in enumerate(groups) if first[group] != row)
        notices["notices"]["duplicates"] = (
            f"{notices['duplicates']} rows repeat an earlier row's texts"
            f"{_spelled(notices['near_duplicates'])}: {table.where(row)} is "
            f"{table.where(first[groups[row]])}"
        )
    if target is None:
        return
    labels = table.columns[target]
    labels_of = defaultdict(set)
    for group, label in zip(groups, labels, strict=True):
        labels_of[group].add(label)
    notices["differently_labelled"] = sum(map(len, labels_of.values())) - len(labels_of)
    if notices["differently_labelled"]:
        row = next(r for r, group in enumerate(groups) if labels[first[group]] != labels[r])
        notices["notices"]["differently_labelled"] = (
            f"{notices['differently_labelled']} times a repeated text has another {target} than "
            f"before: {table.where(row)} and {table.where(first[groups[row]])}; correct the file"
        )
    if target != "score" and "tokens" in table.columns:
        _count_same_tokens(table, labels, notices)


def _count_same_tokens(table: Table, labels: list, notices: dict) -> None:
    rows_of = defaultdict(list)
    for row, tokens in enumerate(table.columns["tokens"]):
        rows_of[tokens].append(row)
    groups = table.columns["same"]
    confused = [
        rows
        for rows in rows_of.values()
        if len({labels[row] for row in rows}) > 1 and len({groups[row] for row in rows}) > 1
    ]
    notices["same_tokens"] = sum(map(len, confused))
    if confused:
        row, *rows = confused[0]
        other = next((r for r in rows if labels[r] != labels[row]), rows[0])
        cause = "as far as encode.max_length in params.yaml; raise it"
        if table.columns["whole"][row] == table.columns["whole"][other]:
            cause = "because of unknown tokens; another pretrained.model may know their characters"
        notices["notices"]["same_tokens"] = (
            f"{notices['same_tokens']} rows have the same tokens as a row of another label: "
            f"{table.where(row)} and {table.where(other)}, {cause}"
        )


def _count_in(table: Table, name: str, other: Table, remedy: str | None, notices: dict) -> None:
    """Counts the rows that are also in the other split; remedy: what to do, None: nothing."""
    texts, place_of = set(other.columns["text"]), {}
    for row, group in enumerate(other.columns["same"]):
        place_of.setdefault(group, row)
    groups = table.columns["same"]
    rows = [row for row, group in enumerate(groups) if group in place_of]
    near = [row for row in rows if table.columns["text"][row] not in texts]
    notices[f"also_in_{name}"], notices[f"nearly_in_{name}"] = len(rows), len(near)
    if rows and remedy:
        row = (near or rows)[0]
        notices["notices"][f"also_in_{name}"] = (
            f"{len(rows)} rows are also in {name}{_spelled(len(near))}: {table.where(row)} is "
            f"{other.where(place_of[groups[row]])}; {remedy}"
        )


def _spelled(near: int) -> str:
    return f", {near} of them in another spelling" if near else ""


def _without_overlap(
    tables: dict[str, Table], elsewhere: dict[int, str], notices: dict[str, dict]
) -> dict[str, Table]:
    tables = dict(tables)
    for split in [split for split in TRAINED_ON if split in tables]:
        table = tables[split]
        groups = table.columns["same"]
        rows = [row for row, group in enumerate(groups) if group not in elsewhere]
        if not rows and split == "train":
            raise InputError(f"{table.file}: drop_overlap removes all rows; set it to false")
        dropped = notices[split]["overlap_dropped"] = len(table) - len(rows)
        if dropped:
            notices[split]["notices"]["overlap_dropped"] = (
                f"{dropped} rows are removed, because they are also in dev or test (drop_overlap: "
                "true)"
            )
        tables[split] = table.take(rows)
        if not rows:
            del tables[split]
    return tables
