"""General-domain text -> token segments, in shards: memory does not grow with the text, and the
processes of a machine (or of several) share the work.

Each process tokenises its pieces of the text, once, into scratch files, and notes what each
paragraph is. The main process finds the repeats by that; what stays is packed into segments. What
comes out does not depend on the number of processes.
"""

import hashlib
import json
from array import array
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from tinybert import processes
from tinybert.errors import InputError
from tinybert.files import deliver, writing
from tinybert.segments import cuts, tokens, with_specials
from tinybert.sources import Piece, paragraphs, sentences, shards, texts

__all__ = ["paragraphs", "prepare", "sentences"]

RANGE = 2**22  # hashes that are compared at once
BINS = 2**16  # of the random numbers by which segments are chosen
BATCH = 2**14  # segments, or sentences, that are in memory at once
SCHEMA = pa.schema([("input_ids", pa.list_(pa.int32()))])
# Beside each shard on its way, in this order: `all` tokens; how many each of the `sentences` has;
# how many sentences each of the `paragraphs`; how many paragraphs there are up to the ends of its
# `pieces`; `hashes` of the paragraphs, and whether each `stays`; the `tokens` that stay; where
# segments end in these, `cuts`. A step whose last file is there is not done again.


def prepare(
    source: Path,
    out: Path,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    max_tokens: int,
    seed: int,
    work: Path,
) -> dict[str, int]:
    """Writes NNNNN.arrow (column input_ids, one list a segment) and summary.json.

    Each segment is as many whole sentences of one file as fit into max_length, with the special
    tokens around them; a longer sentence is cut. Of more than max_tokens tokens, a random part of
    the segments is kept. work: where shards are on their way. Returns the summary, in the main
    process alone. Raises InputError if there is no text.
    """
    if not source.is_dir():
        raise InputError(f"corpus.path: {source} is no folder; put text files there")
    found = shards(source)
    names = [work / f"{i:05}" for i in range(len(found))]
    own = processes.mine(range(len(found)))
    for i in tqdm(own, desc="prepare_corpus", unit="shard", disable=not processes.is_main()):
        if not _file(names[i], "stays").exists():
            _tokenise(found[i], names[i], tokenizer)
    processes.barrier()
    if processes.is_main():
        total, repeats = _mark_repeats(names)
        if not total:
            raise InputError(
                f"corpus.path: {source} holds no text in .txt, .md, .jsonl, .parquet, .gz or "
                ".stream.yaml files"
            )
    processes.barrier()
    for i in own:
        if not _file(names[i], "cuts").exists():
            _pack(names[i], max_length - 2)
    processes.barrier()
    tokens_found, limit = _limit(names, max_tokens, seed)
    if processes.is_main():
        kept = (lengths[numbers < limit] for numbers, lengths in _segments(names, seed))
        sizes = np.array([(lengths.sum(), len(lengths)) for lengths in kept], np.int64)
        tokens_kept, segments_kept = sizes.sum(0).tolist()
        counts = {
            "files": len({piece.file for shard in found for piece in shard}),
            "paragraphs": total,
            "duplicates": repeats,
            "tokens_found": tokens_found,
            "tokens": tokens_kept,
            "segments": segments_kept,
        }
    first, last = tokenizer("")["input_ids"]  # [CLS] and [SEP], or what the model has for them
    for i in own:
        if not names[i].with_suffix(".arrow").exists():
            chosen = _numbers(seed, i, len(_load(names[i], "cuts")) - 1) < limit
            _write(names[i], chosen, first, last)
            names[i].with_suffix(".tokens").unlink()
    processes.barrier()
    if not processes.is_main():
        return {}
    deliver([name.with_suffix(".arrow") for name in names], out)
    text = json.dumps(counts, indent=2) + "\n"
    (out / "summary.json").write_text(text, encoding="utf-8")
    return counts


def _file(name: Path, what: str) -> Path:
    return name.with_suffix(f".{what}.npy")


def _load(name: Path, what: str) -> np.ndarray:
    return np.load(_file(name, what))


def _save(name: Path, what: str, values: np.ndarray) -> None:
    with writing(_file(name, what)) as file:
        np.save(file, values)


def _tokenise(shard: list[Piece], name: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    hashes, counts, ends = array("Q"), array("i"), []

    def strings() -> Iterator[str]:
        for piece in shard:
            for text in texts(piece):
                found = sentences(text)
                hashes.append(_digest(text))
                counts.append(len(found))
                yield from found
            ends.append(len(hashes))

    lengths = array("i")
    with name.with_suffix(".all").open("wb") as sink:
        for found, own in tokens(strings(), tokenizer):
            sink.write(found.data)
            lengths.frombytes(own.tobytes())
    _save(name, "sentences", np.frombuffer(lengths, np.int32))
    _save(name, "paragraphs", np.frombuffer(counts, np.int32))
    _save(name, "pieces", np.array(ends))
    _save(name, "hashes", np.frombuffer(hashes, np.uint64))
    _save(name, "stays", np.ones(len(hashes), bool))


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _mark_repeats(names: list[Path]) -> tuple[int, int]:
    """Notes which paragraphs stand somewhere before; returns the numbers of all and of repeated
    paragraphs. Only some RANGE hashes are in memory at once."""
    total = sum(len(_load(name, "hashes")) for name in names)
    parts, repeated = -(-total // RANGE), 0
    for part in range(parts):
        hashes, places = [], []
        for name in names:
            own = _load(name, "hashes")
            places.append(np.flatnonzero(own % parts == part))
            hashes.append(own[places[-1]])
        repeats = np.ones(sum(map(len, hashes)), bool)
        repeats[np.unique(np.concatenate(hashes), return_index=True)[1]] = False
        repeated += int(repeats.sum())
        ends = np.cumsum([0, *map(len, places)])
        for name, own, begin, end in zip(names, places, ends[:-1], ends[1:], strict=True):
            if repeats[begin:end].any():
                stays = _load(name, "stays")
                stays[own[repeats[begin:end]]] = False
                _save(name, "stays", stays)
    return total, repeated


def _pack(name: Path, room: int) -> None:
    """Writes the tokens that stay, and where segments of at most `room` of them end."""
    stays, counts, lengths = (_load(name, n) for n in ("stays", "paragraphs", "sentences"))
    stays_sentence = np.repeat(stays, counts)
    everything = name.with_suffix(".all")
    with everything.open("rb") as source, name.with_suffix(".tokens").open("wb") as sink:
        for i in range(0, len(lengths), BATCH):
            own, stay = lengths[i : i + BATCH], stays_sentence[i : i + BATCH]
            every = np.fromfile(source, np.int32, own.sum())
            sink.write(every[np.repeat(stay, own)].data)
    # Where each piece ends, in sentences that stay.
    kept = np.concatenate([[0], np.cumsum(np.where(stays, counts, 0))])
    ends = array("q", np.cumsum(lengths[stays_sentence], dtype=np.int64).tobytes())
    places = array("q", [0])
    for begin, end in pairwise([0, *kept[_load(name, "pieces")]]):
        places.extend(cuts(ends[begin:end], places[-1], room))
    _save(name, "cuts", np.frombuffer(places, np.int64))
    everything.unlink()


def _numbers(seed: int, shard: int, count: int) -> np.ndarray:
    """A random number for each segment of a shard: those with the smallest are kept."""
    return np.random.default_rng([seed, shard]).random(count)


def _segments(names: list[Path], seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of the segments of each shard, the random numbers, and the lengths with special tokens."""
    for i, name in enumerate(names):
        lengths = np.diff(_load(name, "cuts")) + 2
        yield _numbers(seed, i, len(lengths)), lengths


def _limit(names: list[Path], max_tokens: int, seed: int) -> tuple[int, float]:
    """The number of all tokens; and below which random number a segment is kept, so that those kept
    have max_tokens tokens. Memory for all segments at once is not needed."""
    bins = np.zeros(BINS)
    for numbers, lengths in _segments(names, seed):
        bins += np.bincount((numbers * BINS).astype(int), lengths, BINS)
    sums = np.concatenate([[0], np.cumsum(bins)])
    if sums[-1] <= max_tokens:
        return int(sums[-1]), 1.0
    bound = int(np.searchsorted(sums, max_tokens, side="right")) - 1  # this one is kept in part
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
    places = _load(name, "cuts")
    with (
        writing(name.with_suffix(".arrow")) as file,
        name.with_suffix(".tokens").open("rb") as source,
        pa.OSFile(str(file), "wb") as sink,
        pa.ipc.new_file(sink, SCHEMA) as writer,
    ):
        for i in range(0, len(chosen), BATCH):
            ends = places[i : i + BATCH + 1]
            inner = np.fromfile(source, np.int32, ends[-1] - ends[0])
            segments = with_specials(inner, np.diff(ends) + 2, first, last)
            batch = pa.record_batch([segments.filter(pa.array(chosen[i : i + BATCH]))], SCHEMA)
            writer.write(batch)
