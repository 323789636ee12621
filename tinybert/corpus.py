"""General-domain text -> token segments, in shards: memory does not grow with the text, and the
processes of a machine (or of several) share the work.

Each process goes twice through its pieces of the text: first to note what each paragraph is, by
which the main process finds the repeats; then to tokenise and pack what stays. What comes out does
not depend on the number of processes.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate, chain, islice, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from tinybert import processes
from tinybert.errors import InputError
from tinybert.sources import PIECE, Piece, paragraphs, pieces, sentences, texts

__all__ = ["paragraphs", "prepare", "sentences"]

CHUNK = 1_000  # sentences given to the tokenizer at once
RANGE = 2**20  # hashes that are compared at once
SCHEMA = pa.schema([("input_ids", pa.list_(pa.int32()))])


def prepare(
    source: Path,
    out: Path,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    max_tokens: int,
    seed: int,
) -> dict[str, int]:
    """Writes NNNNN.arrow (column input_ids, one list a segment) and summary.json.

    Each segment is as many whole sentences of one file as fit into max_length, with the special
    tokens around them; a longer sentence is cut. Of more than max_tokens tokens, a random part of
    the segments is kept. Returns the summary. Raises InputError if there is no text.
    """
    if not source.is_dir():
        raise InputError(f"corpus.path: {source} is no folder; put .txt or .md files there")
    shards = list(_grouped(pieces(source)))
    own = processes.mine(range(len(shards)))
    out.mkdir(parents=True, exist_ok=True)
    names = [out / f"{i:05}" for i in range(len(shards))]
    bar = {"unit": "shard", "disable": not processes.is_main()}
    for i in tqdm(own, desc="paragraphs", **bar):
        digests = [_digest(text) for piece in shards[i] for text in texts(piece)]
        np.save(names[i].with_suffix(".hashes.npy"), np.array(digests, np.uint64))
    processes.barrier()
    if processes.is_main():
        total, repeats = _mark_repeats(names)
        if not total:
            raise InputError(f"corpus.path: {source} holds no text in .txt or .md files")
    processes.barrier()
    for i in tqdm(own, desc="tokens", **bar):
        kept = np.load(names[i].with_suffix(".kept.npy"))
        _save(_segments(shards[i], kept, tokenizer, max_length), names[i].with_suffix(".all"))
    processes.barrier()
    lengths = [np.diff(_read(name.with_suffix(".all")).column(0).offsets) for name in names]
    chosen = _choose(np.concatenate(lengths), max_tokens, seed)
    ends = np.cumsum([0, *map(len, lengths)])
    for i in own:
        part = _read(names[i].with_suffix(".all")).filter(pa.array(chosen[ends[i] : ends[i + 1]]))
        _save(part, names[i].with_suffix(".arrow"))
        for suffix in (".hashes.npy", ".kept.npy", ".all"):
            names[i].with_suffix(suffix).unlink()
    if not processes.is_main():
        return {}
    lengths = np.concatenate(lengths)
    counts = {
        "files": len({piece.file for shard in shards for piece in shard}),
        "paragraphs": total,
        "duplicates": repeats,
        "tokens_found": int(lengths.sum()),
        "tokens": int(lengths[chosen].sum()),
        "segments": int(chosen.sum()),
    }
    (out / "summary.json").write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")
    return counts


def _grouped(found: list[Piece]) -> Iterator[list[Piece]]:
    """Pieces that make a shard: one of a large file, or those of several small files."""
    held: list[Piece] = []
    for piece in found:
        held.append(piece)
        if sum(piece.size for piece in held) >= PIECE:
            yield held
            held = []
    if held:
        yield held


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _mark_repeats(names: list[Path]) -> tuple[int, int]:
    """Writes, for each shard, which of its paragraphs stand nowhere before; returns the numbers of
    all and of repeated paragraphs. Only so many hashes are in memory at once."""
    hashes = [np.load(name.with_suffix(".hashes.npy"), mmap_mode="r") for name in names]
    kept = [np.ones(len(own), bool) for own in hashes]
    total = sum(map(len, hashes))
    parts = -(-total // RANGE)
    for part in range(parts):
        places = [np.flatnonzero(own % parts == part) for own in hashes]
        own = np.concatenate([own[place] for own, place in zip(hashes, places, strict=True)])
        first = np.zeros(len(own), bool)
        first[np.unique(own, return_index=True)[1]] = True
        ends = np.cumsum([0, *map(len, places)])
        for i, place in enumerate(places):
            kept[i][place] = first[ends[i] : ends[i + 1]]
    for name, own in zip(names, kept, strict=True):
        np.save(name.with_suffix(".kept.npy"), own)
    return total, total - sum(int(own.sum()) for own in kept)


def _segments(
    shard: list[Piece], kept: np.ndarray, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> pa.RecordBatch:
    """kept: for each paragraph of the shard, whether it stays."""
    first, last = tokenizer("")["input_ids"]  # [CLS] and [SEP], or what the model has for them
    marks, counts = iter(kept), []  # of each piece, how many sentences there are up to its end

    def strings() -> Iterator[str]:
        count = 0
        for piece in shard:
            for text, stays in zip(texts(piece), marks, strict=False):
                if stays:
                    found = sentences(text)
                    count += len(found)
                    yield from found
            counts.append(count)

    tokens, ends = _tokens(strings(), tokenizer)
    cuts = [0]
    for begin, end in pairwise([0, *counts]):
        cuts += _cuts(ends[begin:end], cuts[-1], max_length - 2)
    cuts = np.array(cuts)
    begins = cuts[:-1] + 2 * np.arange(len(cuts) - 1)  # with the special tokens of those before
    lengths = np.diff(cuts) + 2
    values = np.full(len(tokens) + 2 * len(lengths), first, np.int32)
    values[begins + lengths - 1] = last
    inner = np.ones(len(values), bool)
    inner[begins] = inner[begins + lengths - 1] = False
    values[inner] = tokens
    offsets = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
    return pa.record_batch([pa.ListArray.from_arrays(offsets, values)], schema=SCHEMA)


def _cuts(ends: list[int], begin: int, room: int) -> list[int]:
    """Where segments of at most `room` tokens end, so that sentences, which end at `ends`, stay
    whole where they fit."""
    cuts, end = [begin], begin
    for sentence_end in ends:
        if end > cuts[-1] and sentence_end - cuts[-1] > room:
            cuts.append(end)
        end = sentence_end
        while end - cuts[-1] > room:
            cuts.append(cuts[-1] + room)
    return cuts[1:] if end == cuts[-1] else [*cuts[1:], end]


def _tokens(
    strings: Iterable[str], tokenizer: PreTrainedTokenizerBase
) -> tuple[np.ndarray, list[int]]:
    """All tokens, and where each string ends in them. While the tokenizer, which is no Python,
    works on one chunk, the next is read and the last is taken over."""
    backend: Tokenizer = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    parts, lengths = [np.empty(0, np.int32)], []

    def take(found: Future) -> None:
        own = [encoding.ids for encoding in found.result()]
        lengths.extend(map(len, own))
        parts.append(np.fromiter(chain.from_iterable(own), np.int32))

    strings, before = iter(strings), None
    with ThreadPoolExecutor(1) as thread:
        while chunk := list(islice(strings, CHUNK)):
            now = thread.submit(backend.encode_batch_fast, chunk, add_special_tokens=False)
            if before is not None:
                take(before)
            before = now
        if before is not None:
            take(before)
    return np.concatenate(parts), list(accumulate(lengths))


def _save(batch: pa.RecordBatch, file: Path) -> None:
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
        writer.write(batch)


def _read(file: Path) -> pa.RecordBatch:
    """Memory-mapped."""
    return pa.ipc.open_file(pa.memory_map(str(file))).get_batch(0)


def _choose(lengths: np.ndarray, max_tokens: int, seed: int) -> np.ndarray:
    """Which segments stay: a random choice that has max_tokens tokens."""
    order = np.random.default_rng(seed).permutation(len(lengths))
    chosen = np.zeros(len(lengths), dtype=bool)
    chosen[order[np.cumsum(lengths[order]) <= max_tokens]] = True
    if not chosen.any():
        raise InputError(f"corpus.max_tokens: {max_tokens} is less than one segment")
    return chosen
