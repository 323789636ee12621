"""`tinybert init` of texts with probabilities of their labels."""

import json
from pathlib import Path

import pandas as pd
import pytest
from own_files import ROWS, request, rows_of, settings, write_csv

from tinybert.commands import init, texts
from tinybert.commands.options import parser
from tinybert.data.raw.prepare import prepare_task
from tinybert.pipeline import params
from tinybert.pipeline.errors import InputError

NEGATIVE = [round(0.1 + 0.8 * (i % 9) / 8, 3) for i in range(len(ROWS))]
GIVEN = [
    {"text": text, "probabilities": {"negative": p, "positive": 1 - p}}
    for (text, _), p in zip(ROWS, NEGATIVE, strict=True)
]
COLUMNS = {"text": "text", "probabilities": ["negative", "positive"]}
A_COLUMN_EACH = [(text, p, 1 - p) for (text, _), p in zip(ROWS, NEGATIVE, strict=True)]


def write(suffix: str) -> Path:
    """A file of these texts, without labels."""
    if suffix == ".csv":
        rows = [(row["text"], json.dumps(row["probabilities"])) for row in GIVEN]
        return write_csv("answers.csv", rows, "text,probabilities")
    file = Path(f"answers{suffix}")
    if suffix == ".parquet":
        pd.DataFrame(GIVEN).to_parquet(file)
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in GIVEN), encoding="utf-8")
    return file


def counts(folder: Path) -> dict[str, int]:
    """Rows of each split that prepare_task makes of the task, after a check of its labels."""
    section = params.load().task["mine"].data
    task, statistics = prepare_task(Path("data/raw/mine"), folder / "out", section)
    assert task.labels == ["negative", "positive"] and task.probable == ["train", "dev"]
    assert statistics["train"]["with_probabilities"] == len(ROWS)  # before dev is taken
    return {split: part["rows"] for split, part in statistics.items()}


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_no_test_is_taken_where_the_labels_are_the_most_probable_ones(project, capsys, suffix):
    file = write(suffix)
    init.init(request(file))
    shown = capsys.readouterr().out
    [line] = [line for line in shown.splitlines() if line.startswith("no test is taken")]
    assert "agreement with the given answers" in line
    assert [part.name for part in Path("data/raw/mine").iterdir()] == [f"train{suffix}"]
    assert Path("data/raw/mine", f"train{suffix}").read_bytes() == file.read_bytes()
    rows = counts(project)
    assert rows.keys() == {"train", "dev"} and sum(rows.values()) == len(ROWS)


def test_a_column_for_each_label_is_an_option(project):
    file = write_csv("answers.csv", A_COLUMN_EACH, "text,negative,positive")
    with pytest.raises(InputError, match="--columns text=COLUMN|has no column label"):
        init.init(request(file))
    command = "init answers.csv --name mine --columns text=text probabilities=negative,positive"
    columns = texts.parse_columns(parser().parse_args(command.split()).columns)
    init.init(request(file, columns=columns))
    assert settings()["task"]["mine"]["data"] == {"columns": COLUMNS}
    rows = counts(project)
    assert rows.keys() == {"train", "dev"} and sum(rows.values()) == len(ROWS)


def test_a_labelled_test_is_scored_whatever_its_columns_are(project):
    """Train has no labels, and the column of those of test is named, too."""
    files = [write_csv("train.csv", A_COLUMN_EACH, "text,negative,positive")]
    columns = COLUMNS | {"label": "kind"}
    with pytest.raises(InputError, match="train.csv has no column kind"):
        init.init(request(*files, columns=columns))
    files.append(write_csv("test.csv", [("a film", "positive"), ("good", "negative")]))
    with pytest.raises(InputError, match=r"^test.csv needs .* label.* give --columns .*label="):
        init.init(request(*files, columns=COLUMNS))
    files[1].write_text(files[1].read_text().replace("label", "kind"))
    init.init(request(*files, columns=columns))
    assert counts(project) == {"train": 108, "dev": 12, "test": 2}


def test_labels_beside_probabilities_are_those_of_a_test(project):
    rows = [(*row, ROWS[i][1]) for i, row in enumerate(A_COLUMN_EACH)]
    file = write_csv("answers.csv", rows, "text,neg,pos,label")
    columns = {"text": "text", "label": "label", "probabilities": ["neg", "pos"]}
    init.init(request(file, columns=columns, test_share=0.2))
    test = rows_of("data/raw/mine/test.csv")
    assert 22 <= len(test) <= 26 and {tuple(row) for row in test} <= {
        tuple(map(str, row)) for row in rows
    }
