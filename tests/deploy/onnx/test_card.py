"""The model card of an export: the hub reads its metadata, people its labels and scores."""

import json

import pytest
from huggingface_hub import ModelCard
from tiny import HOSTILE

from tinybert.deploy.onnx import card


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_the_card_names_labels_scores_and_length(exported, kind):
    folder = exported(kind)
    result = json.loads((folder / "metrics/export/mine.json").read_text())
    shown = ModelCard.load(folder / "models/mine/onnx/README.md")
    assert shown.data.pipeline_tag == "text-classification"
    assert shown.data.library_name == "onnx"
    for values in result.values():
        low, high = values.pop("interval")
        assert f"{low:.4g} to {high:.4g}" in shown.text
        for value in values.values():
            assert f"{value:.4g}" in shown.text
    assert (
        "dev split, 19 rows, chosen on it" in shown.text
        and "texts of at most 32 tokens" in shown.text
    )
    labels = f"Labels: `bad`, `{HOSTILE}`." if kind == "classification" else "It predicts a score."
    assert labels in shown.text


def test_a_label_with_a_line_break_stays_on_its_line():
    assert card.labels({"labels": ["a\nb", "c"]}) == "Labels: `a b`, `c`."


def test_the_table_has_the_values_that_all_models_have():
    scores = {
        "PyTorch": {"f1": 0.123456, "other": 1.0, "interval": [0.1, 0.23456]},
        "int8": {"f1": 0.5, "interval": [0.25, 0.75]},
    }
    header, _, *rows = card.table("test", 7, scores).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in (header, *rows)]
    assert cells == [
        ["test split, 7 rows", "f1", "f1, 95 %"],
        ["PyTorch", "0.1235", "0.1 to 0.2346"],
        ["int8", "0.5", "0.25 to 0.75"],
    ]
