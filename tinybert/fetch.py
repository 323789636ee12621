"""Saves a data set of the Hugging Face hub as a task's raw files.

    python -m tinybert.fetch stanfordnlp/sst2 sst2
    python -m tinybert.fetch nyu-mll/glue mrpc --config mrpc

Each split becomes data/raw/TASK/SPLIT.parquet, with names for the numbers of labels. Then it says
what to write into params.yaml, and the `dvc add` that lets experiments see the files.
"""

import argparse
import re
from pathlib import Path

from datasets import ClassLabel, Dataset, DatasetDict, Sequence, load_dataset

from tinybert import errors
from tinybert.errors import InputError
from tinybert.forms import PAIRS, SINGLES, TARGETS
from tinybert.schema import NAME

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


def fetch(source: str, task: str, raw: Path, config: str | None, revision: str | None) -> str:
    """Writes raw/TASK/SPLIT.parquet for each split that has labels, and those without as unlabeled.

    source: a hub id, or a folder of files that `datasets` reads. Returns what to do next. Raises
    InputError if the name is none, the folder holds files already, or the data set is not there.
    """
    if not re.fullmatch(NAME, task):
        raise InputError(f"the task's name {task!r} must be of letters, digits, - and _")
    folder = raw / task
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} holds files already; remove them, or take another name")
    try:
        found = load_dataset(source, config, revision=revision)
    except (OSError, ValueError) as error:  # no such data set or config, no network, no such files
        raise InputError(f"{source} cannot be loaded: {error}") from error
    assert isinstance(found, DatasetDict)
    said, columns = [], []
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in found.items():
        split = SPLITS.get(name)
        if split is None:
            said.append(f"{name}: {len(rows)} rows left out, it is none of {', '.join(SPLITS)}")
            continue
        rows, labelled = _named(rows)
        if not labelled and split != "unlabeled":
            said.append(f"{name}: {len(rows)} rows left out, they have no labels")
            continue
        rows.to_parquet(folder / f"{split}.parquet")
        said.append(f"{name}: {len(rows)} rows -> {folder / split}.parquet")
        columns = rows.column_names
    return "\n".join([*said, _next_steps(task, folder, columns)])


def _named(rows: Dataset) -> tuple[Dataset, bool]:
    """Labels by name, and whether any row has one: the hub's test splits often have -1."""
    for column, feature in rows.features.items():
        several = isinstance(feature, Sequence) or hasattr(feature, "feature")
        kind = feature.feature if several else feature
        if not isinstance(kind, ClassLabel):
            continue
        values = rows[column]
        if any(value == -1 for value in values if not several):
            return rows, False
        names = [[kind.int2str(i) for i in v] if several else kind.int2str(v) for v in values]
        rows = rows.remove_columns(column).add_column(column, names)
    return rows, True


def _next_steps(task: str, folder: Path, columns: list[str]) -> str:
    known = [name.casefold() for name in columns]
    has_text = any(set(pair) <= set(known) for pair in PAIRS) or any(n in known for n in SINGLES)
    clear = has_text and sum(name in known for name in TARGETS) == 1
    section = "{}" if clear else "{columns: {text: ..., label: ...}}"
    return (
        f"columns: {', '.join(columns)}\n\nNow write into params.yaml\n\n  tasks: [{task}]\n"
        f"  task:\n    {task}: {section}\n\nand run\n\n  dvc add {folder}\n  dvc repro"
    )


def main(*words: str) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tinybert.fetch", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("source", help="hub id of a data set, such as stanfordnlp/sst2")
    parser.add_argument("task", help="the folder under data/raw, and the name in params.yaml")
    parser.add_argument("--config", help="of a data set that has several, such as mrpc of glue")
    parser.add_argument("--revision", help="branch, tag or commit")
    options = parser.parse_args(words)
    raw = Path("data/raw")
    print(fetch(options.source, options.task, raw, options.config, options.revision))


if __name__ == "__main__":
    errors.run(main)
