"""The input and output formats of `tinybert predict`."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from tinybert.pipeline.errors import InputError

INPUT_FORMATS = ("text", "tsv", "jsonl")
SUFFIXES = {".jsonl": "jsonl", ".tsv": "tsv"}  # any other: text

Text = str | tuple[str, str]


def read(stream: TextIO, name: str, input_format: str | None, pair: bool) -> Iterator[Text]:
    """Yields the texts, or pairs of texts, of a stream as they arrive.

    name: of the stream, for errors. input_format: one of INPUT_FORMATS; None: from the name's
    suffix. Raises InputError that names the line.
    """
    columns = ("text_a", "text_b") if pair else ("text",)
    input_format = input_format or SUFFIXES.get(Path(name).suffix, "text")

    def select(row: dict, number: int) -> Text:
        values = tuple(row.get(column) for column in columns)
        if not all(isinstance(text, str) for text in values):
            raise InputError(
                f"{name}, line {number}: {' or '.join(columns)} is missing or not a text"
            )
        return values if pair else values[0]

    try:
        if input_format == "tsv":
            rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            for row in rows:
                yield select(row, rows.line_num)
            return
        for number, line in enumerate(stream, 1):
            line = line.rstrip("\r\n")
            if input_format == "jsonl":
                if line.strip():
                    yield select(_object(line, name, number), number)
            elif pair:
                yield select(dict(zip(columns, line.split("\t"), strict=False)), number)
            else:
                yield line
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 ({error}); save it as UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{name}: {error}") from None


def _object(line: str, name: str, number: int) -> dict:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{name}, line {number} is not JSON: {error}") from None
    if not isinstance(row, dict):
        raise InputError(f"{name}, line {number} is not a JSON object; write one object per line")
    return row


def line(prediction: dict, output: str) -> str:
    """A Classifier's prediction as a line of output. output: "jsonl" or "tsv"."""
    if output == "jsonl":
        return json.dumps(prediction, ensure_ascii=False)
    if "score" in prediction:
        return f"{prediction['score']:.6g}"
    label = prediction["label"] if "label" in prediction else ",".join(prediction["labels"])
    return "\t".join([label, *(f"{p:.6f}" for p in prediction["probabilities"].values())])
