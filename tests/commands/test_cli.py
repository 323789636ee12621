"""The command line: texts in, labels out, without torch."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import HOSTILE
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tinybert.commands import cli
from tinybert.deploy.classifier import Classifier, decode
from tinybert.deploy.torch_classifier import TorchClassifier
from tinybert.evaluation.report import page
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import file_sha256

ROOT = Path(__file__).parents[2]
TEXTS = ["good film", "the plot is dull", "", "very " * 60 + "good", 'a "quoted" <b>text</b>']


@pytest.fixture
def model(exported):
    def folder_of(kind="classification", pair=False):
        return exported(kind, pair=pair) / "models/mine/onnx"

    return folder_of


def run(*words, text: str | bytes = "", **environment: str) -> subprocess.CompletedProcess:
    data = text if isinstance(text, bytes) else text.encode()
    command = [sys.executable, "-m", "tinybert.commands.cli", *map(str, words)]
    return subprocess.run(command, input=data, capture_output=True, env=os.environ | environment)


def test_probabilities_are_those_of_transformers(model):
    folder = model()
    student = folder.parent / "student"
    tokenizer = AutoTokenizer.from_pretrained(student)
    plain = AutoModelForSequenceClassification.from_pretrained(student).eval()
    by_onnx = Classifier(folder, "onnx")(TEXTS)
    by_torch = TorchClassifier(student, Classifier(folder))(TEXTS)
    for text, *predictions in zip(TEXTS, by_onnx, by_torch, strict=True):
        inputs = tokenizer(text, truncation=True, max_length=32, return_tensors="pt")
        with torch.inference_mode():
            expected = plain(**inputs).logits.softmax(-1)[0].numpy()
        for prediction in predictions:
            probabilities = list(prediction["probabilities"].values())
            np.testing.assert_allclose(probabilities, expected, atol=1e-5)
            assert prediction["label"] == ["bad", HOSTILE][int(expected.argmax())]


@pytest.mark.parametrize("kind", ["multi_label", "regression"])
def test_predictions_of_other_kinds_have_labels_or_a_score(kind):
    logits = np.array([0.1, -3.0, 2.0], np.float32)
    prediction = decode(logits, kind, ["a", "b", "c"])
    if kind == "regression":
        assert prediction == {"score": pytest.approx(0.1)}
        return
    assert prediction["labels"] == ["a", "c"]
    assert prediction["probabilities"]["b"] == pytest.approx(1 / (1 + np.exp(3)))


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
        assert done.stderr == b""  # no progress bar: this is not a terminal
        input_format = file.partition(".")[2].replace("txt", "text")
        text = (tmp_path / file).read_bytes()
        assert (
            run("predict", folder, "-", "--format", input_format, text=text).stdout == done.stdout
        )
    tsv = run("predict", folder, tmp_path / "a.txt", "--output", "tsv").stdout.decode()
    first = tsv.splitlines()[0].split("\t")
    assert first[0] == expected[0]["label"] and len(first) == 3


def test_a_batch_is_printed_before_the_next_arrives(model):
    folder = model()
    command = [sys.executable, "-m", "tinybert.commands.cli", "predict", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(b"good film\n" * cli.BATCH)
        process.stdin.flush()
        lines = [process.stdout.readline() for _ in range(cli.BATCH)]
        assert all(b'"label"' in line for line in lines)
        process.stdin.close()
        assert process.wait(60) == 0


def test_predict_and_check_import_neither_torch_nor_dvc_nor_pandas(model):
    heavy = ("torch", "transformers", "dvc", "pandas", "fastapi", "datasets", "matplotlib")
    code = (
        "import sys\nfrom tinybert.commands import cli\ncli.main()\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    for name in ("predict", "check"):
        command = [sys.executable, "-c", code, name, str(model())]
        done = subprocess.run(
            command, input="good film\n", capture_output=True, text=True, check=True
        )
        first, *_, imported = done.stdout.splitlines()
        assert imported == "[]" and ("label" in first or name == "check")


def test_pairs_are_separated_by_a_tab_or_have_two_columns(model):
    folder = model(pair=True)
    expected = Classifier(folder)([("good film", "the plot")])
    inputs = {
        "text": "good film\tthe plot\n", "tsv": "text_a\ttext_b\ngood film\tthe plot\n",
        "jsonl": '{"text_a": "good film", "text_b": "the plot"}\n',
    }  # fmt: skip
    for input_format, text in inputs.items():
        done = run("predict", folder, "--format", input_format, text=text)
        assert [json.loads(line) for line in done.stdout.splitlines()] == expected
    done = run("predict", folder, text="only one\n")
    assert done.returncode == 1
    assert b"stdin has 1 columns and no header with a known name" in done.stderr


def test_what_is_read_and_written_is_utf_8_whatever_the_locale_says(model):
    folder, text = model(), "很好 good film\n"
    plain = run("predict", folder, text=text, PYTHONUTF8="1")
    assert plain.returncode == 0
    for environment in ({"PYTHONIOENCODING": "cp1252"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}):
        for mark in ("", "\ufeff"):
            done = run("predict", folder, text=mark + text, **environment)
            assert done.returncode == 0, done.stderr
            assert done.stdout == plain.stdout


@pytest.mark.parametrize("name", ["predict", "check"])
def test_a_full_disk_at_stdout_is_one_message(model, name):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "tinybert.commands.cli", name, str(model())]
        done = subprocess.run(
            command, input=b"good film\n", stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: stdout: the disk is full; free some space")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(("closed", "message"), [("<&-", b"give a file"), (">&-", b"stdout is")])
def test_a_closed_stream_is_an_error(model, closed, message):
    command = f"exec {sys.executable} -m tinybert.commands.cli predict {model()} {closed}"
    done = subprocess.run(command, shell=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert done.returncode == 1 and message in done.stderr and b"Traceback" not in done.stderr


def test_a_closed_stderr_is_no_error(model):
    command = f"exec {sys.executable} -m tinybert.commands.cli predict {model()} 2>&-"
    done = subprocess.run(command, shell=True, input=b"good film\n", stdout=subprocess.PIPE)
    assert done.returncode == 0 and b'"label"' in done.stdout


def test_evaluate_reads_stdin(model):
    folder = model()
    done = run("evaluate", folder, "-", "--format", "csv", text="text,label\ngood film,bad\n")
    assert done.returncode == 0, done.stderr
    assert b"on stdin: 1 row" in done.stdout


def test_a_port_that_cannot_be_used_is_refused_before_a_model_is_loaded(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run("serve", tmp_path, "--port", port)
    assert done.returncode == 1 and b"another program listens there" in done.stderr
    for wrong in (-1, 65536):
        done = run("serve", tmp_path, "--port", wrong)
        assert done.returncode == 1 and b"0-65535" in done.stderr
    done = run("serve", tmp_path, "--host", "no.such.host.invalid")
    assert done.returncode == 1 and b"choose another --port or --host" in done.stderr


def test_serve_prints_its_address_and_refuses_an_empty_teacher(exported, monkeypatch, capsys):
    exported("classification")
    monkeypatch.setattr("tinybert.deploy.serve.run", lambda app, listener: None)
    command = ["tinybert", "serve", "models/mine/onnx", "--port", "0"]
    monkeypatch.setattr("sys.argv", command)
    cli.main()
    assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d+\n", capsys.readouterr().err)
    monkeypatch.setattr("sys.argv", [*command, "--teacher", ""])
    with pytest.raises(SystemExit, match="--teacher:  is not a folder"):
        cli.main()


@pytest.mark.parametrize("command", [("report",), ("speed", "mine"), ("recipe", "x"), ("recipe",)])
def test_a_command_outside_of_a_project_names_what_is_missing(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*command, PYTHONPATH=os.pathsep.join(map(str, (ROOT, *sys.path))))
    assert b"Traceback" not in done.stderr
    assert done.returncode == 1 or command == ("recipe",)


def test_report_names_a_damaged_file(exported, monkeypatch, capsys):
    file = exported("classification") / "metrics/eval/mine.json"
    monkeypatch.setattr("sys.argv", ["tinybert", "report", "mine"])
    for content in ('{"metric": ', "[]", '{"metric": "accuracy"}'):
        file.write_text(content)
        with pytest.raises(SystemExit, match=r"metrics/eval/mine\.json is damaged"):
            cli.main()


def test_a_folder_without_an_export_is_an_error(tmp_path):
    done = run("predict", tmp_path)
    assert done.returncode == 1
    assert b"has no model_int8.onnx and no task.json and no tokenizer.json; give" in done.stderr
    done = run("predict", tmp_path, "no such file")
    assert done.returncode == 1 and b"Traceback" not in done.stderr


def test_check_names_what_was_compared(model, monkeypatch, capsys):
    folder = model()
    monkeypatch.setattr("sys.argv", ["tinybert", "check", str(folder)])
    cli.main()
    shown = capsys.readouterr().out
    for name in ("model.onnx", "model_int8.onnx", "tokenizer.json", "task.json"):
        assert name in shown
    content = bytearray((folder / "model.onnx").read_bytes())
    content[5000:70_536] = bytes(255 - byte for byte in content[5000:70_536])
    (folder / "model.onnx").write_bytes(content)
    with pytest.raises(SystemExit, match=r"error: .*model\.onnx is not the file .*dvc checkout"):
        cli.main()


def test_a_single_text_for_a_task_of_pairs_is_an_error(model):
    folder = model(pair=True)
    for wrong in ("one", ("one",), ("one", 2)):
        with pytest.raises(InputError, match="is not a pair of texts"):
            Classifier(folder)([wrong])


def test_report_prints_scores_and_names_the_command_for_speeds(exported, monkeypatch, capsys):
    folder = exported("classification")
    monkeypatch.setattr(page, "write", lambda tasks: None)
    monkeypatch.setattr("sys.argv", ["tinybert", "report", "mine"])
    cli.main()
    scores = json.loads((folder / "metrics/eval/mine.json").read_text())
    shown = capsys.readouterr().out
    assert f"{100 * scores['student']['accuracy']:.1f}" in shown and "tinybert speed" in shown


@pytest.mark.parametrize(
    "command",
    "recipe fetch speed report compare publish predict evaluate check serve".split(),
)
def test_each_command_has_help_with_an_example(command, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["tinybert", command, "--help"])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    assert f"example: tinybert {command}" in " ".join(capsys.readouterr().out.split())


def test_labels_are_written_in_utf_8_whatever_the_locale_says(model):
    folder = model()
    task, reference = (
        json.loads((folder / f"{n}.json").read_text()) for n in ("task", "reference")
    )
    (folder / "task.json").write_text(json.dumps({**task, "labels": ["坏", "好"]}))
    reference["sha256"]["task.json"] = file_sha256(folder / "task.json")
    (folder / "reference.json").write_text(json.dumps(reference))
    for environment in ({"PYTHONIOENCODING": "cp1252"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}):
        done = run("predict", folder, text="很好\n", **environment)
        assert done.returncode == 0, done.stderr
        assert list(json.loads(done.stdout.decode())["probabilities"]) == ["坏", "好"]
        assert "坏".encode() in done.stdout


@pytest.mark.parametrize(
    ("name", "share"), [("model_int8.onnx", 0.5), ("tokenizer.json", 0.5), ("tokenizer.json", 0)]
)
def test_predict_with_a_damaged_model_is_one_message(model, tmp_path, monkeypatch, name, share):
    file = model() / name
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    (tmp_path / "a.txt").write_text("good film\n")
    monkeypatch.setattr("sys.argv", ["tinybert", "predict", str(file.parent), "a.txt"])
    with pytest.raises(SystemExit, match=f"^error: .*{name} is not the file that was exported"):
        cli.main()


def test_report_before_a_run_is_one_message(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["tinybert", "report", "mine"])
    with pytest.raises(SystemExit, match=r"^error: metrics/eval/mine\.json is missing; dvc repro"):
        cli.main()
