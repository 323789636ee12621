"""Real data sets: every row is read, as other readers read it."""

import csv
from pathlib import Path

import pandas as pd
import pytest
from raw_tasks import column

from tinybert.data.raw.prepare import prepare_task
from tinybert.pipeline.task_data import TaskData

DATA = Path(__file__).parents[4] / "shared/data"  # not part of the project

# Folder; benchmark; rows; notices. The numbers: shared/data/README.md.
REAL = [
    ("glue/SST-2", "glue/sst2", {"train": 67349, "dev": 872}, {("train", "duplicates"): 371}),
    ("glue/MRPC", "glue/mrpc", {"train": 3668, "dev": 408}, {}),
    ("glue/STS-B", "glue/stsb", {"train": 5749, "dev": 1500}, {("dev", "also_in_train"): 6}),
    ("glue/CoLA", "glue/cola", {"train": 8551, "dev": 1043}, {("dev", "also_in_train"): 16}),
    (
        "zh/chnsenticorp",
        None,
        {"train": 9600, "dev": 1200, "test": 1200},
        {("dev", "also_in_train"): 338},
    ),
    ("seed", None, {"train": 11296, "dev": 3000}, {}),
    (
        "trec",
        "trec",
        {"train": 4904, "dev": 548, "test": 500},
        {("dev", "taken_from_train"): 548},
    ),
]


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not here")
@pytest.mark.parametrize(("name", "benchmark", "rows", "known"), REAL, ids=[row[0] for row in REAL])
def test_real_data_is_read_completely(tmp_path, name, benchmark, rows, known):
    prepared, notices = prepare_task(DATA / name, tmp_path / "out", TaskData(benchmark=benchmark))
    for split, count in rows.items():
        assert len(column(tmp_path, split, "text_a")) == count
    assert prepared.splits == list(rows)
    spelled = {"duplicates": "near_duplicates", "also_in_train": "nearly_in_train"}
    for (split, key), value in known.items():  # the data's README counts exact texts
        assert notices[split][key] - notices[split].get(spelled.get(key), 0) == value


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not here")
@pytest.mark.parametrize(
    ("name", "benchmark", "header", "columns"),
    [
        ("glue/SST-2", "glue/sst2", 0, {"text_a": "sentence", "label": "label"}),
        (
            "glue/MRPC",
            "glue/mrpc",
            0,
            {"text_a": "#1 String", "text_b": "#2 String", "label": "Quality"},
        ),
        (
            "glue/STS-B",
            "glue/stsb",
            0,
            {"text_a": "sentence1", "text_b": "sentence2", "score": "score"},
        ),
        ("glue/CoLA", "glue/cola", None, {"text_a": 3, "label": 1}),
        ("zh/chnsenticorp", None, 0, {"text_a": "text_a", "label": "label"}),
    ],
)
def test_real_data_is_what_pandas_reads(tmp_path, name, benchmark, header, columns):
    prepared, _ = prepare_task(DATA / name, tmp_path / "out", TaskData(benchmark=benchmark))
    for split in prepared.splits:
        table = pd.read_csv(
            DATA / name / f"{split}.tsv",
            sep="\t",
            header=header,
            quoting=csv.QUOTE_NONE,
            keep_default_na=False,
            dtype=str,
            encoding="utf-8-sig",
            lineterminator="\n",
        )
        for role, name_or_index in columns.items():
            expected = table[name_or_index].str.rstrip("\r")
            if role in ("label", "score"):
                expected = expected.astype(float)
            assert column(tmp_path, split, role) == expected.tolist()


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not here")
def test_trec_loses_no_question_and_counts_those_of_train(tmp_path):
    """Ten repeat exactly; the data's README counts one more, which differs in case."""
    _, notices = prepare_task(DATA / "trec", tmp_path / "out", TaskData(benchmark="trec"))
    texts = {}
    for split in ("train", "test"):
        raw = (DATA / f"trec/TREC.{split}").read_bytes().decode("latin-1").splitlines()
        texts[split] = [line.split(" ", 1)[1] for line in raw]
    train = column(tmp_path, "train", "text_a")
    assert sorted(train + column(tmp_path, "dev", "text_a")) == sorted(texts["train"])
    assert column(tmp_path, "test", "text_a") == texts["test"]
    assert len(set(texts["train"]) & set(texts["test"])) == 10
    repeats = sum(text in set(train) for text in texts["test"])
    assert notices["test"]["also_in_train"] - notices["test"]["nearly_in_train"] == repeats > 0
    assert notices["dev"]["also_in_train"] == 0
