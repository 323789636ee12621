"""The exported student says what the trained one says, and no more is lost than is allowed."""

import json

import numpy as np
import onnx
import pytest
import torch
from conftest import HOSTILE, config_of, tiny_config
from huggingface_hub import ModelCard
from transformers import AutoModelForSequenceClassification, BertForSequenceClassification

from tinybert import export
from tinybert.encode import encode
from tinybert.schema import Evaluate

TEXTS = [f"{'very ' * n}good film {'and dull ' * (n % 3)}" for n in range(20)]


@pytest.fixture
def files(tmp_path):
    return {"onnx": tmp_path / "model.onnx", "int8": tmp_path / "model_int8.onnx"}


@pytest.mark.parametrize("family", ["bert", "roberta", "electra"])
def test_logits_are_pytorchs_for_any_batch_and_length(files, family):
    torch.manual_seed(0)
    config = config_of(family, num_labels=3, initializer_range=0.5)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    export.write(model, files)
    run = export.onnx_run(files["onnx"])
    random = np.random.default_rng(0)
    for rows, length in ((1, 3), (1, 31), (5, 2), (3, 17)):
        ids = random.integers(5, config.vocab_size, (rows, length))
        mask = (np.arange(length) < random.integers(1, length + 1, (rows, 1))).astype(np.int64)
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        with torch.inference_mode():
            own = {k: torch.from_numpy(v) for k, v in inputs.items()}
            expected = model(**own).logits.numpy()
        np.testing.assert_allclose(run(inputs), expected, rtol=1e-4, atol=1e-5)


def test_the_same_model_gives_the_same_bytes_and_no_path_of_this_machine(tmp_path, files):
    model = BertForSequenceClassification(tiny_config()).eval()
    export.write(model, files)
    (tmp_path / "b").mkdir()
    again = {kind: tmp_path / "b" / file.name for kind, file in files.items()}
    export.write(model, again)
    for kind, file in files.items():
        assert file.read_bytes() == again[kind].read_bytes()
        assert b"site-packages" not in file.read_bytes() and b".py" not in file.read_bytes()


def test_in_8_bits_are_the_embeddings_and_every_product_of_weights(files):
    model = BertForSequenceClassification(tiny_config(vocab_size=5000, hidden_size=64)).eval()
    export.write(model, files)
    graph = onnx.load(files["int8"]).graph
    floats = [t for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    assert max(int(np.prod(t.dims)) for t in floats) < 5000
    assert files["int8"].stat().st_size < files["onnx"].stat().st_size / 3


def test_other_logits_are_refused(tokenizer):
    rows = encode(TEXTS, None, tokenizer, 32)

    def said(by: float):
        return lambda inputs: np.full((len(inputs["input_ids"]), 2), by)

    export.check_close(said(1.0), said(1.0 + 5e-5), rows)
    for wrong in (1.0 + 2e-4, float("nan")):
        with pytest.raises(ValueError, match=r"logits differ by .* use models"):
            export.check_close(said(1.0), said(wrong), rows)


def test_rows_of_all_lengths_are_compared(tokenizer):
    rows, seen = encode(TEXTS, None, tokenizer, 64), []

    def run(inputs):
        seen.append(inputs["attention_mask"].sum(1).tolist())
        return np.zeros((len(inputs["input_ids"]), 2))

    export.check_close(run, run, rows)
    assert {(own[0],) for own in seen if len(own) == 1} >= {(n,) for n in rows.lengths.tolist()}
    assert any(len(set(own)) > 1 for own in seen)


@pytest.mark.parametrize(
    ("after", "passes"), [(0.80, True), (0.90, True), (0.795, True), (0.794, False), (0.5, False)]
)
def test_what_8_bits_may_lose_is_bounded_by_the_setting(after, passes):
    dev = {"torch": {"accuracy": 0.80}, "int8": {"accuracy": after}}
    if passes:
        export.check_drop(dev, "accuracy", 0.5)
        return
    with pytest.raises(ValueError, match=r"loses .* points of accuracy on dev .*export.max_drop"):
        export.check_drop(dev, "accuracy", 0.5)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_the_stage_writes_models_scores_and_speeds(finished, kind):
    folder = finished(kind)
    export.run("mine", 32, Evaluate(batch_size=4, speed_rows=5), 100.0, folder / "metrics")
    result = json.loads((folder / "metrics/export/mine.json").read_text())
    metrics = {"accuracy", "f1_macro"} if kind == "classification" else {"pearson", "spearman"}
    assert set(result) == {"torch", "onnx", "int8"}
    assert all(set(values) == {*metrics, "megabytes"} for values in result.values())
    for metric in metrics:
        assert result["onnx"][metric] == pytest.approx(result["torch"][metric], abs=1e-3)
    out = folder / "models/mine/onnx"
    for name, file in (("onnx", "model.onnx"), ("int8", "model_int8.onnx")):
        assert result[name]["megabytes"] == round((out / file).stat().st_size / 1e6, 2)
    card = ModelCard.load(out / "README.md")
    assert card.data.pipeline_tag == "text-classification"
    for metric in metrics:
        assert f"{result['int8'][metric]:.4g}" in card.text
    assert (f"`{HOSTILE}`" if kind == "classification" else "It says a score") in card.text
    speed = json.loads((folder / "metrics/export_speed/mine.json").read_text())
    assert set(speed) == {"one_thread", "all_cores"}
    for own in speed.values():
        assert set(own) == {"teacher", "student"}
        for values in own.values():
            assert set(values) == {"torch", "onnx", "int8"}
            for one in values.values():
                assert 0 < one["latency_ms"] <= one["latency_ms_p95"]
                assert one["rows_per_second"] > 0


def test_a_student_that_loses_too_much_leaves_the_stage_without_metrics(finished, monkeypatch):
    folder = finished("classification")

    def refuse(*words):
        raise ValueError("too much")

    monkeypatch.setattr(export, "check_drop", refuse)
    with pytest.raises(ValueError, match="too much"):
        export.run("mine", 32, Evaluate(batch_size=4, speed_rows=5), 0.5, folder / "metrics")
    assert not (folder / "metrics").exists()


def test_the_drop_is_that_on_dev(finished, monkeypatch):
    """The test split's labels decide nothing."""
    folder, asked = finished("classification", test=True), []
    monkeypatch.setattr(export, "check_drop", lambda dev, *words: asked.append(dev))
    export.run("mine", 32, Evaluate(batch_size=4, speed_rows=5), 0.5, folder / "metrics")
    reported = json.loads((folder / "metrics/export/mine.json").read_text())
    assert asked[0]["torch"]["accuracy"] != reported["torch"]["accuracy"]
