"""A published model that labels words: its card, and what the card's snippet finds."""

import json
import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from repositories import make_repository

from tinybert.deploy import publish
from tinybert.deploy.classifier import Classifier


@pytest.fixture
def published(words) -> Path:
    make_repository(words)
    publish.write("mine", words / "out", "mit")
    shutil.rmtree(words / "models")
    return words / "out"


def test_the_card_has_entity_scores_and_the_task_of_the_hub(published):
    card = ModelCard.load(published / "README.md")
    assert card.data.pipeline_tag == "token-classification"
    scores = json.loads(Path("metrics/eval/mine.json").read_text())["student"]
    results = {r.metric_type: (r.task_type, r.metric_value) for r in card.data.eval_results}
    assert results == {name: ("token-classification", value) for name, value in scores.items()}
    assert f"{scores['entity_recall']:.4g}" in card.text and "B-COLOUR" in card.text
    assert "labels of words" in card.text and "windows" in card.text
    onnx = published / "model.onnx"
    assert onnx.is_file() and "`tinybert predict .`" in card.text


@pytest.mark.parametrize("text", ["the film is red green", "never watch the movie music, blue"])
def test_the_cards_snippet_finds_what_the_classifier_finds(published, text):
    code = (published / "README.md").read_text().partition("```python\n")[2].partition("```")[0]
    code = code.replace('"mine"', repr(str(published))).replace('"some text"', repr(text))
    scope = {}
    exec(code.replace("\ntag(", "\nresult = tag("), scope)
    [prediction] = Classifier(published, "onnx")([text])
    expected = [(e["start"], e["end"], e["label"]) for e in prediction["entities"]]
    assert [(e["start"], e["end"], e["entity_group"]) for e in scope["result"]] == expected
