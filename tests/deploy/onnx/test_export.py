"""The exported student against PyTorch, its files, and what 8 bits may lose."""

import copy
import json

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
import torch
from scipy.stats import binomtest
from tiny import HOSTILE, config_of, tiny_config
from transformers import AutoModelForSequenceClassification, BertForSequenceClassification

from tinybert.deploy.onnx import export
from tinybert.models.encode import encode
from tinybert.pipeline import paths
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import Export
from tinybert.tasks.task import Task

NAMES = ("input_ids", "attention_mask")
TEXTS = [f"{'very ' * n}good film {'and dull ' * (n % 3)}" for n in range(20)]


@pytest.fixture
def files(tmp_path):
    return {"onnx": tmp_path / "model.onnx", "int8": tmp_path / "model_int8.onnx"}


@pytest.mark.parametrize("family", ["bert", "roberta", "electra"])
def test_logits_equal_pytorchs_for_any_batch_and_length(files, family):
    torch.manual_seed(0)
    config = config_of(family, num_labels=3, initializer_range=0.5)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    export.write(model, files, token_types=family != "roberta")
    run = export.onnx_run(files["onnx"])
    random = np.random.default_rng(0)
    for rows, length in ((1, 3), (1, 31), (5, 2), (3, 17)):
        ids = random.integers(5, config.vocab_size, (rows, length))
        mask = (np.arange(length) < random.integers(1, length + 1, (rows, 1))).astype(np.int64)
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        with torch.inference_mode():
            tensors = {k: torch.from_numpy(v) for k, v in inputs.items()}
            expected = model(**tensors).logits.numpy()
        np.testing.assert_allclose(run(inputs), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_positions_beyond_the_longest_row_are_not_in_the_8_bit_file(files, family):
    torch.manual_seed(0)
    config = config_of(family, num_labels=3, initializer_range=0.5)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    ids = np.random.default_rng(0).integers(5, config.vocab_size, (1, 12))
    inputs = {
        "input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids),
    }  # fmt: skip
    logits, sizes = [], []
    for length in (None, 12):
        export.write(model, files, family != "roberta", length)
        logits.append(export.onnx_run(files["int8"])(inputs))
        [rows] = [
            tensor.dims[0]
            for tensor in onnx.load(files["int8"]).graph.initializer
            if tensor.name.endswith("position_embeddings.weight_8_bits_table")
        ]
        sizes.append(rows)
    assert np.array_equal(*logits)
    offset = 0 if family == "bert" else config.pad_token_id + 1
    assert sizes == [config.max_position_embeddings, 12 + offset]


def test_a_bert_whose_tokenizer_gives_no_segment_ids_is_served_as_it_was_trained(files, tokenizer):
    """multilingual-e5's form. The file takes none, and pairs get the logits of the training."""
    model = BertForSequenceClassification(tiny_config(initializer_range=0.5)).eval()
    bare = copy.deepcopy(tokenizer)
    bare.model_input_names = ["input_ids", "attention_mask"]
    rows = encode(TEXTS, TEXTS[::-1], bare, 32)
    export.write(model, files, token_types=rows.token_types is not None)
    names = [value.name for value in onnx.load(files["onnx"]).graph.input]
    assert names == ["input_ids", "attention_mask"]
    export.check_close(export.torch_run(model), export.onnx_run(files["onnx"]), rows)


def test_the_same_model_gives_the_same_bytes_and_no_path_of_this_machine(tmp_path, files):
    model = BertForSequenceClassification(tiny_config()).eval()
    export.write(model, files, token_types=True)
    (tmp_path / "b").mkdir()
    again = {kind: tmp_path / "b" / file.name for kind, file in files.items()}
    export.write(model, again, token_types=True)
    for kind, file in files.items():
        assert file.read_bytes() == again[kind].read_bytes()
        assert b"site-packages" not in file.read_bytes() and b".py" not in file.read_bytes()


def test_the_embeddings_and_all_weight_matrices_are_in_8_bits(files):
    model = BertForSequenceClassification(tiny_config(vocab_size=5000, hidden_size=64)).eval()
    export.write(model, files, token_types=True)
    graph = onnx.load(files["int8"]).graph
    floats = [t for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    assert max(int(np.prod(t.dims)) for t in floats) < 5000
    assert files["int8"].stat().st_size < files["onnx"].stat().st_size / 3


def test_other_logits_are_refused(tokenizer):
    rows = encode(TEXTS, None, tokenizer, 32)

    def constant(logit: float):
        return lambda inputs: np.full((len(inputs["input_ids"]), 2), logit)

    export.check_close(constant(1.0), constant(1.0 + 5e-5), rows)
    for wrong in (1.0 + 2e-4, float("nan")):
        with pytest.raises(InputError, match=r"logits differ by .* use models/<task>/student"):
            export.check_close(constant(1.0), constant(wrong), rows)


def test_rows_of_all_lengths_are_compared(tokenizer):
    rows, seen = encode(TEXTS, None, tokenizer, 64), []

    def run(inputs):
        seen.append(inputs["attention_mask"].sum(1).tolist())
        return np.zeros((len(inputs["input_ids"]), 2))

    export.check_close(run, run, rows)
    assert {batch[0] for batch in seen if len(batch) == 1} == set(rows.lengths.tolist())
    assert any(len(set(batch)) > 1 for batch in seen)


def on_dev(lost: int, won: int, rows: int = 1000) -> dict:
    """PyTorch is right about the last nine tenths of the rows; in 8 bits the student loses `lost`
    of these and wins `won` of the others."""
    before = np.arange(rows) >= rows // 10
    after = before.copy()
    after[rows // 10 :][:lost], after[:won] = False, True
    right = np.ones(rows, bool)
    return {"torch": (right, before), "int8": (right, after)}


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (0, 90), (5, 0), (45, 40)])
def test_a_loss_up_to_the_setting_passes_without_a_word(lost, won, capsys):
    export.check_drop(on_dev(lost, won), "accuracy", 0.5)
    assert not capsys.readouterr().out


# McNemar's exact test of the rows that differ is the independent judge of what is noise.
@pytest.mark.parametrize(("lost", "won"), [(12, 2), (6, 0), (30, 10), (400, 90)])
def test_a_larger_loss_beyond_the_noise_is_an_error(lost, won):
    assert binomtest(lost, lost + won).pvalue < 0.05
    with pytest.raises(
        InputError, match=rf"loses {(lost - won) / 10:.2f} points of accuracy .*export.max_drop"
    ):
        export.check_drop(on_dev(lost, won), "accuracy", 0.5)


@pytest.mark.parametrize(("lost", "won", "rows"), [(20, 10, 1000), (50, 40, 1000), (1, 0, 20)])
def test_a_larger_loss_inside_the_noise_is_named_in_one_line(lost, won, rows, capsys):
    assert binomtest(lost, lost + won).pvalue > 0.05
    export.check_drop(on_dev(lost, won, rows), "accuracy", 0.5)
    (line,) = capsys.readouterr().out.splitlines()
    assert f"loses {100 * (lost - won) / rows:.2f} points of accuracy on dev" in line
    assert "more than export.max_drop 0.5, but inside the noise" in line


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_the_stage_writes_files_metadata_and_scores(exported, kind):
    folder = exported(kind)
    result = json.loads((folder / "metrics/export/mine.json").read_text())
    metrics = {"accuracy", "f1_macro"} if kind == "classification" else {"pearson", "spearman"}
    assert set(result) == {"torch", "onnx", "int8"}
    assert all(set(values) == {*metrics, "interval", "megabytes"} for values in result.values())
    evaluated = json.loads((folder / "metrics/eval/mine.json").read_text())
    for metric in metrics:
        assert result["torch"][metric] == pytest.approx(evaluated["student"][metric], abs=2e-4)
    out = folder / "models/mine/onnx"
    files = {"onnx": out / "model.onnx", "int8": out / "model_int8.onnx"}
    files["torch"] = folder / "models/mine/student/model.safetensors"
    for name, file in files.items():
        assert result[name]["megabytes"] == round(file.stat().st_size / 1e6, 2)
    labels = ["bad", HOSTILE] if kind == "classification" else []
    assert json.loads((out / "task.json").read_text()) == {
        "task": "mine", "kind": kind, "labels": labels, "pair": False, "max_length": 32
    }  # fmt: skip


def test_scores_are_those_of_each_row_with_its_target(tokenizer):
    """Batches of similar length change the order of the rows."""
    rows, targets = encode(TEXTS, None, tokenizer, 64), np.arange(len(TEXTS)) % 2
    rows.columns["label"] = targets
    parts = np.split(rows.tokens, rows.starts[1:-1])
    target_of = {tuple(ids.tolist()): t for ids, t in zip(parts, targets, strict=True)}
    task = Task("classification", ["no", "yes"], False, ["accuracy"], ["train", "dev"])

    def run(inputs):
        ids = [row[mask == 1] for row, mask in zip(*map(inputs.get, NAMES), strict=True)]
        return np.eye(2)[[target_of[tuple(row.tolist())] for row in ids]]

    target, predicted = export.predictions_of(run, rows, task)
    assert (target == targets).all() and (predicted == targets).all()


def test_a_student_that_loses_too_much_is_an_error_and_has_no_metrics(finished, monkeypatch):
    folder, predictions_of = finished("classification"), export.predictions_of
    # on dev: PyTorch is right, the 8-bit student is wrong
    answers = iter([lambda target: target, lambda target: 1 - target])

    def replaced(*words):
        target, predicted = predictions_of(*words)
        return target, next(answers, lambda _: predicted)(target)

    monkeypatch.setattr(export, "predictions_of", replaced)
    with pytest.raises(InputError, match=r"in 8 bits the student loses .* of accuracy on dev"):
        export.export_student("mine", 32, Export(max_drop=0.5))
    assert not (folder / "metrics").exists()


def test_the_drop_is_that_on_dev(finished, monkeypatch):
    """The test split's labels decide nothing."""
    finished("classification", test=True)
    checked = []
    monkeypatch.setattr(export, "check_drop", lambda dev, *_: checked.append(dev))
    export.export_student("mine", 32, Export(max_drop=0.5))
    dev = pq.read_table(paths.tables("mine") / "dev.parquet")["label"].to_pylist()
    assert [pair[0].tolist() for pair in checked[0].values()] == [dev, dev]
