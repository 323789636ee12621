"""Data augmentation by word replacement (paper §3.3 and algorithm 1).

Each copy of a text replaces each of its words with probability p by one of K candidates: what the
masked-language model would put there if it has such a head and the word is one token, else the
words whose vectors are nearest. Both texts of a pair are changed, each from its original.
"""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM

from tinybert import pretrained, processes, word_vectors, words
from tinybert.encode import read_texts
from tinybert.files import deliver, writing
from tinybert.masked_words import MaskedWords

SHARD = 4096  # labelled or unlabelled rows
COUNTS = b"tinybert.counts"  # in a shard's schema: what is reported of it
REPORTED = (
    "words_by_masked_language_model", "words_without_candidates", "words", "words_replaceable",
)  # fmt: skip


@dataclass
class Places:
    """Of one text: (start, end, candidates) of each word that may be replaced, in order; and the
    number of all words."""

    replaceable: list[tuple[int, int, list[str]]]
    words: int


class Candidates:
    """Finds the K candidates of each replaceable word of some texts.

    folder: the pretrained model. settings: the section `augment`, whose word_vectors is a file, or
    `folder` for the model's own token embeddings. Which words came from where is in `counts`, what
    the file holds in `read`.
    `chinese`: the Chinese words that may be put for others; None: those of the texts.
    """

    def __init__(self, folder: Path, settings, max_length: int, precision: str):
        self.settings, self.max_length, self.precision = settings, max_length, precision
        self.language = settings.language
        self.tokenizer = pretrained.load_tokenizer(folder)
        self.masked = pretrained.has_masked_head(AutoConfig.from_pretrained(folder))
        self.model = pretrained.load(AutoModelForMaskedLM if self.masked else AutoModel, folder)
        # Before the model is put into another precision.
        self.embeddings = self.model.get_input_embeddings().weight.detach()
        self.whole_words = words.whole_words(self.tokenizer, self.language)
        self.chinese: list[str] | None = None
        self.counts: Counter = Counter()
        self.file, self.read = None, {}
        if Path(settings.word_vectors) != folder:
            *self.file, read = word_vectors.read(Path(settings.word_vectors), self._is_word)
            self.read = {f"word_vectors.{name}": count for name, count in read.items()}

    def places(self, texts: list[str]) -> list[Places]:
        """For each text, its replaceable words and their candidates, in order."""
        looked = [words.find(text, self.language) for text in texts]
        spans = [found for found, _ in looked]
        distinct = sorted({t[a:b] for t, own in zip(texts, spans, strict=True) for a, b in own})
        chinese = self.chinese
        if chinese is None:
            chinese = [word for word in distinct if words.HAN.match(word)]
        near = self._nearest(distinct, chinese)
        masked = {}
        if self.masked:
            masked = MaskedWords(
                self.model,
                self.tokenizer,
                self.whole_words,
                chinese,
                self.max_length,
                self.precision,
            ).find(texts, spans, self.settings.candidates)
        places = []
        for i, (text, own) in enumerate(zip(texts, spans, strict=True)):
            found = [masked.get((i, k)) for k in range(len(own))]
            self.counts["words_by_masked_language_model"] += sum(
                words is not None for words in found
            )
            found = [
                near[text[a:b]] if words is None else words
                for (a, b), words in zip(own, found, strict=True)
            ]
            self.counts["words_without_candidates"] += sum(not words for words in found)
            own = [(*span, words) for span, words in zip(own, found, strict=True)]
            places.append(Places(own, looked[i][1]))
            self.counts["words"] += looked[i][1]
            self.counts["words_replaceable"] += len(own)
        return places

    def _nearest(self, distinct: list[str], chinese: list[str]) -> dict[str, list[str]]:
        count = self.settings.candidates
        if self.file is None:
            known = [*self.whole_words.values(), *chinese]
            table = word_vectors.embed(self.embeddings, self.tokenizer, known)
            own = word_vectors.embed(self.embeddings, self.tokenizer, distinct)
            return word_vectors.nearest(distinct, own, known, table, count)
        known, table = self.file
        row = {word.casefold(): i for i, word in reversed(list(enumerate(known)))}
        row |= {word: i for i, word in enumerate(known)}
        found = {word: row.get(word, row.get(word.casefold())) for word in distinct}
        have = [word for word in distinct if found[word] is not None]
        own = table[[found[word] for word in have]]
        near = word_vectors.nearest(have, own, known, table, count)
        return {word: near.get(word, []) for word in distinct}

    def _is_word(self, word: str) -> bool:
        """Whether an entry of a file is one replaceable word."""
        return words.find(word, self.language)[0] == [(0, len(word))]


def augment(
    table: pa.Table,
    candidates: Candidates,
    copies: int,
    probability: float,
    seed: int | list[int],
    originals: set[int] | None = None,
) -> tuple[pa.Table, float]:
    """The rows of a canonical table, each followed by at most `copies` changed copies of it.

    A copy equal to its source, to another copy or to any row's original is left out; originals:
    the digests of those, if there are more than the table's. The column `source` has, for each row,
    the row that it is a copy of, or itself. Also returns the share of the copies' words that were
    replaced, and adds their numbers to the candidates' counts.
    """
    first, second = read_texts(table)
    columns = [first] if second is None else [first, second]
    places = [candidates.places(texts) for texts in columns]
    random = np.random.default_rng(seed)
    originals = originals or _digests(table)
    source, changed, taken, replaced, total = [], [], [], 0, 0
    for row, original in enumerate(zip(*columns, strict=True)):
        kept = {original: 0}
        for _ in range(copies):
            pairs = [
                _replace(text, places[k][row], probability, random)
                for k, text in enumerate(original)
            ]
            copy = tuple(text for text, _ in pairs)
            if copy not in kept and _digest(copy) not in originals:
                kept[copy] = sum(count for _, count in pairs)
        replaced += sum(kept.values())
        total += (len(kept) - 1) * sum(own[row].words for own in places)
        source += [len(changed)] * len(kept)
        taken += [row] * len(kept)
        changed += kept
    grown = table.take(pa.array(taken, pa.int64()))
    for k, name in enumerate(("text_a", "text_b")[: len(columns)]):
        values = pa.array([texts[k] for texts in changed], pa.string())
        grown = grown.set_column(grown.column_names.index(name), name, values)
    candidates.counts.update(words_replaced=replaced, words_of_copies=total)
    grown = grown.append_column("source", pa.array(source, pa.int64()))
    return grown, replaced / total if total else 0.0


def run(
    task: Path,
    model: Path,
    out: Path,
    settings,
    max_length: int,
    precision: str,
    seed: int,
    work: Path,
) -> dict:
    """Writes NNNNN.parquet: the labelled rows with their copies, SHARD rows in each with all of
    their copies, then the unlabelled rows.

    settings: the section `augment`. Unlabelled rows have a null label or score; `source` is a row
    of the same shard. The processes share the shards; what comes out does not depend on their
    number. work: where those are that are made already. Returns counts.
    """
    train = pq.read_table(task / "train.parquet")
    candidates, originals = None, set()
    if settings.copies:
        candidates = Candidates(model, settings, max_length, precision)
        candidates.chinese = _chinese(train, settings.language)
        originals = _digests(train)
    raw = None
    if (task / "unlabeled.parquet").exists():
        raw = pq.read_table(task / "unlabeled.parquet")
        for name in train.column_names[len(raw.column_names) :]:
            raw = raw.append_column(name, pa.nulls(len(raw), train.schema.field(name).type))
    shards = [
        (table, start)
        for table in (train, raw)
        if table is not None
        for start in range(0, len(table), SHARD)
    ]
    made = [work / f"{i:05}.parquet" for i in range(len(shards))]
    for i in processes.mine(range(len(shards))):
        if made[i].exists():
            continue
        table, start = shards[i]
        part, counts = table.slice(start, SHARD), Counter()
        if table is train and candidates:
            candidates.counts.clear()
            part, _ = augment(
                part,
                candidates,
                settings.copies,
                settings.replace_probability,
                [seed, i],
                originals,
            )
            counts.update(candidates.counts)
        else:
            part = part.append_column("source", pa.array(range(len(part)), pa.int64()))
        counts["rows_out"] = len(part) if table is train else 0
        part = part.replace_schema_metadata({COUNTS: json.dumps(counts)})
        with writing(made[i]) as file:
            pq.write_table(part, file)
    processes.barrier()
    if processes.is_main():
        deliver(made, out)
    return _facts(made, len(train), candidates, raw)


def _facts(made: list[Path], rows_in: int, candidates: Candidates | None, raw) -> dict:
    """What is reported of all shards."""
    total: Counter = Counter()
    for file in made:
        total.update(json.loads(pq.read_schema(file).metadata[COUNTS]))
    facts = {"rows_in": rows_in, "rows_out": total["rows_out"]}
    if candidates:
        replaced, words = total["words_replaced"], total["words_of_copies"]
        facts["share_of_words_replaced"] = round(replaced / words, 4) if words else 0.0
        facts |= candidates.read | {name: total[name] for name in REPORTED}
    if raw is not None:
        facts["unlabeled_rows"] = len(raw)
    return facts


def _chinese(table: pa.Table, language: str) -> list[str]:
    """The Chinese words of all rows that may be replaced: a shard's own would be few in a short
    shard. The processes share the rows."""
    found = set()
    for start in processes.mine(range(0, len(table), SHARD)):
        for text in (text for own in read_texts(table.slice(start, SHARD)) for text in own or ()):
            if words.HAN.search(text):
                spans = words.find(text, language)[0]
                found.update(text[a:b] for a, b in spans if words.HAN.match(text[a:b]))
    return sorted(set().union(*processes.gather(sorted(found))))


def _digests(table: pa.Table) -> set[int]:
    found = set()
    for start in range(0, len(table), SHARD):  # texts take far more memory than their digests
        first, second = read_texts(table.slice(start, SHARD))
        found.update(map(_digest, zip(first, *([second] if second else []), strict=True)))
    return found


def _digest(texts: tuple[str, ...]) -> int:
    joined = "\0".join(texts).encode()
    return int.from_bytes(hashlib.blake2b(joined, digest_size=8).digest())


def _replace(
    text: str, places: Places, probability: float, random: np.random.Generator
) -> tuple[str, int]:
    """A changed text, and how many of its words were replaced."""
    parts, end, count = [], 0, 0
    for start, stop, candidates in places.replaceable:
        if candidates and random.random() < probability:
            parts += [text[end:start], candidates[random.integers(len(candidates))]]
            end, count = stop, count + 1
    return "".join([*parts, text[end:]]), count
