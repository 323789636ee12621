"""Which rows are the same to a model: hashes of texts and of token ids.

Texts that differ in case, whitespace, width or invisible characters reach most models as the same
tokens, and so does whatever else a tokenizer does not tell apart.
"""

from collections.abc import Iterator

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from transformers import PreTrainedTokenizerBase

from tinybert.data.raw.columns import Table
from tinybert.data.raw.spelling import normalised
from tinybert.models.encode import encode
from tinybert.models.rows import Rows
from tinybert.pipeline.schema import Encode

NO_LIMIT = 1_000_000  # tokens


def limit(settings: Encode) -> int:
    """The tokens of a text that a model reads: without windows, max_length."""
    return NO_LIMIT if settings.stride else settings.max_length


def mark(
    tables: dict[str, Table], tokenizer: PreTrainedTokenizerBase | None, max_length: int
) -> None:
    """Adds columns to the tables, one number per row, comparable across tables:

    text: equal for equal texts. same: equal if the normalised texts or the token ids are equal;
    rows with unknown tokens are compared by their texts alone. For pairs also keys and exchanged:
    keys of one row equals exchanged of another if the normalised texts of the one are those of the
    other in the other order. With a tokenizer also whole and tokens: equal if the token ids are,
    before and after they are cut at max_length; unknown: the number of unknown tokens; length: of
    all tokens, before they are cut.
    """
    for table in tables.values():
        table.columns["text"] = [hash(row) for row in _texts(table)]
        table.columns["same"] = [hash(tuple(map(_key, row))) for row in _texts(table)]
        if "text_b" in table.columns:
            table.columns["keys"] = table.columns["same"]
            table.columns["exchanged"] = [hash((_key(b), _key(a))) for a, b in _texts(table)]
        if tokenizer is not None:
            table.columns |= _token_marks(table, tokenizer, max_length)
    first = next(iter(tables.values()))
    special = special_tokens(tokenizer, first) if tokenizer is not None else None
    _join_equal_tokens(list(tables.values()), special)


def special_tokens(tokenizer: PreTrainedTokenizerBase, table: Table) -> int:
    """The number of special tokens in each row."""
    return tokenizer.num_special_tokens_to_add(pair="text_b" in table.columns)


def _texts(table: Table) -> Iterator[tuple[str, ...]]:
    texts = [table.columns[role] for role in ("text_a", "text_b") if role in table.columns]
    return zip(*texts, strict=True)


def _key(text: str) -> str:
    return normalised(text) or text  # empty texts are no copies of one another


def _token_marks(table: Table, tokenizer: PreTrainedTokenizerBase, max_length: int) -> dict:
    first, second = table.columns["text_a"], table.columns.get("text_b")
    rows = encode(first, second, tokenizer, NO_LIMIT)
    unknown = np.cumsum(np.concatenate([[0], rows.tokens == tokenizer.unk_token_id]))
    whole = np.array(_hashes(rows))
    cut = whole.copy()
    if len(long := np.flatnonzero(rows.lengths > max_length)):
        texts = [[texts[i] for i in long] if texts else None for texts in (first, second)]
        cut[long] = _hashes(encode(*texts, tokenizer, max_length))
    return {
        "whole": whole.tolist(),
        "tokens": cut.tolist(),
        "unknown": (unknown[rows.starts[1:]] - unknown[rows.starts[:-1]]).tolist(),
        "length": rows.lengths.tolist(),
    }


def _hashes(rows: Rows) -> list[int]:
    return [
        hash(rows.tokens[start:end].tobytes())
        for start, end in zip(rows.starts[:-1], rows.starts[1:], strict=True)
    ]


def _join_equal_tokens(tables: list[Table], special: int | None) -> None:
    """Numbers the groups of rows that equal texts or equal tokens connect.

    special: the number of special tokens in each row; None: there are no tokens."""
    _, groups = np.unique(np.concatenate([t.columns["same"] for t in tables]), return_inverse=True)
    if special is not None:
        whole, unknown, lengths = (
            np.concatenate([table.columns[name] for table in tables])
            for name in ("whole", "unknown", "length")
        )
        known = (unknown == 0) & (lengths > special)
        _, tokens = np.unique(whole[known], return_inverse=True)
        texts, size = groups[known], groups.max() + 1
        count = size + tokens.max(initial=-1) + 1
        edges = coo_array((np.ones(len(texts)), (texts, size + tokens)), shape=(count, count))
        groups = connected_components(edges, directed=False)[1][groups]
    ends = np.cumsum([len(table) for table in tables])[:-1]
    for table, part in zip(tables, np.split(groups, ends), strict=True):
        table.columns["same"] = part.tolist()
