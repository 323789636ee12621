"""Labels of the words of long texts, and the models that give them: exported, teacher, service."""

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from sentences import LABELS, sentences
from tiny import WORDS
from tokenizers import Tokenizer
from transformers import AutoModelForTokenClassification, BertForSequenceClassification
from word_models import LENGTH

from tinybert.deploy import serve
from tinybert.deploy.classifier import Classifier
from tinybert.deploy.torch_classifier import TorchClassifier
from tinybert.deploy.words import label_words, use_windows
from tinybert.models.words import locate
from tinybert.pipeline.errors import InputError

LONG = [f"{word}s" if i % 3 else word for i, word in enumerate(WORDS * 3)]  # two tokens, or one


def test_a_word_has_the_label_of_the_window_in_which_it_is_farthest_from_an_edge(words, tokenizer):
    """Against windows by hand, in PyTorch."""
    text = " ".join(LONG)
    pieces = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, room = pieces["input_ids"], LENGTH - 2
    model = AutoModelForTokenClassification.from_pretrained(words / "models/mine/student").eval()
    best = {}  # token -> tokens to the nearer edge, label
    for start in range(0, len(ids), room // 2):
        part = ids[start : start + room]
        with torch.no_grad():
            row = torch.tensor([[2, *part, 3]])
            labels = model(row).logits[0, 1:-1].argmax(-1).tolist()
        for i, label in enumerate(labels):
            nearer = min(i, len(part) - 1 - i)
            if nearer > best.get(start + i, (-1, 0))[0]:
                best[start + i] = nearer, label
        if start + room >= len(ids):
            break
    places, expected = locate(text, LONG), []
    firsts = [start for start, _ in pieces["offset_mapping"]]
    for start, _ in places:
        expected.append(best[firsts.index(start)][1])
    classify = Classifier("models/mine/onnx", "onnx")
    actual = classify.number_words([text], [LONG]).tolist()
    assert actual == expected and len(set(actual)) > 2
    [prediction] = classify([text])
    assert all(text[e["start"] : e["end"]] == e["text"] for e in prediction["entities"])
    assert max(e["end"] for e in prediction["entities"]) > len(text) / 2


@pytest.mark.parametrize("direction", ["left", "right"])
@pytest.mark.parametrize("length", [3, 4, 9])
def test_each_word_of_a_long_text_has_a_label(tokenizer, direction, length):
    """Whatever the length and the side on which texts are cut; here a word's own token id."""
    core = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    core.enable_truncation(length, direction=direction)
    use_windows(core)
    size = core.get_vocab_size()
    text = " ".join(WORDS * 2)
    encoding = core.encode(text)
    windows = [encoding, *encoding.overflowing]
    logits = [np.eye(size)[window.ids] * 9 for window in windows]
    numbers, probabilities = label_words(windows, logits, locate(text, WORDS * 2))
    assert numbers.tolist() == [core.token_to_id(word) for word in WORDS * 2]
    assert (probabilities > 0.5).all()


def test_a_text_without_words_has_no_entities(words):
    assert Classifier("models/mine/onnx")(["", " \u200b "]) == [{"entities": []}] * 2


def test_the_teacher_finds_entities_by_the_names_of_its_labels(words, tokenizer):
    student = Classifier("models/mine/onnx", "onnx")
    texts = [" ".join(row) for row, _ in sentences()[:6]] + [" ".join(LONG)]
    folder = words / "models/mine/student"
    expected = student(texts)
    model = AutoModelForTokenClassification.from_pretrained(folder)
    order = [3, 1, 0, 4, 2]
    model.config.id2label = {i: LABELS[old] for i, old in enumerate(order)}
    model.config.label2id = {name: i for i, name in model.config.id2label.items()}
    with torch.no_grad():
        for parameter in (model.classifier.weight, model.classifier.bias):
            parameter.copy_(parameter[order])
    model.save_pretrained(folder)
    for actual, prediction in zip(TorchClassifier(folder, student)(texts), expected, strict=True):
        assert [e | {"probability": None} for e in actual["entities"]] == [
            e | {"probability": None} for e in prediction["entities"]
        ]
    other = BertForSequenceClassification(model.config)
    other.save_pretrained(words / "other")
    tokenizer.save_pretrained(words / "other")
    with pytest.raises(InputError, match=r"does not predict .*\n.*BertForSequenceClassification"):
        TorchClassifier("other", student)


def test_the_service_gives_what_the_classifier_gives(words):
    classify = Classifier("models/mine/onnx")
    teacher = TorchClassifier("models/mine/teacher", classify)
    texts = ["the film is blue", "\U0001f600 it was a red movie", " ".join(LONG)]
    with TestClient(serve.create(classify, teacher)) as client:
        results = client.post("/predict", json={"texts": texts}).json()["results"]
        assert results == classify(texts)
        both = client.post("/compare", json={"texts": texts}).json()
        assert both["student"]["results"] == results
        assert both["teacher"]["results"] == teacher(texts)
        refused = client.post("/predict", json={"texts": texts, "min_confidence": 0.5})
        assert refused.status_code == 422 and "labels words" in refused.text
    assert any(result["entities"] for result in results)
