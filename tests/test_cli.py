"""The command line: texts in, labels out, without torch."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import HOSTILE
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tinybert import cli, export
from tinybert.classifier import Classifier
from tinybert.schema import Evaluate
from tinybert.torch_classifier import TorchClassifier

TEXTS = ["good film", "the plot is dull", "", "very " * 60 + "good", 'a "quoted" <b>text</b>']


@pytest.fixture
def model(finished):
    def make(kind="classification", pair=False):
        folder = finished(kind, pair=pair)
        export.run("mine", 32, Evaluate(batch_size=4, speed_rows=2), 100.0, folder / "metrics")
        return folder / "models/mine/onnx"

    return make


def run(*words, text: str | bytes = "") -> subprocess.CompletedProcess:
    data = text if isinstance(text, bytes) else text.encode()
    command = [sys.executable, "-m", "tinybert.cli", *map(str, words)]
    return subprocess.run(command, input=data, capture_output=True)


def test_probabilities_are_those_of_transformers(model):
    folder = model()
    student = folder.parent / "student"
    tokenizer = AutoTokenizer.from_pretrained(student)
    plain = AutoModelForSequenceClassification.from_pretrained(student).eval()
    found = Classifier(folder, "onnx")(TEXTS)
    teacher = TorchClassifier(student, Classifier(folder))(TEXTS)
    for text, said, again in zip(TEXTS, found, teacher, strict=True):
        inputs = tokenizer(text, truncation=True, max_length=32, return_tensors="pt")
        with torch.inference_mode():
            expected = plain(**inputs).logits.softmax(-1)[0].numpy()
        np.testing.assert_allclose(list(said["probabilities"].values()), expected, atol=1e-5)
        np.testing.assert_allclose(list(again["probabilities"].values()), expected, atol=1e-5)
        assert said["label"] == ["bad", HOSTILE][int(expected.argmax())]


@pytest.mark.parametrize("kind", ["multi_label", "regression"])
def test_other_kinds_of_tasks_say_labels_or_a_score(kind):
    from tinybert.classifier import said

    logits = np.array([0.1, -3.0, 2.0], np.float32)
    found = said(logits, kind, ["a", "b", "c"])
    if kind == "regression":
        assert found == {"score": pytest.approx(0.1)}
        return
    assert found["labels"] == ["a", "c"]
    assert found["probabilities"]["b"] == pytest.approx(1 / (1 + np.exp(3)))


def test_texts_from_a_file_and_from_stdin_as_lines_tsv_and_jsonl(model, tmp_path):
    folder = model()
    expected = Classifier(folder)(TEXTS[:2])
    (tmp_path / "a.txt").write_text("\n".join(TEXTS[:2]) + "\n")
    (tmp_path / "a.tsv").write_text("id\ttext\n" + "".join(f"7\t{t}\n" for t in TEXTS[:2]))
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in TEXTS[:2]))
    for file in ("a.txt", "a.tsv", "a.jsonl"):
        done = run("predict", folder, tmp_path / file)
        assert done.returncode == 0, done.stderr
        assert [json.loads(line) for line in done.stdout.splitlines()] == expected
        assert done.stderr == b""  # no bar: it is no terminal
        form = file.partition(".")[2].replace("txt", "text")
        text = (tmp_path / file).read_bytes()
        assert run("predict", folder, "-", "--form", form, text=text).stdout == done.stdout
    shown = run("predict", folder, tmp_path / "a.txt", "--output", "tsv").stdout.decode()
    first = shown.splitlines()[0].split("\t")
    assert first[0] == expected[0]["label"] and len(first) == 3


def test_a_batch_is_answered_before_the_next_is_there(model):
    folder = model()
    command = [sys.executable, "-m", "tinybert.cli", "predict", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(b"good film\n" * cli.BATCH)
        process.stdin.flush()
        lines = [process.stdout.readline() for _ in range(cli.BATCH)]
        assert all(b'"label"' in line for line in lines)
        process.stdin.close()
        assert process.wait(60) == 0


def test_torch_is_not_imported():
    code = (
        "import sys\nfrom tinybert import cli\n"
        "print([m for m in ('torch', 'transformers', 'fastapi', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_pairs_are_parted_by_a_tab_or_have_two_columns(model):
    folder = model(pair=True)
    expected = Classifier(folder)([("good film", "the plot")])
    inputs = {
        "text": "good film\tthe plot\n", "tsv": "text_a\ttext_b\ngood film\tthe plot\n",
        "jsonl": '{"text_a": "good film", "text_b": "the plot"}\n',
    }  # fmt: skip
    for form, text in inputs.items():
        done = run("predict", folder, "--form", form, text=text)
        assert [json.loads(line) for line in done.stdout.splitlines()] == expected
    done = run("predict", folder, text="only one\n")
    assert done.returncode == 1 and b"stdin, line 1: there must be a text in text_a" in done.stderr


@pytest.mark.parametrize(
    ("form", "text", "message"),
    [
        ("jsonl", b'{"text": "a"}\n{"text": 1}\n', "stdin, line 2: there must be a text in text"),
        ("jsonl", b"not json\n", "stdin, line 1 is no JSON"),
        ("jsonl", b"[1]\n", "stdin, line 1: there must be an object"),
        ("tsv", b"other\nx\n", "stdin, line 2: there must be a text in text"),
        ("text", b"\xff\xfe\n", "stdin is not UTF-8"),
    ],
)
def test_broken_input_is_named_with_its_line(form, text, message):
    stream = io.TextIOWrapper(io.BytesIO(text), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        list(cli.read(stream, "stdin", form, pair=False))


def test_a_folder_without_an_export_is_named(tmp_path):
    done = run("predict", tmp_path)
    assert done.returncode == 1
    assert b"has no model_int8.onnx and no task.json; give the folder" in done.stderr
    done = run("predict", tmp_path, "no such file")
    assert done.returncode == 1 and b"Traceback" not in done.stderr


def test_a_text_where_a_pair_is_wanted_is_refused(model):
    folder = model(pair=True)
    for wrong in ("one", ("one",), ("one", 2)):
        with pytest.raises(ValueError, match="is not a pair of texts"):
            Classifier(folder)([wrong])
