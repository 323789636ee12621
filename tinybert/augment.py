"""Data augmentation by word replacement (paper §3.3 and algorithm 1).

Each copy of a text replaces each of its words with probability p by one of K candidates: what the
masked-language model would put there if it has such a head and the word is one token, else the
words whose vectors are nearest. Both texts of a pair are changed, each from its original.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM

from tinybert import pretrained, word_vectors, words
from tinybert.encode import read_texts
from tinybert.masked_words import MaskedWords


@dataclass
class Places:
    """Of one text: (start, end, candidates) of each word that may be replaced, in order; and the
    number of all words."""

    replaceable: list[tuple[int, int, list[str]]]
    words: int


class Candidates:
    """Finds the K candidates of each replaceable word of some texts.

    folder: the pretrained model. settings: the section `augment`, whose word_vectors is a file, or
    `folder` for the model's own token embeddings. Which words came from where is in `counts`.
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
        self.counts: Counter = Counter()
        self.file = None
        if Path(settings.word_vectors) != folder:
            *self.file, read = word_vectors.read(Path(settings.word_vectors), self._is_word)
            self.counts.update({f"word_vectors.{name}": count for name, count in read.items()})

    def places(self, texts: list[str]) -> list[Places]:
        """For each text, its replaceable words and their candidates, in order."""
        looked = [words.find(text, self.language) for text in texts]
        spans = [found for found, _ in looked]
        distinct = sorted({t[a:b] for t, own in zip(texts, spans, strict=True) for a, b in own})
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
    table: pa.Table, candidates: Candidates, copies: int, probability: float, seed: int
) -> tuple[pa.Table, float]:
    """The rows of a canonical table, each followed by at most `copies` changed copies of it.

    A copy equal to its source, to another copy or to another row's original is left out. The
    column `source` has, for each row, the row that it is a copy of, or itself. Also returns the
    share of the copies' words that were replaced.
    """
    first, second = read_texts(table)
    columns = [first] if second is None else [first, second]
    places = [candidates.places(texts) for texts in columns]
    random = np.random.default_rng(seed)
    originals = set(zip(*columns, strict=True))
    source, changed, taken, replaced, total = [], [], [], 0, 0
    for row, original in enumerate(zip(*columns, strict=True)):
        kept = {original: 0}
        for _ in range(copies):
            pairs = [
                _replace(text, places[k][row], probability, random)
                for k, text in enumerate(original)
            ]
            copy = tuple(text for text, _ in pairs)
            if copy not in originals and copy not in kept:
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
    share = replaced / total if total else 0.0
    return grown.append_column("source", pa.array(source, pa.int64())), share


def run(
    task: Path, model: Path, out: Path, settings, max_length: int, precision: str, seed: int
) -> dict:
    """Writes rows.parquet: the labelled rows with their copies, then the unlabelled rows.

    settings: the section `augment`. Unlabelled rows have a null label or score. Returns counts.
    """
    table = pq.read_table(task / "train.parquet")
    facts: dict = {"rows_in": len(table)}
    if settings.copies:
        candidates = Candidates(model, settings, max_length, precision)
        table, share = augment(
            table, candidates, settings.copies, settings.replace_probability, seed
        )
        facts |= {"rows_out": len(table), "share_of_words_replaced": round(share, 4)}
        facts |= dict(candidates.counts)
    else:
        table = table.append_column("source", pa.array(range(len(table)), pa.int64()))
        facts["rows_out"] = len(table)
    if (task / "unlabeled.parquet").exists():
        raw = pq.read_table(task / "unlabeled.parquet")
        own = pa.array(range(len(table), len(table) + len(raw)), pa.int64())
        table = pa.concat_tables(
            [table, raw.append_column("source", own)], promote_options="default"
        )
        facts["unlabeled_rows"] = len(raw)
    out.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, out / "rows.parquet")
    return facts


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
