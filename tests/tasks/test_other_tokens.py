"""Teachers with other tokens than the pretrained model: each reads texts with its own tokenizer."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from teachers import NLI, fine_tuned, task_of
from tiny import VOCABULARY, config_of, tiny_config, tiny_tokenizer
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertTokenizer,
)

from tinybert.distillation.prediction.label import label_shards, read_logits
from tinybert.models import predict
from tinybert.models.encode import encode_words
from tinybert.models.folder import load_classifier
from tinybert.models.tokenizer import load_tokenizers
from tinybert.pipeline import paths
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import TaskData
from tinybert.tasks import teacher
from tinybert.tasks.task import Task

TEXTS = ["good film", "a very bad film", "dull", "the story is boring and the plot", "great"]
PAIRS = TEXTS[::-1]


def another_order() -> BertTokenizer:
    """The same words with other ids."""
    return BertTokenizer(vocab={w: i for i, w in enumerate([*VOCABULARY[:5], *VOCABULARY[:4:-1]])})


@pytest.fixture
def folders(checkpoint, tmp_path) -> tuple:
    """The pretrained model; a version of it; one with another order of words; a RoBERTa."""
    base = checkpoint(AutoModel.from_config(tiny_config()), "pretrained")
    models = [fine_tuned("bert", NLI), fine_tuned("bert", NLI), fine_tuned("roberta", NLI)]
    given = [checkpoint(model, f"member{i}") for i, model in enumerate(models)]
    another_order().save_pretrained(given[1])
    return base, [str(folder) for folder in given]


def expected(folders: list[str], pair: bool = False) -> np.ndarray:
    """The mean logits, one row at a time, by transformers alone."""
    means = []
    for row in zip(TEXTS, PAIRS, strict=True):
        with torch.no_grad():
            logits = [
                AutoModelForSequenceClassification.from_pretrained(folder)(
                    **AutoTokenizer.from_pretrained(folder)(
                        *(row if pair else row[:1]), return_tensors="pt"
                    )
                ).logits[0]
                for folder in folders
            ]
        means.append(torch.stack(logits).mean(0))
    return torch.stack(means).numpy()


def write(file, pair: bool = False) -> None:
    second = PAIRS if pair else pa.nulls(len(TEXTS), pa.string())
    pq.write_table(pa.table({"text_a": TEXTS, "text_b": second}), file)


@pytest.mark.parametrize("pair", [False, True])
def test_the_mean_of_their_logits_labels_the_rows(folders, tmp_path, work, pair):
    base, given = folders
    _, task = task_of(given[0], NLI)
    task.pair = pair
    written = teacher.fetch_teachers(TaskData(teacher=given), task, base, tmp_path / "out", 64)
    write(tmp_path / "00000.parquet", pair)
    models, tokenizers = [load_classifier(f) for f in written], load_tokenizers(written)
    shards, labels = [tmp_path / "00000.parquet"], tmp_path / "labels"
    label_shards(models, shards, labels, tokenizers, 64, "fp32", work)
    np.testing.assert_allclose(read_logits(labels), expected(given, pair), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("number", [1, 2])
def test_a_sole_teacher_answers_if_nothing_looks_inside(folders, tmp_path, monkeypatch, number):
    base, given = folders
    monkeypatch.chdir(tmp_path)
    source = TaskData(teacher=given[number])
    task = Task("classification", NLI, False, ["accuracy"], ["dev", "unlabeled"], ["dev"])
    out = paths.tables("mine")
    out.mkdir(parents=True)
    write(out / "dev.parquet")
    with pytest.raises(InputError, match="step 1 compares layers"):
        teacher.fetch_teachers(source, task, base, out, 64)
    assert not (out / "teacher").exists()
    written = teacher.fetch_teachers(source, task, base, out, 64, inside=False)
    teacher.answer(out, task, written, 64)
    answers = pq.read_table(out / "dev.parquet")["label"].to_numpy()
    np.testing.assert_array_equal(answers, expected([given[number]]).argmax(axis=1))
    saved = AutoTokenizer.from_pretrained(written[0])
    own = AutoTokenizer.from_pretrained(given[number])
    assert saved.get_vocab() == own.get_vocab() != tiny_tokenizer().get_vocab()


def test_models_that_read_alike_share_a_tokenizer(folders):
    _, given = folders
    first, second, third, fourth = load_tokenizers([given[0], given[1], given[0], given[2]])
    assert first is third and first is not second
    assert "token_type_ids" in first.model_input_names
    assert "token_type_ids" not in fourth.model_input_names


def test_the_first_teacher_of_words_must_have_the_tokens_of_the_pretrained_model(folders):
    base, given = folders
    source, task = task_of(given[1], NLI, "tokens")
    with pytest.raises(InputError, match="other tokens .* and the task labels words") as caught:
        teacher.check_first(source, task, base, inside=False)
    assert "teacher: [first, other]" in str(caught.value)
    later = TaskData(teacher=[given[0], given[1]])
    teacher.check_first(later, task, base, inside=False)


def test_of_a_word_the_members_that_read_it_count(byte_tokenizer, tokenizer):
    """The second one's row is full before the last words."""
    words = ["good", "boring", "film", "green", "story", "dull", "watch", "again"]
    rows = [
        encode_words([" ".join(words), "good"], [words, ["good"]], one, length)
        for one, length in ((tokenizer, 16), (byte_tokenizer, 6))
    ]
    torch.manual_seed(0)
    models = [
        AutoModelForTokenClassification.from_config(config_of(family, initializer_range=1.0))
        for family in ("bert", "roberta")
    ]
    first, second = (predict.logits(*pair, "fp32") for pair in zip(models, rows, strict=True))
    seen = second.any(axis=1)
    assert seen[0] and seen[8] and not seen[7] and first.any(axis=1).all()
    mean = predict.mean_logits(models, rows, "fp32")
    np.testing.assert_allclose(mean[seen], (first[seen] + second[seen]) / 2, rtol=1e-6)
    np.testing.assert_array_equal(mean[~seen], first[~seen])
