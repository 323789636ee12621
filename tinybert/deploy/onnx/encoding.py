"""The tokenizer of an exported student: it must give the tokens that training saw."""

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from tinybert.deploy.onnx.session import TOKENIZER_FILE
from tinybert.models.chunks import chunks
from tinybert.models.encode import encode
from tinybert.models.rows import Rows
from tinybert.models.tokenizer import save_tokenizer
from tinybert.models.windows import windows
from tinybert.pipeline.errors import InputError

LONG = 10_000  # characters


def save(tokenizer: PreTrainedTokenizerBase, max_length: int, out: Path, stride: int = 0) -> None:
    """Writes the tokenizer with training's truncation, which Classifier reads from tokenizer.json.
    Raises InputError if it has no form for the library tokenizers."""
    if not tokenizer.is_fast:
        raise InputError(
            f"the tokenizer {type(tokenizer).__name__} cannot be exported: it has no "
            f"{TOKENIZER_FILE}; use models/<task>/student with transformers"
        )
    save_tokenizer(out, tokenizer, max_length, stride)


def check(
    folder: Path,
    first: list[str],
    second: list[str] | None,
    rows: Rows,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    stride: int = 0,
) -> None:
    """Raises InputError that shows the first row whose tokens differ between training and the
    tokenizer.json in `folder`.

    first, second: the texts of `rows`, which `tokenizer` encoded with this stride. Rows that are
    surely too long are compared too: all texts as one, as the first, the second and both texts of a
    pair.
    """
    saved = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    _compare(saved, first, second, rows, "dev")
    long = " ".join(first)[:LONG]
    firsts, seconds = [long], None
    if second is not None:
        firsts, seconds = [long, first[0], long], [second[0], long, long]
    long_rows = encode(firsts, seconds, tokenizer, max_length, stride)
    _compare(saved, firsts, seconds, long_rows, "long rows, all texts of dev as one")


def _compare(
    saved: Tokenizer, first: list[str], second: list[str] | None, rows: Rows, title: str
) -> None:
    texts = first if second is None else list(zip(first, second, strict=True))
    starts, stride = rows.starts[rows.bounds], saved.truncation["stride"]
    for chunk in chunks(first, second):
        for i, encoding in enumerate(saved.encode_batch_fast(texts[chunk]), chunk.start):
            part, parts = slice(starts[i], starts[i + 1]), windows(encoding, stride)
            columns = [("token ids", [n for w in parts for n in w.ids], rows.tokens[part])]
            if rows.token_types is not None:
                types = [n for w in parts for n in w.type_ids]
                columns.append(("segment ids", types, rows.token_types[part]))
            for name, actual, expected in columns:
                if not np.array_equal(actual, expected):
                    raise InputError(
                        f"the exported {TOKENIZER_FILE} gives other {name} than training saw, "
                        f"first in row {i + 1} of {title}: {texts[i]!r:.200}\n  training: "
                        f"{expected.tolist()}\n  exported: {actual}\nUse the student with "
                        "transformers, models/<task>/student, or set another pretrained.model"
                    )
