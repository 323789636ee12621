"""Statistics of tables, and what the stage prints."""

import numpy as np
import pytest
from raw_tasks import TRAIN, prepare

from tinybert.data.raw.describe import describe, merged, summary


def test_description_counts_rows_labels_lengths_and_cuts(tmp_path, tokenizer):
    files = {"train__tsv": TRAIN + "good good good good\tpos\n", "dev__tsv": TRAIN}
    prepared, _ = prepare(tmp_path, **files)
    statistics = describe(tmp_path / "out", prepared, tokenizer, max_length=5)
    assert statistics["train"]["rows"] == 3
    assert statistics["train"]["labels"] == {"neg": 1, "pos": 2}
    assert statistics["train"]["tokens"] == {"total": 4 + 4 + 6, "median": 4, "max": 6}
    assert statistics["train"]["rows_cut"] == 1 and statistics["dev"]["rows_cut"] == 0


def test_description_counts_several_labels_and_the_range_of_scores(tmp_path, tokenizer):
    several = "text\tlabels\na\tx,y\nb\ty\nc\t\n"
    (tmp_path / "several").mkdir()
    prepared, _ = prepare(tmp_path / "several", train__tsv=several, dev__tsv=several)
    statistics = describe(tmp_path / "several/out", prepared, tokenizer, max_length=16)
    assert statistics["train"]["labels"] == {"x": 1, "y": 2}
    scores = "text\tscore\na\t-1.5\nb\t4\n"
    prepared, _ = prepare(tmp_path, train__tsv=scores, dev__tsv=scores)
    statistics = describe(tmp_path / "out", prepared, tokenizer, max_length=16)
    assert statistics["dev"]["score"] == {"min": -1.5, "max": 4.0}


def test_the_summary_lists_labels_rows_and_warnings(tmp_path, tokenizer):
    section = {"drop_overlap": True, "labels": ["neg", "pos", "mixed"]}
    files = {
        "train__tsv": TRAIN + "good film\tneg\ndull film\tneg\n\tneg\n",
        "dev__tsv": TRAIN.replace("good", "great"),
        "unlabeled__tsv": "text\nthe plot is very dull and boring\ngreat film\n",
    }
    prepared, notices = prepare(tmp_path, section, **files)
    lines = summary(prepared, merged(describe(tmp_path / "out", prepared, tokenizer, 5), notices))
    first, *lines = lines.replace(f"{tmp_path}/raw/", "").splitlines()
    assert first == "classification, labels: neg, pos, mixed"
    remedy = "under the task's data in params.yaml"
    assert lines == [
        "train: 4 rows",
        "  warning: 1 of 2 labels have a single row: 'pos' in train.tsv, line 2; add rows, or "
        "correct the label",
    ]
