"""Texts in chunks of few rows and few characters."""

import random

import pytest

from tinybert.models import chunks as module
from tinybert.models.chunks import chunks


@pytest.mark.parametrize("pairs", [False, True])
def test_chunks_are_all_rows_in_order_within_both_limits(pairs, monkeypatch):
    monkeypatch.setattr(module, "CHARACTERS", 50)
    monkeypatch.setattr(module, "ROWS", 7)
    generator = random.Random(0)
    for count in range(40):
        first, second = (
            ["x" * generator.choice([0, 1, 2, 10, 70]) for _ in range(count)] for _ in range(2)
        )
        second = second if pairs else None
        parts = list(chunks(first, second))
        assert [i for part in parts for i in range(part.start, part.stop)] == list(range(count))
        sizes = [
            sum(len(a) for a in first[part]) + sum(len(b) for b in (second or [])[part])
            for part in parts
        ]
        for part, size in zip(parts, sizes, strict=True):
            rows = part.stop - part.start
            assert 1 <= rows <= 7 and (rows == 1 or size <= 50)


def test_few_short_texts_are_one_chunk():
    assert list(chunks(["a", "b"], ["c", "d"])) == [slice(0, 2)]
    assert list(chunks([])) == []
