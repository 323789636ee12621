"""Texts as rows of tokens, padded to batches."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tinybert.models import chunks as chunks_module
from tinybert.models import encode as encode_module
from tinybert.models import rows as rows_module
from tinybert.models.encode import encode, read_rows, read_segments
from tinybert.models.rows import NO_LABEL, model_inputs
from tinybert.pipeline.errors import InputError

TEXTS = ["good film", "the plot is very dull and boring", "never", "a great story again"]
OTHERS = ["bad", "good", "the music was terrible", "one two three"]


def test_a_batch_equals_the_tokenizers_own_padding(tokenizer):
    rows = encode(TEXTS, OTHERS, tokenizer, 64)
    batch = rows.batch([1, 3, 0], pad_to=8)
    expected = tokenizer(
        [TEXTS[i] for i in (1, 3, 0)],
        [OTHERS[i] for i in (1, 3, 0)],
        padding=True,
        pad_to_multiple_of=8,
        return_tensors="pt",
    )
    assert batch["token_type_ids"].sum() > 0
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        assert torch.equal(batch[name], expected[name])


def test_longer_texts_are_cut_at_max_length(tokenizer):
    rows = encode(TEXTS, None, tokenizer, 5)
    assert rows.lengths.tolist() == [4, 5, 3, 5]
    assert rows.batch([1])["input_ids"][0, 4] == tokenizer.sep_token_id


def test_columns_and_row_numbers_follow_the_rows(tokenizer):
    logits = np.arange(8, dtype=np.float32).reshape(4, 2)
    rows = encode(TEXTS, None, tokenizer, 64, label=np.array([5, 6, 7, 8]), teacher_logits=logits)
    batch = rows.batch([2, 0])
    assert batch["label"].tolist() == [7, 5]
    assert batch["teacher_logits"].tolist() == [[4, 5], [0, 1]]
    assert batch["row"].tolist() == [2, 0]
    assert set(model_inputs(batch)) == {"input_ids", "attention_mask", "token_type_ids"}


def test_null_labels_and_scores_are_marked(tokenizer, tmp_path):
    table = {"text_a": TEXTS[:2], "text_b": pa.array([None, None], pa.string())}
    pq.write_table(pa.table({**table, "label": [1, None]}), tmp_path / "labels.parquet")
    pq.write_table(pa.table({**table, "score": [0.5, None]}), tmp_path / "scores.parquet")
    labels = read_rows(tmp_path / "labels.parquet", tokenizer, 64).columns["label"]
    assert labels.tolist() == [1, NO_LABEL]
    scores = read_rows(tmp_path / "scores.parquet", tokenizer, 64).columns["score"]
    assert scores[0] == 0.5 and np.isnan(scores[1])


def test_segments_are_read_from_their_shards(tmp_path, monkeypatch):
    """There are more shards than may be open, with no, one or several batches."""
    monkeypatch.setattr(rows_module, "OPEN", 2)
    random = np.random.default_rng(0)
    shards = [[random.integers(0, 9, random.integers(1, 6)).tolist() for _ in range(n)]
              for n in (3, 0, 7, 1, 9)]  # fmt: skip
    schema = pa.schema([("input_ids", pa.list_(pa.int32()))])
    for i, shard in enumerate(shards):
        with pa.ipc.new_file(tmp_path / f"{i:05}.arrow", schema) as writer:
            for first in range(0, len(shard), 4):
                writer.write(pa.record_batch([pa.array(shard[first : first + 4])], schema))
    rows = read_segments(tmp_path, padding_id=0)
    everything = [segment for shard in shards for segment in shard]
    assert len(rows) == 20 and rows.starts.dtype == np.int64
    assert rows.shards.tolist() == [0, 3, 3, 10, 11, 20]
    order = random.permutation(20).tolist()
    batch = rows.batch(order, pad_to=1)
    for index, ids, mask in zip(order, batch["input_ids"], batch["attention_mask"], strict=True):
        assert ids[mask.bool()].tolist() == everything[index]
        assert not ids[~mask.bool()].any()


def test_no_shards_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="has no shards"):
        read_segments(tmp_path, 0)


def test_a_folder_of_shards_reads_like_one_table(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(encode_module, "ROWS", 3)
    monkeypatch.setattr(chunks_module, "ROWS", 2)
    table = pa.table({
        "text_a": TEXTS * 3, "text_b": OTHERS * 3,
        "labels": pa.array([[0, 1], None, [1, 1], [0, 0]] * 3, pa.list_(pa.float32(), 2)),
        "source": list(range(12)),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "whole.parquet")
    (tmp_path / "shards").mkdir()
    for i, (begin, end) in enumerate([(0, 5), (5, 6), (6, 12)]):
        pq.write_table(table.slice(begin, end - begin), tmp_path / f"shards/{i:05}.parquet")
    logits = np.arange(24, dtype=np.float32).reshape(12, 2)
    whole, parts = (
        read_rows(tmp_path / name, tokenizer, 64, teacher_logits=logits)
        for name in ("whole.parquet", "shards")
    )
    expected = encode(TEXTS * 3, OTHERS * 3, tokenizer, 64)
    for rows in (whole, parts):
        assert rows.tokens.tolist() == expected.tokens.tolist()
        assert rows.starts.tolist() == expected.starts.tolist()
        assert rows.token_types.tolist() == expected.token_types.tolist()
        np.testing.assert_array_equal(
            rows.columns["labels"], [[0, 1], [np.nan, np.nan], [1, 1], [0, 0]] * 3
        )
        np.testing.assert_array_equal(rows.columns["teacher_logits"], logits)
    assert parts.tokens.dtype == np.int32 and parts.token_types.dtype == np.int8


@pytest.mark.parametrize("content", [None, b"", b"PAR1", b"text_a\ttext_b\n"])
def test_a_missing_or_damaged_table_is_named(tokenizer, tmp_path, content):
    file = tmp_path / "dev.parquet"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=rf"^{file} is (missing|damaged)"):
        read_rows(file, tokenizer, 16)


def test_a_table_without_a_column_is_named(tokenizer, tmp_path):
    pq.write_table(pa.table({"text": TEXTS}), tmp_path / "00000.parquet")
    with pytest.raises(InputError, match=r"00000\.parquet is damaged .*text_b"):
        read_rows(tmp_path, tokenizer, 16)


def test_a_damaged_part_of_the_corpus_is_named(tmp_path):
    (tmp_path / "00000.arrow").write_bytes(b"ARROW1")
    with pytest.raises(InputError, match=r"00000\.arrow is damaged"):
        read_segments(tmp_path, 0)
