"""A text has one answer, whatever stands beside it; what is not a list of texts is refused."""

import json
import threading

import numpy as np
import onnx
import pandas as pd
import pyarrow.parquet as pq
import pytest
from onnx import numpy_helper
from sklearn.metrics import accuracy_score

from tinybert.deploy.classifier import Classifier
from tinybert.deploy.onnx import session
from tinybert.models import chunks
from tinybert.pipeline.errors import InputError

TEXTS = ["good film", "the plot is dull", "", "very " * 60 + "good", "never", "a " * 9 + "story"]


@pytest.fixture
def folder(exported):
    return exported("classification") / "models/mine/onnx"


@pytest.mark.parametrize("kind", ["int8", "onnx"])
def test_logits_depend_neither_on_the_texts_beside_a_text_nor_on_padding(folder, kind):
    classify = Classifier(folder, kind)
    alone = np.concatenate([classify.logits([text]) for text in TEXTS])
    np.testing.assert_array_equal(classify.logits(TEXTS), alone)
    np.testing.assert_array_equal(classify.logits(TEXTS[::-1]), alone[::-1])
    assert classify(TEXTS) == [prediction for text in TEXTS for prediction in classify([text])]


@pytest.mark.parametrize("threads", [0, 1, 7])
def test_logits_do_not_depend_on_the_number_of_threads(folder, threads):
    expected = Classifier(folder, threads=2).logits(TEXTS)
    np.testing.assert_array_equal(Classifier(folder, threads=threads).logits(TEXTS), expected)


def test_as_many_texts_are_read_at_once_as_there_are_threads():
    meeting = threading.Barrier(3)
    assert session.at_once(lambda i: (meeting.wait(30), i)[1], range(6), 3) == [*range(6)]
    here = threading.get_ident()
    assert session.at_once(lambda i: threading.get_ident(), range(3), 1) == [here] * 3


@pytest.mark.parametrize("kind", ["int8", "onnx"])
def test_the_scores_of_the_export_are_those_of_the_classifier(exported, kind):
    root = exported("classification")
    table = pq.read_table(root / "data/tasks/mine/dev.parquet").to_pydict()
    classify = Classifier(root / "models/mine/onnx", kind)
    predicted = [classify.labels.index(p["label"]) for p in classify(table["text_a"])]
    reported = json.loads((root / "metrics/export/mine.json").read_text())[kind]["accuracy"]
    assert reported == pytest.approx(accuracy_score(table["label"], predicted), abs=5e-5)


def test_no_processor_sums_two_products_beyond_16_bits(folder):
    """Without VNNI, x86 processors add two products of an unsigned activation and a weight in a
    16-bit integer that saturates."""
    graph = onnx.load(folder / "model_int8.onnx").graph
    initializers = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMulInteger"]
    weights = [initializers[node.input[1]].astype(int) for node in products]
    assert len(weights) == 2 * 6 + 2  # six in each of two layers, pooler and classifier
    assert max(2 * 255 * int(np.abs(weight).max()) for weight in weights) <= 2**15 - 1


def test_one_text_instead_of_a_list_is_an_error(folder):
    for call in (Classifier(folder), Classifier(folder).logits):
        with pytest.raises(InputError, match="'Draws a line' is one text; give a list"):
            call("Draws a line")


def test_one_pair_instead_of_a_list_of_pairs_is_an_error(exported):
    classify = Classifier(exported("classification", pair=True) / "models/mine/onnx")
    for wrong in (("good film", "dull"), ["ab", "cd"], "ab"):
        with pytest.raises(InputError, match="a pair of texts"):
            classify(wrong)
    assert classify([["good film", "dull"]]) == classify([("good film", "dull")])


@pytest.mark.parametrize("wrong", [1, None, float("nan"), b"bytes", ["a"], ("a",), ("a", "b"), {}])
def test_what_is_not_a_text_is_an_error(folder, wrong):
    with pytest.raises(InputError, match="is not a text; this model classifies a text"):
        Classifier(folder)(["good film", wrong])


def test_what_is_no_list_is_an_error(folder):
    classify = Classifier(folder)
    table = pd.DataFrame({"text": ["good film", "dull"]})
    for wrong in (
        None, 1, float("nan"), b"good film", {"text": "good film"}, {"good film"}, table,
        np.array("good film"), np.array([["good film", "dull"]]),
    ):  # fmt: skip
        with pytest.raises(InputError, match="is no list of texts; give a list"):
            classify(wrong)
    assert classify(table["text"]) == classify(table["text"].tolist())


def test_half_of_a_surrogate_pair_is_an_error(folder):
    with pytest.raises(InputError, match="not valid Unicode"):
        Classifier(folder)(["good \ud83d"])


def test_a_text_that_must_be_many_is_an_error(folder):
    assert Classifier(folder)(["good " * 200_000])
    with pytest.raises(InputError, match="has more than 1,000,000 characters; shorten it"):
        Classifier(folder)(["dull", "good " * 200_000 + "!"])


def test_texts_in_chunks_have_the_logits_of_all_at_once(folder, monkeypatch):
    texts, classify = ["good film", "dull", "a long and good film"] * 2, Classifier(folder)
    expected = classify.logits(texts)
    monkeypatch.setattr(chunks, "CHARACTERS", 10)
    assert np.array_equal(classify.logits(texts), expected)


def test_any_iterable_of_texts_is_taken_and_none_give_none(folder):
    classify = Classifier(folder)
    expected = classify(["good film", "dull"])
    for texts in (
        ("good film", "dull"),
        iter(["good film", "dull"]),
        np.array(["good film", "dull"]),
    ):
        assert classify(texts) == expected
    assert classify([]) == [] and classify.logits([]).shape == (0, 2)


def test_an_unknown_kind_is_an_error(folder):
    with pytest.raises(InputError, match="'int4' is not a kind of model; use one of onnx, int8"):
        Classifier(folder, "int4")


@pytest.mark.parametrize("threads", [-1, 10**5])
def test_a_number_of_threads_that_no_machine_has_is_an_error(folder, threads):
    with pytest.raises(InputError, match=r"threads is .*; give 0 \(all cores\) to 1024"):
        Classifier(folder, threads=threads)
