"""Logits that a task's files give: they belong to the texts that they were given for."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import tiny_config
from transformers import BertModel

from tinybert.data.augment.augment import augment_task
from tinybert.models.encode import TEACHER_LOGITS
from tinybert.pipeline.schema import Augment

SETTINGS = Augment(
    copies=3, replace_probability=0.7, candidates=3, word_vectors=None, language="en"
)
KIND = pa.list_(pa.float32(), 2)


def table(texts: list[str], logits: list, **columns) -> pa.Table:
    values = {"text_a": texts, "text_b": pa.nulls(len(texts), pa.string()), **columns}
    return pa.table({**values, TEACHER_LOGITS: pa.array(logits, KIND)})


@pytest.mark.parametrize("labelled", [True, False])
def test_originals_and_unlabelled_rows_keep_them_and_copies_have_none(
    checkpoint, tmp_path, work, labelled
):
    task = tmp_path / "task"
    task.mkdir()
    train = table(["a good film", "dull plot music"], [[1, 2], None], label=[0, 1])
    dev = train.drop_columns(TEACHER_LOGITS)
    raw = table(["great story", "boring"], [None, [3, 4]])
    files = {"dev": dev, "unlabeled": raw, **({"train": train} if labelled else {})}
    for split, content in files.items():
        pq.write_table(content, task / f"{split}.parquet")
    model = checkpoint(BertModel(tiny_config()))
    counts = augment_task(task, model, tmp_path / "out", SETTINGS, 32, "fp32", 0, work)
    shards = [pq.read_table(file) for file in sorted((tmp_path / "out").glob("*.parquet"))]
    rows = [row for shard in shards for row in shard.to_pylist()]
    given = {row["text_a"]: row[TEACHER_LOGITS] for row in rows if row[TEACHER_LOGITS]}
    expected = {"boring": [3, 4]}
    assert given == ({"a good film": [1, 2], **expected} if labelled else expected)
    assert len(rows) > 4 if labelled else len(rows) == 2
    assert [row["label"] for row in rows[-2:]] == [None, None]
    assert json.dumps(counts) and counts["unlabeled_rows"] == 2
