"""A user's files, and `tinybert init` of them with a tiny model."""

import csv
from pathlib import Path

from ruamel.yaml import YAML
from tiny import WORDS

from tinybert.commands.init import Request

MODEL = "data/models/tiny"
ROWS = [
    (f"the {WORDS[i % 30]} film is {WORDS[i // 30]}", ["pos", "neg"][i % 2]) for i in range(120)
]


def write_csv(name: str, rows: list[tuple], header: str = "text,label", **options) -> Path:
    with open(name, "w", newline="", **options) as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return Path(name)


def request(*files: Path, **options) -> Request:
    return Request(list(files), **{"name": "mine", "model": MODEL, **options})


def settings() -> dict:
    return YAML(typ="safe", pure=True).load(Path("params.yaml").read_text(encoding="utf-8"))


def rows_of(file: str, **options) -> list[list[str]]:
    with open(file, newline="", **options) as stream:
        return list(csv.reader(stream))[1:]
