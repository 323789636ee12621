"""The rows that are timed, alone and in batches; sizes; missing models."""

import json

import pytest
from tiny import config_of, tiny_config
from transformers import BertForSequenceClassification, RobertaForSequenceClassification

from tinybert.deploy.onnx import export
from tinybert.evaluation import speed
from tinybert.models.encode import encode
from tinybert.pipeline.errors import InputError

THREADS = ("one_thread", "all_cores")


@pytest.fixture
def recorded():
    """A model and the shapes of its inputs, call by call."""
    model, shapes = BertForSequenceClassification(tiny_config()).eval(), []
    model.register_forward_pre_hook(
        lambda _, __, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    return model, shapes


def test_megabytes_are_those_of_the_files(tmp_path):
    for name, size in (("weights", 2_000_000), ("onnx", 1_500_000), ("int8", 500_000)):
        (tmp_path / name).write_bytes(bytes(size))
    files = {kind: tmp_path / kind for kind in ("onnx", "int8")}
    sizes = speed.megabytes({"a": tmp_path / "weights"}, {"a": files})
    assert sizes == {"a": {"torch": 2.0, "onnx": 1.5, "int8": 0.5}}


def test_the_given_number_of_rows_runs_alone_and_in_batches(tokenizer, monkeypatch, recorded):
    monkeypatch.setattr(speed, "BATCH_SIZE", 4)
    model, shapes = recorded
    rows = encode([f"good film {'very ' * i}" for i in range(20)], None, tokenizer, 32)
    result = speed.speed({"only": model}, {}, {"only": rows}, 10)
    assert set(result) == {"threads", *THREADS}
    assert all(set(result[name]) == {"only"} for name in THREADS)
    assert all(set(result[name]["only"]) == {"torch"} for name in THREADS)
    sizes = [batch for batch, _ in shapes]
    assert sizes == 2 * ([1] * 13 + [4, 4, 2] * speed.ROUNDS)  # 3 rows to warm up


def test_the_rows_come_from_all_over_the_split(tokenizer, recorded):
    """The files of many tasks are in the order of labels or lengths."""
    model, shapes = recorded
    rows = encode(["good"] * 10 + ["good " * 30] * 9, None, tokenizer, 64)
    speed.speed({"only": model}, {}, {"only": rows}, 10)
    lengths = [length for _, length in shapes[3:13]]
    assert min(lengths) == 4 and max(lengths) == 32


def test_a_text_in_windows_takes_as_long_as_all_of_them(tokenizer, monkeypatch, recorded):
    """Three texts of three, one and two windows; a pass of 3 s is a text a second."""
    monkeypatch.setattr(speed, "BATCH_SIZE", 4)
    model, shapes = recorded
    rows = encode(["good " * 14, "never", "good " * 9], None, tokenizer, 8, 2)
    speed.speed({"only": model}, {}, {"only": rows}, 3)
    assert [batch for batch, _ in shapes] == 2 * ([1] * 12 + [4, 2] * speed.ROUNDS)
    assert [length for _, length in shapes[6:12]] == [8, 8, 8, 4, 8, 8]
    clock = iter(2 * [0.0, 1.0, 2.0, 6.0, *[3.0] * speed.ROUNDS])
    monkeypatch.setattr(speed, "seconds", lambda run, inputs: next(clock))
    timings = speed.speed({"only": model}, {}, {"only": rows}, 3)["one_thread"]["only"]["torch"]
    assert timings == {"latency_ms": 2000, "latency_ms_p95": 5600, "rows_per_second": 1}


def test_each_model_reads_its_own_tokens(tokenizer, byte_tokenizer, recorded):
    """The ids of the other one are not in its table."""
    model, shapes = recorded
    text = "a very good film"
    rows = {
        "small": encode([text] * 3, None, tokenizer, 32),
        "other": encode([text] * 3, None, byte_tokenizer, 32),
    }
    other = RobertaForSequenceClassification(config_of("roberta")).eval()
    speed.speed({"small": model, "other": other}, {}, rows, 3)
    assert rows["other"].tokens.max() >= model.config.vocab_size
    assert {length for _, length in shapes} == set(rows["small"].lengths)


def test_timings_are_computed_from_the_seconds_of_each_call(tokenizer, monkeypatch, recorded):
    """With a clock that gives 1 s to 20 s for the rows, and 2 s, 8 s and 4 s for the passes."""
    model, _ = recorded
    singles, passes = [float(n) for n in range(1, 21)], [2.0, 8.0, 4.0]
    clock = iter(2 * [0.0, *singles, *passes])  # the first value is the warm-up's
    monkeypatch.setattr(speed, "seconds", lambda run, inputs: next(clock))
    rows = encode(["good film"] * 20, None, tokenizer, 32)
    result = speed.speed({"only": model}, {}, {"only": rows}, 20)
    for name in THREADS:
        timings = result[name]["only"]["torch"]
        assert timings == {"latency_ms": 10500, "latency_ms_p95": 19050, "rows_per_second": 5}


def test_every_model_is_measured_in_every_runtime_that_it_has(exported):
    folder = exported("classification")
    result = speed.measure("mine", 32, rows=2)
    assert json.loads((folder / "metrics/speed/mine.json").read_text()) == result
    assert set(result) == {"megabytes", "threads", *THREADS}
    both = {"torch", "onnx", "int8"}
    assert {role: set(sizes) for role, sizes in result["megabytes"].items()} == {
        "teacher": both, "student": both,
    }  # fmt: skip
    assert result["threads"]["one_thread"] == 1
    for name in THREADS:
        runtimes = {model: set(timings) for model, timings in result[name].items()}
        assert runtimes == {"teacher": both, "student": both}


def test_of_the_teacher_as_it_came_and_the_student_as_served_a_few_rows_are_timed(exported):
    folder = exported("classification")
    assert speed.measure_served("mine", 32)
    written = json.loads((folder / "metrics/speed/mine.json").read_text())
    assert set(written) == {"megabytes", "threads", "one_thread"}
    for values in (written["megabytes"], written["one_thread"]):
        kinds = {role: set(kinds) for role, kinds in values.items()}
        assert kinds == {"teacher": {"torch"}, "student": {"int8"}}


def test_only_the_teacher_is_exported_again(exported, monkeypatch):
    """The student's files are those of the stage `export`."""
    exported("classification")
    written = []
    monkeypatch.setattr(export, "write", lambda model, files, types: written.append(files) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        speed.measure("mine", 32, rows=2)
    [files] = written
    assert not any(file.is_relative_to("models") for file in files.values())


def test_missing_models_are_named(finished):
    folder = finished("classification")
    (folder / "models/mine/teacher").rename(folder / "models/mine/other")
    with pytest.raises(InputError, match=r"models/mine/teacher, models/mine/onnx is missing; run"):
        speed.measure("mine", 32, rows=2)


@pytest.mark.parametrize("name", ["onnx/model_int8.onnx", "onnx/task.json", "teacher/config.json"])
def test_a_damaged_model_is_named(exported, name):
    folder = exported("classification")
    (folder / "models/mine" / name).write_text("{")
    with pytest.raises(InputError, match=name.rpartition("/")[2]):
        speed.measure("mine", 32, rows=2)
