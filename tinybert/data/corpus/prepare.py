"""General-domain text -> shards of token segments; memory does not grow with the corpus.

Each process tokenises its shards once into scratch files and hashes each paragraph. The main
process marks repeated paragraphs by their hashes; the others are packed into segments. The output
does not depend on the number of processes.
"""

import hashlib
from array import array
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from tinybert.data.corpus.segments import cuts, tokens, with_specials
from tinybert.data.corpus.sources import Piece, sentences, shards, texts
from tinybert.pipeline import distributed
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import atomic_write, link_or_copy, write_array, write_json
from tinybert.pipeline.schema import Corpus

RANGE = 2**22  # hashes compared at once
BINS = 2**16  # of the random numbers that choose the segments
BATCH = 2**14  # segments, or sentences, in memory at once
SCHEMA = pa.schema([("input_ids", pa.list_(pa.int32()))])
# Scratch files of a shard, in the order of writing: `all`: its tokens; `sentences`: tokens in each
# sentence; `paragraphs`: sentences in each paragraph; `pieces`: paragraphs up to the end of each
# piece; `hashes` of the paragraphs; `stays`: whether each paragraph is kept; `tokens` of the kept
# paragraphs; `cuts`: the segments' ends in `tokens`. A step whose last file exists is skipped.


def prepare_corpus(
    source: Path,
    out: Path,
    tokenizer: PreTrainedTokenizerBase,
    settings: Corpus,
    seed: int,
    checkpoint_dir: Path,
) -> dict[str, int]:
    """Writes NNNNN.arrow (column input_ids, one list per segment) and summary.json.

    A segment holds as many whole sentences of one file as fit into settings.max_length, between
    the special tokens; a longer sentence is cut. If the corpus has more than settings.max_tokens
    tokens, a random part of the segments is kept. checkpoint_dir: directory to resume from.
    Returns the summary in the main process, {} in the others. Raises InputError if there is no
    text.
    """
    if not source.is_dir():
        raise InputError(
            f"corpus.path: {source} is not a folder; put text files there, or write null"
        )
    text_shards = shards(source)
    names = [checkpoint_dir / f"{i:05}" for i in range(len(text_shards))]
    rank_shards = distributed.shard(range(len(names)))
    for i in tqdm(
        rank_shards, desc="prepare_corpus", unit="shard", disable=not distributed.is_main()
    ):
        if not _file(names[i], "stays").exists():
            _tokenise(text_shards[i], names[i], tokenizer)
    distributed.barrier()
    if distributed.is_main():
        total, repeats = _mark_repeats(names)
        if not total:
            raise InputError(
                f"corpus.path: {source} holds no text in .txt, .md, .jsonl, .parquet, .gz or "
                ".stream.yaml files"
            )
    distributed.barrier()
    for i in rank_shards:
        if not _file(names[i], "cuts").exists():
            _pack(names[i], settings.max_length - 2)
    distributed.barrier()
    all_tokens, limit = _limit(names, settings.max_tokens, seed)
    if distributed.is_main():
        chosen = (lengths[numbers < limit] for numbers, lengths in _segments(names, seed))
        sizes = np.array([(lengths.sum(), len(lengths)) for lengths in chosen], np.int64)
        token_count, segment_count = sizes.sum(0).tolist()
        counts = {
            "files": len({piece.file for shard in text_shards for piece in shard}),
            "paragraphs": total,
            "duplicates": repeats,
            "tokens_found": all_tokens,
            "tokens": token_count,
            "segments": segment_count,
        }
    first, last = tokenizer("")["input_ids"]  # [CLS] and [SEP], or the model's equivalents
    for i in rank_shards:
        if not names[i].with_suffix(".arrow").exists():
            chosen = _numbers(seed, i, len(_load(names[i], "cuts")) - 1) < limit
            _write(names[i], chosen, first, last)
            names[i].with_suffix(".tokens").unlink()
    distributed.barrier()
    if not distributed.is_main():
        return {}
    link_or_copy([name.with_suffix(".arrow") for name in names], out)
    write_json(out / "summary.json", counts)
    return counts


def _file(name: Path, what: str) -> Path:
    return name.with_suffix(f".{what}.npy")


def _load(name: Path, what: str) -> np.ndarray:
    return np.load(_file(name, what))


def _save(name: Path, what: str, values: np.ndarray) -> None:
    with atomic_write(_file(name, what)) as file:
        write_array(file, values)


def _tokenise(shard: list[Piece], name: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    hashes, counts, ends = array("Q"), array("i"), []

    def all_sentences() -> Iterator[str]:
        for piece in shard:
            for text in texts(piece):
                strings = sentences(text)
                hashes.append(_digest(text))
                counts.append(len(strings))
                yield f" {strings[0]}"  # paragraphs of a segment are separated as sentences are
                yield from strings[1:]
            ends.append(len(hashes))

    lengths = array("i")
    with name.with_suffix(".all").open("wb") as sink:
        for chunk, chunk_lengths in tokens(all_sentences(), tokenizer):
            sink.write(chunk.data)
            lengths.frombytes(chunk_lengths.tobytes())
    _save(name, "sentences", np.frombuffer(lengths, np.int32))
    _save(name, "paragraphs", np.frombuffer(counts, np.int32))
    _save(name, "pieces", np.array(ends))
    _save(name, "hashes", np.frombuffer(hashes, np.uint64))
    _save(name, "stays", np.ones(len(hashes), bool))


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _mark_repeats(names: list[Path]) -> tuple[int, int]:
    """Marks paragraphs that repeat an earlier one; returns the numbers of all and of repeated
    paragraphs. Holds about RANGE hashes in memory at once."""
    total = sum(len(_load(name, "hashes")) for name in names)
    parts, repeated = -(-total // RANGE), 0
    for part in range(parts):
        hashes, positions = [], []
        for name in names:
            shard_hashes = _load(name, "hashes")
            positions.append(np.flatnonzero(shard_hashes % parts == part))
            hashes.append(shard_hashes[positions[-1]])
        repeats = np.ones(sum(map(len, hashes)), bool)
        repeats[np.unique(np.concatenate(hashes), return_index=True)[1]] = False
        repeated += int(repeats.sum())
        ends = np.cumsum([0, *map(len, positions)])
        for name, rows, begin, end in zip(names, positions, ends[:-1], ends[1:], strict=True):
            if repeats[begin:end].any():
                stays = _load(name, "stays")
                stays[rows[repeats[begin:end]]] = False
                _save(name, "stays", stays)
    return total, repeated


def _pack(name: Path, room: int) -> None:
    """Writes the kept paragraphs' tokens, and the ends of segments of at most `room` tokens."""
    stays, counts, lengths = (_load(name, n) for n in ("stays", "paragraphs", "sentences"))
    stays_sentence = np.repeat(stays, counts)
    everything = name.with_suffix(".all")
    with everything.open("rb") as source, name.with_suffix(".tokens").open("wb") as sink:
        for i in range(0, len(lengths), BATCH):
            batch_lengths, stay = lengths[i : i + BATCH], stays_sentence[i : i + BATCH]
            batch = np.fromfile(source, np.int32, batch_lengths.sum())
            sink.write(batch[np.repeat(stay, batch_lengths)].data)
    # Index: a number of paragraphs; value: how many of their sentences are kept.
    sentence_counts = np.concatenate([[0], np.cumsum(np.where(stays, counts, 0))])
    ends = array("q", np.cumsum(lengths[stays_sentence], dtype=np.int64).tobytes())
    segment_ends = array("q", [0])
    for begin, end in pairwise([0, *sentence_counts[_load(name, "pieces")]]):
        segment_ends.extend(cuts(ends[begin:end], segment_ends[-1], room))
    _save(name, "cuts", np.frombuffer(segment_ends, np.int64))
    everything.unlink()


def _numbers(seed: int, shard: int, count: int) -> np.ndarray:
    """A random number for each segment of a shard: the segments with the smallest are kept."""
    return np.random.default_rng([seed, shard]).random(count)


def _segments(names: list[Path], seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each shard, the random numbers of its segments and their lengths with special tokens."""
    for i, name in enumerate(names):
        lengths = np.diff(_load(name, "cuts")) + 2
        yield _numbers(seed, i, len(lengths)), lengths


def _limit(names: list[Path], max_tokens: int, seed: int) -> tuple[int, float]:
    """The number of all tokens, and the bound on the random numbers of the segments to keep.

    The segments below the bound have at most max_tokens tokens. Does not hold all segments in
    memory. Raises InputError if max_tokens is less than one segment.
    """
    bins = np.zeros(BINS)
    for numbers, lengths in _segments(names, seed):
        bins += np.bincount((numbers * BINS).astype(int), lengths, BINS)
    sums = np.concatenate([[0], np.cumsum(bins)])
    if sums[-1] <= max_tokens:
        return int(sums[-1]), 1.0
    bound = int(np.searchsorted(sums, max_tokens, side="right")) - 1  # the bin that is kept in part
    parts = [
        np.stack([numbers, lengths])[:, (numbers * BINS).astype(int) == bound]
        for numbers, lengths in _segments(names, seed)
    ]
    numbers, lengths = np.concatenate(parts, axis=1)
    order = np.argsort(numbers)
    fit = int((sums[bound] + np.cumsum(lengths[order]) <= max_tokens).sum())
    if sums[bound] == fit == 0:
        raise InputError(f"corpus.max_tokens: {max_tokens} is less than one segment")
    return int(sums[-1]), float(numbers[order[fit]])


def _write(name: Path, chosen: np.ndarray, first: int, last: int) -> None:
    segment_ends = _load(name, "cuts")
    with (
        atomic_write(name.with_suffix(".arrow")) as file,
        name.with_suffix(".tokens").open("rb") as source,
        pa.OSFile(str(file), "wb") as sink,
        pa.ipc.new_file(sink, SCHEMA) as writer,
    ):
        for i in range(0, len(chosen), BATCH):
            ends = segment_ends[i : i + BATCH + 1]
            inner = np.fromfile(source, np.int32, ends[-1] - ends[0])
            segments = with_specials(inner, np.diff(ends) + 2, first, last)
            batch = pa.record_batch([segments.filter(pa.array(chosen[i : i + BATCH]))], SCHEMA)
            writer.write(batch)
