"""The rows that step 2 learns from: long texts in windows."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import WORDS, tiny_config
from transformers import BertModel

from tinybert.data.augment import augment
from tinybert.models.encode import TEACHER_LOGITS, read_rows
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline.schema import Augment

LONG = " ".join(WORDS)
NO_COPIES = Augment(
    copies=0, replace_probability=0.5, candidates=3, language="en", word_vectors=None
)


def write(folder, name: str, texts: list[str], **columns) -> None:
    table = {"text_a": texts, "text_b": pa.array([None] * len(texts), pa.string()), **columns}
    pq.write_table(pa.table(table), folder / f"{name}.parquet")


@pytest.fixture
def augmented(checkpoint, tmp_path, work):
    """The rows that the stage makes of a task's tables, and their counts."""

    def run(settings: Augment = NO_COPIES, stride: int = 3) -> tuple[pa.Table, dict]:
        folder, out = checkpoint(BertModel(tiny_config())), tmp_path / "out"
        counts = augment.augment_task(tmp_path, folder, out, settings, 12, "fp32", 0, work, stride)
        return pq.read_table(out), counts

    return run


def test_each_window_of_a_long_text_is_a_row_with_what_its_text_has(augmented, tmp_path):
    given = pa.array([[1.0, 2.0], [3.0, 4.0], None], pa.list_(pa.float32()))
    write(
        tmp_path, "train", ["good film", LONG, "dull"], label=[0, 1, 0], **{TEACHER_LOGITS: given}
    )
    write(tmp_path, "unlabeled", [f"{LONG} never", "and again"])
    rows, counts = augmented()
    texts, labels = rows["text_a"].to_pylist(), rows["label"].to_pylist()
    ends = texts.index("dull")
    assert texts[0] == "good film" and texts[-1] == "and again" and ends > 3
    assert labels == [0, *[1] * (ends - 1), 0, *[None] * (len(rows) - ends - 1)]
    assert rows[TEACHER_LOGITS].to_pylist()[1:ends] == [[3.0, 4.0]] * (ends - 1)
    for text, parts in ((LONG, texts[1:ends]), (f"{LONG} never", texts[ends + 1 : -1])):
        assert all(part in text for part in parts)
        assert set(" ".join(parts).split()) == set(text.split())
    assert counts["rows_out"] == counts["rows_in"] == ends + 1
    assert counts["unlabeled_rows"] == len(rows) - ends - 1


def test_no_window_is_longer_than_the_rows_of_training(augmented, tmp_path):
    write(tmp_path, "train", [LONG, f"{LONG} good"], label=[0, 1])
    augmented()
    tokenizer = load_tokenizer(tmp_path / "checkpoint")
    whole, cut = (read_rows(tmp_path / "out", tokenizer, length) for length in (1000, 12))
    assert whole.tokens.tolist() == cut.tokens.tolist()


def test_windows_are_copied_as_texts_are(augmented, tmp_path):
    write(tmp_path, "train", [LONG], label=[1])
    rows, counts = augmented(NO_COPIES.model_copy(update={"copies": 2}))
    source, texts = rows["source"].to_pylist(), rows["text_a"].to_pylist()
    originals = [i for i, of in enumerate(source) if i == of]
    assert len(originals) == counts["rows_in"] > 3 and len(rows) > 2 * len(originals)
    assert all(len(texts[i].split()) == len(texts[of].split()) for i, of in enumerate(source))


def test_without_windows_long_texts_stay_whole(augmented, tmp_path):
    write(tmp_path, "train", ["good film", LONG], label=[0, 1])
    rows, _ = augmented(stride=0)
    assert rows["text_a"].to_pylist() == ["good film", LONG]
