"""Raw task folders: helpers that write, prepare and break them."""

import csv
import io
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from tinybert.data.raw.prepare import prepare_task
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import TaskData
from tinybert.tasks.task import Task, load_task

HEAD = [("text", "label")]
TRAIN = "text\tlabel\ngood film\tpos\nbad film\tneg\n"
# A helpful message has one of these: what to do, or what would be right.
REMEDY = re.compile(
    r"\b(add|correct|fill|get|give|keep|put|remove|rename|save|say|set|unpack|use|write)\b|docs/data\.md"
    r"|may be|must|separated by|Expecting",
    re.IGNORECASE,
)


def write(folder: Path, files: dict[str, str | bytes | pa.Table]) -> Path:
    """A folder with the files given by name (double underscore: dot); a table becomes Parquet."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        file = folder / name.replace("__", ".")
        if isinstance(content, pa.Table):
            pq.write_table(content, file)
        else:
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def prepare(folder: Path, section: dict | None = None, **files) -> tuple[Task, dict]:
    """The task and the statistics of a raw folder with these files; writes to folder / "out"."""
    return prepare_task(write(folder / "raw", files), folder / "out", TaskData(**section or {}))


def notices(folder: Path, section: dict | None = None, split: str = "train", **files) -> dict:
    """A split's lines for what looks wrong, without the folder's name; without a dev file, a train
    file with a header is dev, too."""
    if not any(name.startswith("dev") for name in files):
        copies = {name.replace("train", "dev"): content for name, content in files.items()}
        files |= {name: text for name, text in copies.items() if text.startswith("text")}
    lines = prepare(folder, section, **files)[1][split]["notices"]
    return {key: line.replace(f"{folder}/raw/", "") for key, line in lines.items()}


def refused(folder: Path, message: str, section: dict | None = None, **files) -> str:
    """The error's text without the folder's name. It must match `message` and contain a remedy, and
    nothing may be written."""
    with pytest.raises(InputError) as caught:
        prepare(folder, section, **files)
    text = str(caught.value).replace(f"{folder}/", "")
    assert re.search(message, text), text
    assert REMEDY.search(text), f"no remedy: {text}"
    assert not (folder / "out").exists()
    return text


def column(folder: Path, split: str, name: str) -> list:
    return pq.read_table(folder / "out" / f"{split}.parquet")[name].to_pylist()


def labels(folder: Path, split: str) -> list[str]:
    """The name of each row's label in a split."""
    names = load_task(folder / "out").labels
    return [names[number] for number in column(folder, split, "label")]


# Inserted into files to break them: separators, quotes, line ends, marks, other scripts.
PIECES = ["\t", ",", ";", '"', '""', "'", "\n", "\r", "\r\n", "\0", "\ufeff", "\u2028", "\x85"]
PIECES += ["a", "0", "2.5", "nan", "text", "labels", "é", "好", "😀", "e\u0301", "\u202eab", " "]
PIECES += ["{", "}", "[", "]", ":", "null", "1e999", "\\ud800", "LOC:city ", "\\"]
CHANGES = st.lists(st.tuples(st.integers(0, 300), st.sampled_from(PIECES)), max_size=2)


def spoiled(text: str, changes: list[tuple[int, str]]) -> str:
    """The text with pieces inserted at the given places."""
    for place, piece in changes:
        place %= len(text) + 1
        text = text[:place] + piece + text[place:]
    return text


def quoted(rows: list[tuple], **options) -> str:
    file = io.StringIO()
    csv.writer(file, **options).writerows(rows)
    return file.getvalue()


def json_lines(rows: list[tuple], **options) -> str:
    return "\n".join(json.dumps({"text": a, "label": b}, **options) for a, b in rows)
