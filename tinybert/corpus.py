"""General-domain text -> token segments, in a stream: memory does not grow with the text."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import regex
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from tinybert.errors import InputError

CHUNK = 1_000  # paragraphs given to the tokenizer at once
SCHEMA = pa.schema([("input_ids", pa.list_(pa.int32()))])
CLOSING = r"[\"'”’»›)\]）】」』〉》]"
SENTENCE = regex.compile(
    rf".+?(?:[.!?…]+{CLOSING}*(?=\s)|[。！？｡।॥؟۔…]+{CLOSING}*|$)", regex.DOTALL
)
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\u3000-\u303f\uff00-\uffef]"
UNSPACED_WRAP = regex.compile(rf"(?<={UNSPACED})[ \t\r]*\n\s*(?={UNSPACED})")
UNWANTED = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ufeff\ufffd]")


def prepare(
    source: Path,
    out: Path,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    max_tokens: int,
    seed: int,
) -> dict[str, int]:
    """Writes segments.arrow (column input_ids, one list a segment) and summary.json.

    Each segment is as many whole sentences of one file as fit into max_length, with the special
    tokens around them; a longer sentence is cut. Of more than max_tokens tokens, a random part of
    the segments is kept. Returns the summary. Raises InputError if there is no text.
    """
    if not source.is_dir():
        raise InputError(f"corpus.path: {source} is no folder; put .txt or .md files there")
    files = sorted(file for file in source.rglob("*") if file.suffix in (".txt", ".md"))
    out.mkdir(parents=True, exist_ok=True)
    everything = out / "everything.arrow"
    counts = {"files": len(files), "paragraphs": 0, "duplicates": 0}
    with pa.OSFile(str(everything), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
        seen: set[bytes] = set()
        for file in tqdm(files, desc="corpus", unit="file"):
            texts = _distinct(paragraphs(file), seen, counts)
            for group in _grouped(_segments(texts, tokenizer, max_length), CHUNK):
                writer.write(pa.record_batch([pa.array(group, SCHEMA[0].type)], schema=SCHEMA))
    if not counts["paragraphs"]:
        raise InputError(f"corpus.path: {source} holds no text in .txt or .md files")
    counts |= _keep(everything, out / "segments.arrow", max_tokens, seed)
    everything.unlink()
    (out / "summary.json").write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")
    return counts


def paragraphs(file: Path) -> Iterator[str]:
    """Cleaned paragraphs: NFC, no control characters, single spaces.

    Blank lines part paragraphs; in a file whose first thousand lines have none, each line is one.
    Raises InputError for what is not UTF-8.
    """
    try:
        with file.open(encoding="utf-8-sig") as lines:
            whole_lines = all(line.strip() for line in islice(lines, 1000))
        with file.open(encoding="utf-8-sig") as lines:
            held: list[str] = []
            for line in lines:
                held.append(line)
                if whole_lines or not line.strip():
                    yield from _clean(held)
                    held = []
            yield from _clean(held)
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 ({error}); save it as UTF-8") from None


def _clean(lines: list[str]) -> Iterator[str]:
    text = unicodedata.normalize("NFC", UNWANTED.sub("", "\n".join(lines)))
    # A line end within Chinese or Japanese is no space.
    text = UNSPACED_WRAP.sub("", text.strip())
    if text := " ".join(text.split()):
        yield text


def sentences(text: str) -> list[str]:
    """A paragraph's sentences, whole, in order; joined they are the paragraph but for spaces.

    A sentence ends with . ! ? or … before a space, or with their full-width forms, Devanagari's
    danda or Arabic's question mark, and takes the closing quotation marks and brackets with it.
    """
    return [found[0].strip() for found in SENTENCE.finditer(text) if found[0].strip()]


def _distinct(texts: Iterable[str], seen: set[bytes], counts: dict[str, int]) -> Iterator[str]:
    for text in texts:
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        counts["paragraphs"] += 1
        if digest in seen:
            counts["duplicates"] += 1
        else:
            seen.add(digest)
            yield text


def _segments(
    texts: Iterable[str], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> Iterator[list[int]]:
    first, last = tokenizer("")["input_ids"]  # [CLS] and [SEP], or what the model has for them
    room = max_length - 2
    held: list[int] = []
    for group in _grouped((sentence for text in texts for sentence in sentences(text)), CHUNK):
        for ids in tokenizer(group, add_special_tokens=False, verbose=False)["input_ids"]:
            if held and len(held) + len(ids) > room:
                yield [first, *held, last]
                held = []
            held += ids
            while len(held) > room:
                yield [first, *held[:room], last]
                held = held[room:]
    if held:
        yield [first, *held, last]


def _grouped(items: Iterable, size: int) -> Iterator[list]:
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group


def _keep(everything: Path, kept: Path, max_tokens: int, seed: int) -> dict[str, int]:
    """Copies segments, in their order, until a random choice of them has max_tokens tokens."""
    with pa.memory_map(str(everything)) as source:
        reader = pa.ipc.open_file(source)
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        lengths = np.concatenate([np.diff(batch.column(0).offsets) for batch in batches])
        order = np.random.default_rng(seed).permutation(len(lengths))
        chosen = np.zeros(len(lengths), dtype=bool)
        chosen[order[np.cumsum(lengths[order]) <= max_tokens]] = True
        if not chosen.any():
            raise InputError(f"corpus.max_tokens: {max_tokens} is less than one segment")
        start = 0
        with pa.OSFile(str(kept), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
            for batch in batches:
                writer.write(batch.filter(pa.array(chosen[start : start + len(batch)])))
                start += len(batch)
    return {
        "tokens_found": int(lengths.sum()),
        "tokens": int(lengths[chosen].sum()),
        "segments": int(chosen.sum()),
    }
