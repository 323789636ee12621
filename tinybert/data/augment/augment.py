"""Data augmentation by word replacement (paper §3.3 and algorithm 1).

Each copy of a text replaces each word with probability p by one of K candidates: the predictions of
the masked-language model, if the pretrained model has that head and the word is one token, else the
words with the nearest vectors. Both texts of a pair are changed, each from its original.
"""

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM

from tinybert.data.augment import word_vectors, words
from tinybert.data.augment.masked_words import MaskedWords
from tinybert.data.augment.replacements import Replacements, changed_words
from tinybert.data.augment.tables import in_windows, read_tables
from tinybert.models import pretrained
from tinybert.models.device import machine_kind
from tinybert.models.encode import TEACHER_LOGITS, read_texts
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import distributed
from tinybert.pipeline.files import atomic_write, link_or_copy
from tinybert.pipeline.schema import Augment

SHARD = 4096  # labelled or unlabelled rows in a file, without copies
COUNTS = b"tinybert.counts"  # the key of a shard's counts in its schema's metadata
REPORTED = (
    "words_by_masked_language_model", "words_without_candidates", "words", "words_replaceable",
)  # fmt: skip


class Candidates:
    """Finds the K candidates of each replaceable word of texts.

    folder: the pretrained model. settings: the section `augment`; without a file of word vectors
    the model's token embeddings are used. chinese: the Chinese words that may replace others;
    None: those of the texts. counts: of words, by the source of their candidates. file_counts: of
    the lines and words of the file.
    """

    def __init__(self, folder: Path, settings: Augment, max_length: int, precision: str):
        self.settings, self.max_length, self.precision = settings, max_length, precision
        self.language = settings.language
        self.tokenizer = load_tokenizer(folder)
        self.masked = pretrained.has_masked_head(AutoConfig.from_pretrained(folder))
        self.model = pretrained.load(AutoModelForMaskedLM if self.masked else AutoModel, folder)
        # Read before MaskedWords converts the model to another precision.
        self.embeddings = self.model.get_input_embeddings().weight.detach()
        self.whole_words = words.whole_words(self.tokenizer, self.language)
        self.chinese: list[str] | None = None
        self.counts: Counter = Counter()
        self.file, self.file_counts = None, {}
        if settings.word_vectors:
            *self.file, counts = word_vectors.read(Path(settings.word_vectors), self._is_word)
            self.file_counts = {f"word_vectors.{name}": n for name, n in counts.items()}

    def find(self, texts: list[str]) -> list[Replacements]:
        """Each text's replaceable words and their candidates; adds to `counts`."""
        spans, word_counts = [], []
        distinct = set()
        for text in texts:
            text_spans, word_count = words.find(text, self.language)
            spans.append(text_spans)
            word_counts.append(word_count)
            distinct.update(text[start:end] for start, end in text_spans)
        distinct = sorted(distinct)
        chinese = self.chinese
        if chinese is None:
            chinese = [word for word in distinct if words.HAN.match(word)]
        nearest = self._nearest(distinct, chinese)
        predictions = {}
        if self.masked:
            predictions = MaskedWords(
                self.model,
                self.tokenizer,
                self.whole_words,
                chinese,
                self.max_length,
                self.precision,
            ).find(texts, spans, self.settings.candidates)
        replacements = []
        for i, text in enumerate(texts):
            replaceable = [
                (start, end, predictions.get((i, k), nearest[text[start:end]]))
                for k, (start, end) in enumerate(spans[i])
            ]
            self.counts["words_by_masked_language_model"] += sum(
                (i, k) in predictions for k in range(len(replaceable))
            )
            self.counts["words_without_candidates"] += sum(
                not candidates for *_, candidates in replaceable
            )
            replacements.append(Replacements(replaceable, word_counts[i]))
            self.counts["words"] += word_counts[i]
            self.counts["words_replaceable"] += len(replaceable)
        return replacements

    def _nearest(self, distinct: list[str], chinese: list[str]) -> dict[str, list[str]]:
        count = self.settings.candidates
        if self.file is None:
            known = [*self.whole_words.values(), *chinese]
            table = word_vectors.embed(self.embeddings, self.tokenizer, known)
            vectors = word_vectors.embed(self.embeddings, self.tokenizer, distinct)
            return word_vectors.nearest(distinct, vectors, known, table, count)
        known, table = self.file
        row = {word.casefold(): i for i, word in reversed(list(enumerate(known)))}
        row |= {word: i for i, word in enumerate(known)}
        row_of = {word: row.get(word, row.get(word.casefold())) for word in distinct}
        queries = [word for word in distinct if row_of[word] is not None]
        vectors = table[[row_of[word] for word in queries]]
        neighbours = word_vectors.nearest(queries, vectors, known, table, count)
        return {word: neighbours.get(word, []) for word in distinct}

    def _is_word(self, word: str) -> bool:
        """Whether a file's entry is a single replaceable word."""
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

    A copy that equals its source, another copy or the original of any row is dropped; originals:
    the digests of all originals, if there are more than the table's. If words have labels, a whole
    word is replaced by one word, so that tags stay aligned. The column `source` has, for each row,
    the index of its original. Also returns the share of the copies' words that were replaced, and
    adds the numbers of words to the candidates' counts.
    """
    first, second = read_texts(table)
    columns = [first] if second is None else [first, second]
    replacements = [candidates.find(texts) for texts in columns]
    random = np.random.default_rng(seed)
    originals = originals or _digests(table)
    source, all_texts, indices, replaced, total = [], [], [], 0, 0
    sentences, new_sentences = None, []
    if "words" in table.column_names:
        sentences = table["words"].to_pylist()
        parts = zip(replacements[0], first, sentences, strict=True)
        replacements = [[part.only(text, row) for part, text, row in parts]]
    for row, original in enumerate(zip(*columns, strict=True)):
        versions = {original: [{}]}  # texts -> the new words of each by their place
        for _ in range(copies):
            pairs = [
                replacements[k][row].draw(text, probability, random)
                for k, text in enumerate(original)
            ]
            copy = tuple(text for text, _ in pairs)
            if copy not in versions and _digest(copy) not in originals:
                versions[copy] = [changes for _, changes in pairs]
        replaced += sum(len(changes) for texts in versions.values() for changes in texts)
        total += (len(versions) - 1) * sum(column[row].words for column in replacements)
        source += [len(all_texts)] * len(versions)
        indices += [row] * len(versions)
        all_texts += versions
        if sentences is not None:
            new_sentences += [
                changed_words(first[row], sentences[row], changes)
                for [changes] in versions.values()
            ]
    augmented = table.take(pa.array(indices, pa.int64()))
    if sentences is not None:
        values = pa.array(new_sentences, pa.list_(pa.string()))
        augmented = augmented.set_column(table.column_names.index("words"), "words", values)
    for k, name in enumerate(("text_a", "text_b")[: len(columns)]):
        values = pa.array([texts[k] for texts in all_texts], pa.string())
        augmented = augmented.set_column(augmented.column_names.index(name), name, values)
    if TEACHER_LOGITS in augmented.column_names:  # they are those of the original's texts
        rows = [row if source[i] == i else None for i, row in enumerate(indices)]
        values = table[TEACHER_LOGITS].take(pa.array(rows, pa.int64()))
        augmented = augmented.drop_columns(TEACHER_LOGITS).append_column(TEACHER_LOGITS, values)
    candidates.counts.update(words_replaced=replaced, words_of_copies=total)
    augmented = augmented.append_column("source", pa.array(source, pa.int64()))
    return augmented, replaced / total if total else 0.0


def augment_task(
    task: Path,
    model: Path,
    out: Path,
    settings: Augment,
    max_length: int,
    precision: str,
    seed: int,
    checkpoint_dir: Path,
    stride: int = 0,
) -> dict:
    """Writes shards NNNNN.parquet: SHARD labelled rows each with all their copies, then unlabelled
    rows. stride: of windows, each of which is a row; 0: long texts stay whole.

    Unlabelled rows have a null label or score; `source` is the index of a row of the same shard.
    The processes share the shards; the result does not depend on their number. checkpoint_dir:
    directory to resume from. Returns counts.
    """
    train, raw = read_tables(task)
    if stride:
        train = in_windows(train, model, max_length, stride)
        raw = raw and in_windows(raw, model, max_length, stride)
    candidates, originals = None, set()
    if settings.copies and len(train):
        candidates = Candidates(model, settings, max_length, precision)
        candidates.chinese = _chinese(train, settings.language)
        originals = _digests(train)
    shards = [
        (table, start)
        for table in (train, raw)
        if table is not None
        for start in range(0, len(table), SHARD)
    ]
    folder = checkpoint_dir / machine_kind(precision)
    folder.mkdir(exist_ok=True)
    files = [folder / f"{i:05}.parquet" for i in range(len(shards))]
    for i in distributed.shard(range(len(shards))):
        if files[i].exists():
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
        with atomic_write(files[i]) as file:
            pq.write_table(part, file)
    distributed.barrier()
    if distributed.is_main():
        link_or_copy(files, out)
    return _summary(files, len(train), candidates, raw)


def _summary(files: list[Path], rows_in: int, candidates: Candidates | None, raw) -> dict:
    """The counts of all shards."""
    total: Counter = Counter()
    for file in files:
        total.update(json.loads(pq.read_schema(file).metadata[COUNTS]))
    summary = {"rows_in": rows_in, "rows_out": total["rows_out"]}
    if candidates:
        replaced, words = total["words_replaced"], total["words_of_copies"]
        summary["share_of_words_replaced"] = round(replaced / words, 4) if words else 0.0
        summary |= candidates.file_counts | {name: total[name] for name in REPORTED}
    if raw is not None:
        summary["unlabeled_rows"] = len(raw)
    return summary


def _chinese(table: pa.Table, language: str) -> list[str]:
    """The replaceable Chinese words of all rows: a short shard alone would have too few.

    The processes share the rows.
    """
    chinese = set()
    for start in distributed.shard(range(0, len(table), SHARD)):
        columns = read_texts(table.slice(start, SHARD))
        for text in (text for column in columns for text in column or ()):
            if words.HAN.search(text):
                spans = words.find(text, language)[0]
                chinese.update(text[a:b] for a, b in spans if words.HAN.match(text[a:b]))
    return sorted(set().union(*distributed.gather(sorted(chinese))))


def _digests(table: pa.Table) -> set[int]:
    digests = set()
    for start in range(0, len(table), SHARD):  # texts take far more memory than their digests
        first, second = read_texts(table.slice(start, SHARD))
        digests.update(map(_digest, zip(first, *([second] if second else []), strict=True)))
    return digests


def _digest(texts: tuple[str, ...]) -> int:
    joined = "\0".join(texts).encode()
    return int.from_bytes(hashlib.blake2b(joined, digest_size=8).digest())
