"""The teacher beside a student: its outputs by name, and a model that does not fit is refused."""

import pytest
import torch
from tiny import config_of, tiny_config
from transformers import BertForSequenceClassification, RobertaForSequenceClassification

from tinybert.deploy.classifier import Classifier
from tinybert.deploy.torch_classifier import TorchClassifier
from tinybert.pipeline.errors import InputError

TEXTS = ["good film", "the plot is dull", "", "very " * 60 + "good"]


@pytest.fixture
def folder(exported):
    return exported("classification") / "models/mine"


def test_outputs_in_another_order_are_matched_by_name(folder):
    student = Classifier(folder / "onnx")
    expected = TorchClassifier(folder / "teacher", student)(TEXTS)
    model = BertForSequenceClassification.from_pretrained(folder / "teacher")
    names = model.config.id2label
    model.config.id2label = {0: names[1], 1: names[0]}
    model.config.label2id = {name: i for i, name in model.config.id2label.items()}
    with torch.no_grad():
        model.classifier.weight.copy_(model.classifier.weight.flip(0))
        model.classifier.bias.copy_(model.classifier.bias.flip(0))
    model.save_pretrained(folder / "teacher")
    for actual, prediction in zip(
        TorchClassifier(folder / "teacher", student)(TEXTS), expected, strict=True
    ):
        assert actual["label"] == prediction["label"]
        assert actual["probabilities"] == pytest.approx(prediction["probabilities"], abs=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"num_labels": 3},
        {"id2label": {0: "bad", 1: "good"}},
        {"id2label": {0: "bad"}},  # fewer than the student
        {"num_labels": 1, "problem_type": "regression"},
        {"problem_type": "multi_label_classification"},
    ],
)
def test_a_teacher_of_other_labels_or_another_kind_is_refused(folder, changes, tokenizer):
    student = Classifier(folder / "onnx")
    names = {} if "num_labels" in changes else {"id2label": dict(enumerate(student.labels))}
    model = BertForSequenceClassification(tiny_config(**(names | changes)))
    model.save_pretrained(folder / "other")
    tokenizer.save_pretrained(folder / "other")
    with pytest.raises(InputError, match=r"(?s)does not predict what the student .* teacher \("):
        TorchClassifier(folder / "other", student)


def test_a_teacher_of_a_regression_has_one_output(exported, tokenizer):
    folder = exported("regression") / "models/mine"
    student = Classifier(folder / "onnx")
    [prediction] = TorchClassifier(folder / "teacher", student)(["good film"])
    assert set(prediction) == {"score"}
    BertForSequenceClassification(tiny_config(num_labels=2)).save_pretrained(folder / "other")
    tokenizer.save_pretrained(folder / "other")
    with pytest.raises(InputError, match="does not predict what the student does"):
        TorchClassifier(folder / "other", student)


def test_a_teacher_with_another_vocabulary_reads_its_own_tokens(folder, byte_tokenizer):
    student = Classifier(folder / "onnx")
    config = config_of("roberta", id2label=dict(enumerate(student.labels)), initializer_range=1.0)
    model = RobertaForSequenceClassification(config).eval()
    model.save_pretrained(folder / "other")
    byte_tokenizer.save_pretrained(folder / "other")
    answers = TorchClassifier(folder / "other", student)(TEXTS[:3])
    for text, answer in zip(TEXTS, answers, strict=False):
        with torch.no_grad():
            logits = model(**byte_tokenizer(text, return_tensors="pt")).logits[0]
        expected = dict(zip(student.labels, logits.softmax(0).tolist(), strict=True))
        assert answer["probabilities"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["", "/wrong", "models/mine/teach", "someone/teacher"])
def test_a_folder_that_does_not_exist_is_named(folder, name):
    with pytest.raises(InputError, match=f"--teacher: {name} is not a folder"):
        TorchClassifier(name, Classifier(folder / "onnx"))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("size", [None, 0, 50])
def test_a_missing_or_damaged_file_of_the_teacher_is_an_error(folder, name, size):
    """size: in bytes; None: missing."""
    file = folder / "teacher" / name
    content = file.read_bytes()
    file.unlink()
    if size is not None:
        file.write_bytes(content[:size])
    with pytest.raises(InputError, match="models/mine/teacher"):
        TorchClassifier("models/mine/teacher", Classifier(folder / "onnx"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_position_embeddings": 16}, r"longest row, \d\d tokens with"),
        ({}, "NaN"),
    ],
)
def test_a_teacher_that_fails_on_the_longest_row_is_refused(folder, changes, message):
    student = Classifier(folder / "onnx")
    config = BertForSequenceClassification.from_pretrained(folder / "teacher").config
    model = BertForSequenceClassification(type(config)(**(config.to_dict() | changes)))
    if message == "NaN":
        with torch.no_grad():
            model.classifier.weight.fill_(float("nan"))
    model.save_pretrained(folder / "teacher")
    with pytest.raises(InputError, match=f"--teacher: .*{message}"):
        TorchClassifier(folder / "teacher", student)


def test_the_teacher_uses_as_many_threads_as_the_student(folder):
    before = torch.get_num_threads()
    try:
        TorchClassifier(folder / "teacher", Classifier(folder / "onnx"), threads=before + 1)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_each_text_has_one_answer(folder):
    teacher = TorchClassifier(folder / "teacher", Classifier(folder / "onnx"))
    assert teacher(TEXTS) == [prediction for text in TEXTS for prediction in teacher([text])]
    assert teacher([]) == []
    with pytest.raises(InputError, match="is one text; give a list"):
        teacher("good film")
