"""Copies of params.yaml with edits, and the mistakes that they contain."""

from pathlib import Path

import pytest

from tinybert.pipeline import params
from tinybert.pipeline.errors import InputError

ROOT = Path(__file__).parents[1]
EMPTY = "{data: {}, augment: {}, intermediate: {}, prediction: {}}"
PYDOCS = f"  pydocs: {EMPTY}"


def edited(tmp_path, *edits: tuple[str, str]) -> Path:
    """A copy of params.yaml in which the first occurrence of each text is replaced."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    file = tmp_path / "params.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def mistakes(file: Path, task: str | None = None) -> list[str]:
    """The lines of the error that loading the file raises, without the heading."""
    with pytest.raises(InputError) as caught:
        params.load(task, path=file)
    heading, *lines = str(caught.value).split("\n  ")
    assert heading == f"{file} has mistakes:"
    return lines
