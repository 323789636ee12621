"""Saves a data set of the Hugging Face hub as files of a task.

    tinybert fetch stanfordnlp/sst2 sst2
    tinybert fetch nyu-mll/glue mrpc --config mrpc

Each split becomes data/fetched/TASK/SPLIT.parquet, with label names instead of numbers, and the
`tinybert init` that makes a task of them is printed; or data/raw/TASK/SPLIT.parquet, if params.yaml
has the task already, as that of a recipe.
"""

import re
from pathlib import Path

from datasets import ClassLabel, Dataset, DatasetDict, load_dataset
from datasets.exceptions import DatasetsError

from tinybert.data.raw.columns import PAIRS, SINGLES, TARGETS
from tinybert.data.raw.conll import TAGS
from tinybert.pipeline import errors
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.fields import NAME
from tinybert.pipeline.files import atomic_write
from tinybert.pipeline.wording import plural

SPLITS = {  # names on the hub -> ours
    "train": "train",
    "validation": "dev",
    "dev": "dev",
    "validation_matched": "dev",
    "validation_mismatched": "dev_mismatched",
    "test": "test",
    "unsupervised": "unlabeled",
    "unlabeled": "unlabeled",
}


def fetch(
    source: str, task: str, data: Path, config: str | None, revision: str | None, known: bool
) -> str:
    """Writes SPLIT.parquet for each labelled split and for the unlabelled ones of SPLITS.

    source: a hub id, or a folder of files that `datasets` reads. data: the folder with raw and
    fetched. config: the hub's name of one of several configurations. known: whether params.yaml has
    the task. Returns a report and the next step. Raises InputError, and writes nothing, if the
    task's name is invalid, its folders hold files already, or the data set cannot be loaded or has
    no split to use.
    """
    if not re.fullmatch(NAME, task):
        raise InputError(f"the task's name {task!r} must consist of letters, digits, - and _")
    raw = data / "raw" / task
    folder = raw if known else data / "fetched" / task
    for place in dict.fromkeys([folder, raw]):
        if place.exists() and any(place.iterdir()):
            raise InputError(f"{place} holds files already; remove them, or use another name")
    try:
        dataset = load_dataset(source, config, revision=revision)
    except (OSError, ValueError, DatasetsError) as error:
        # no such data set or config, no network, no such or damaged files; or a full disk
        if errors.refused(error):
            raise
        raise InputError(
            f"{source} cannot be loaded; check its name and --config: {error}"
        ) from error
    assert isinstance(dataset, DatasetDict)
    lines, columns = [], []
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder) as temporary:  # all splits or none
        temporary.mkdir()
        for name, rows in dataset.items():
            split, count = SPLITS.get(name), plural(len(rows), "row", "rows")
            if split is None:
                lines.append(f"{name}: {count} skipped, it is not one of {', '.join(SPLITS)}")
                continue
            try:
                rows, missing = _with_label_names(rows)
            except (TypeError, ValueError) as error:  # a number without a name
                raise InputError(f"{source}: the labels of {name} are damaged: {error}") from error
            if missing == len(rows) and split != "unlabeled":
                lines.append(f"{name}: {count} skipped, without a label")
                continue
            rows.to_parquet(temporary / f"{split}.parquet")
            without = f", {missing} of them without a label" if missing else ""
            lines.append(f"{name}: {count}{without} -> {folder / split}.parquet")
            columns = rows.column_names
        if not columns:
            raise InputError("\n  ".join([f"{source} has no split that can be used:", *lines]))
    return "\n".join([*lines, _next_step(task, folder, columns, known)])


def _with_label_names(rows: Dataset) -> tuple[Dataset, int]:
    """The rows with label names, also of words and spans, null for those that have -1 or null for a
    label; and the number of nulls: all rows of many a test split, some of other splits."""
    missing = 0
    for column, feature in rows.features.items():
        if not _has_names(feature):
            continue
        names = [_named(value, feature) for value in rows[column]]
        missing = max(missing, names.count(None))
        rows = rows.remove_columns(column).add_column(column, names)
    return rows, missing


def _parts(feature: object) -> dict[str, object]:
    """What a struct consists of, or a list, whose item has an empty name."""
    if isinstance(feature, dict):
        return feature
    return {"": feature.feature} if hasattr(feature, "feature") else {}


def _has_names(feature: object) -> bool:
    return isinstance(feature, ClassLabel) or any(map(_has_names, _parts(feature).values()))


def _named(value: object, feature: object) -> object:
    """A value with names for its numbers. None if one of them is missing."""
    if isinstance(feature, ClassLabel):
        return None if value in (None, -1) else feature.int2str(value)
    if value is None or not _has_names(feature):
        return value
    if isinstance(feature, dict):
        named = {key: _named(value[key], part) for key, part in feature.items()}
        hidden = [key for key, part in feature.items() if named[key] is None and _has_names(part)]
        return None if hidden else named
    named = [_named(item, feature.feature) for item in value]
    return None if None in named else named


def _next_step(task: str, folder: Path, columns: list[str], known: bool) -> str:
    shown = f"columns: {', '.join(columns)}"
    if known:
        return f"{shown}\nparams.yaml has task.{task}; next: tinybert plan, then dvc repro"
    names = [name.casefold() for name in columns]
    has_text = any(set(pair) <= set(names) for pair in PAIRS) or any(n in names for n in SINGLES)
    is_clear = has_text and sum(name in names for name in TARGETS) == 1
    roles = "text=... label=..."
    if "tokens" in names:
        is_clear, roles = len(set(names) & set(TAGS)) == 1, "text=tokens label=..."
    command = f"tinybert init {folder}/*.parquet --name {task}"
    if is_clear:
        return f"{shown}\nnext: {command}"
    return f"{shown}\nnext, with the names of columns: {command} --columns {roles}"
