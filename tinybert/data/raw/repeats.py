"""Rows that repeat within a split, or between train or unlabeled and the splits with scores.

Rows are compared as the model sees them: same.mark.
"""

from collections import defaultdict

from tinybert.data.raw.columns import Table
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.wording import plural

TRAINED_ON = ("train", "unlabeled")
MANY = 0.05  # share of the rows: published data has some per cent of repeated rows
MANY_REMOVED = "rows are removed, because they are"
DROP = "drop_overlap: true under the task's data in params.yaml removes them from"


def count_repeats(
    tables: dict[str, Table], target: str, drop_overlap: bool, notices: dict[str, dict]
) -> dict[str, Table]:
    """Adds counts to each split's notices: duplicates (rows that repeat an earlier row),
    near_duplicates (those of them in another spelling), differently_labelled (the number of further
    labels of the same texts); for splits with scores also_in_train and nearly_in_train (those of
    them in another spelling), for pairs exchanged_in_train (those whose texts have the other order
    there), cut_in_train (those that differ only after max_length), for test the same of dev, for
    unlabeled also_in_dev_or_test; for splits of labels same_tokens: rows that only unknown tokens
    or the end after max_length tell apart from rows of another label.

    drop_overlap: remove the rows that are also in a split with scores, as far as max_length, from
    train and unlabeled.
    Returns the tables; unlabeled is missing if no row remains. Raises InputError if no row to train
    on would remain.
    """
    scored = {split: table for split, table in tables.items() if split not in TRAINED_ON}
    elsewhere = {
        group: table.where(row)
        for table in scored.values()
        for row, group in enumerate(table.columns["same"])
    }
    for split, table in tables.items():
        _count_within(table, target if target in table.columns else None, notices[split])
        if split in scored and "train" in tables:
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
                f"{plural(len(rows), 'row is', 'rows are')} also in dev or test, and would be "
                f"trained on: {tables['unlabeled'].where(rows[0])} is "
                f"{elsewhere[groups[rows[0]]]}; {DROP} unlabeled"
            )
    return _without_overlap(tables, scored, notices) if drop_overlap else tables


def _count_within(table: Table, target: str | None, notices: dict) -> None:
    groups, texts = table.columns["same"], table.columns["text"]
    first = _first_rows(groups)
    notices["duplicates"] = len(table) - len(first)
    notices["near_duplicates"] = len(set(texts)) - len(first)
    if notices["duplicates"] > MANY * len(table):
        row = next(row for row, group in enumerate(groups) if first[group] != row)
        notices["notices"]["duplicates"] = (
            f"{plural(notices['duplicates'], 'row repeats', 'rows repeat')} an earlier row's texts"
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
            f"{plural(notices['differently_labelled'], 'text is', 'texts are')} repeated with "
            f"another {target}: {table.where(row)} and {table.where(first[groups[row]])}; correct "
            "the file"
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
            f"{plural(notices['same_tokens'], 'row has', 'rows have')} the same tokens as a row of "
            f"another label: {table.where(row)} and {table.where(other)}, {cause}"
        )


def _count_in(table: Table, name: str, other: Table, remedy: str | None, notices: dict) -> None:
    """Counts the rows that are also in the other split; remedy: what to do, None: nothing."""
    texts, place_of = set(other.columns["text"]), _first_rows(other.columns["same"])
    groups = table.columns["same"]
    rows = [row for row, group in enumerate(groups) if group in place_of]
    near = [row for row in rows if table.columns["text"][row] not in texts]
    notices[f"also_in_{name}"], notices[f"nearly_in_{name}"] = len(rows), len(near)
    if rows and remedy:
        row = (near or rows)[0]
        notices["notices"][f"also_in_{name}"] = (
            f"{plural(len(rows), 'row is', 'rows are')} also in {name}{_spelled(len(near))}: "
            f"{table.where(row)} is {other.where(place_of[groups[row]])}; {remedy}"
        )
    if "tokens" in table.columns:
        cut, place_of = _cut_rows(table, [other]), _first_rows(other.columns["tokens"])
        notices[f"cut_in_{name}"] = len(cut)
        if cut and remedy:
            notices["notices"][f"cut_in_{name}"] = (
                f"{plural(len(cut), 'row is', 'rows are')} also in {name} as far as "
                f"encode.max_length in params.yaml: {table.where(cut[0])} is "
                f"{other.where(place_of[table.columns['tokens'][cut[0]]])}; {remedy}"
            )
    if "exchanged" in table.columns:
        values, place_of = table.columns["exchanged"], _first_rows(other.columns["keys"])
        same = set(other.columns["same"])
        rows = [r for r, group in enumerate(groups) if values[r] in place_of and group not in same]
        notices[f"exchanged_in_{name}"] = len(rows)
        if rows:
            notices["notices"][f"exchanged_in_{name}"] = (
                f"{plural(len(rows), 'row is', 'rows are')} also in {name} with text_a and text_b "
                f"exchanged: {table.where(rows[0])} is {other.where(place_of[values[rows[0]]])}; "
                "if their order means nothing, remove them from one of the files"
            )


def _cut_rows(table: Table, others: list[Table]) -> list[int]:
    """The rows that differ from a row of the other tables only after max_length, not because of
    unknown tokens."""
    if "tokens" not in table.columns:
        return []
    tokens, groups = (
        {value for other in others for value in other.columns[name]} for name in ("tokens", "same")
    )
    columns = (table.columns[name] for name in ("tokens", "same", "unknown"))
    return [
        row
        for row, (cut, group, unknown) in enumerate(zip(*columns, strict=True))
        if cut in tokens and group not in groups and not unknown
    ]


def _first_rows(values: list[int]) -> dict[int, int]:
    """Each value's first row."""
    rows: dict[int, int] = {}
    for row, value in enumerate(values):
        rows.setdefault(value, row)
    return rows


def _spelled(near: int) -> str:
    return f", {near} of them in another spelling" if near else ""


def _without_overlap(
    tables: dict[str, Table], scored: dict[str, Table], notices: dict[str, dict]
) -> dict[str, Table]:
    tables = dict(tables)
    elsewhere = {group for table in scored.values() for group in table.columns["same"]}
    for split in [split for split in TRAINED_ON if split in tables]:
        table = tables[split]
        groups, cut = table.columns["same"], set(_cut_rows(table, list(scored.values())))
        rows = [r for r, group in enumerate(groups) if group not in elsewhere and r not in cut]
        if not rows and (split == "train" or "train" not in tables):
            raise InputError(f"{table.file}: drop_overlap removes all rows; set it to false")
        dropped = notices[split]["overlap_dropped"] = len(table) - len(rows)
        if dropped:
            notices[split]["notices"]["overlap_dropped"] = (
                f"{plural(dropped, 'row is removed, because it is', MANY_REMOVED)} also in dev or "
                "test (drop_overlap: true)"
            )
        tables[split] = table.take(rows)
        if not rows:
            del tables[split]
    return tables
