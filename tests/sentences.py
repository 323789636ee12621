"""Sentences from templates, with tags: actors and films, in the tiny tokenizer's words."""

import itertools
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tinybert.tasks.task import REPORTED, Task

LABELS = ["O", "B-COLOUR", "I-COLOUR", "B-WORK", "I-WORK"]
WORKS, COLOURS = ["film", "movie", "film plot", "movie music"], ["red", "blue", "red green"]
TEMPLATES = ["the {} is {}", "it was a {} {}", "never watch the {}, {}", "{} and {} again"]


def sentences() -> list[tuple[list[str], list[int]]]:
    """(words, numbers of LABELS) of each sentence; commas are words, and `films` has two pieces."""
    rows = []
    for template, work, colour in itertools.product(TEMPLATES, WORKS, COLOURS):
        words, tags, names = [], [], [(work, 3), (colour, 1)]
        for word in template.replace(",", " ,").split():
            name, number = names.pop(0) if word == "{}" else (word, 0)
            parts = name.split()
            words += [f"{part}s" if part == "film" else part for part in parts]
            tags += [number, *[number + 1] * (len(parts) - 1)] if number else [0]
        rows.append((words, tags))
    return rows


def task(splits=("train", "dev")) -> Task:
    return Task("tokens", LABELS, False, list(REPORTED["tokens"]), list(splits))


def write(file: Path, rows: list[tuple[list[str], list[int]]]) -> None:
    """A canonical table."""
    columns = {
        "text_a": pa.array([" ".join(words) for words, _ in rows], pa.string()),
        "text_b": pa.nulls(len(rows), pa.string()),
        "words": pa.array([words for words, _ in rows], pa.list_(pa.string())),
        "tags": pa.array([tags for _, tags in rows], pa.list_(pa.int64())),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), file)
