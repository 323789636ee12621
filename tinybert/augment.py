"""Data augmentation by word replacement (paper §3.3 and algorithm 1).

Each copy of a text replaces each of its words with probability p by one of K candidates: what the
masked-language model would put there if it has such a head and the word is one token, else the
words whose embeddings are nearest. Both texts of a pair are changed, each from its original.
"""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from tqdm import tqdm
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, PreTrainedTokenizerBase

from tinybert import pretrained
from tinybert.device import accelerator
from tinybert.encode import encode, inference_batches, model_inputs, read_texts

WORD = re.compile(r"[^\W\d_]+")
MASKED_BATCH = 64
# For each text: (start, end, candidates) of each word that may be replaced.
Places = list[tuple[int, int, list[str]]]


class Candidates:
    """Finds the K candidates of each word of some texts. folder: a pretrained model."""

    def __init__(self, folder: Path, count: int, max_length: int, precision: str):
        self.count, self.max_length, self.precision = count, max_length, precision
        self.tokenizer = pretrained.load_tokenizer(folder)
        config = AutoConfig.from_pretrained(folder)
        self.masked = any("ForMaskedLM" in name for name in config.architectures or [])
        self.model = pretrained.load(AutoModelForMaskedLM if self.masked else AutoModel, folder)
        self.words = _whole_words(self.tokenizer)  # token id -> word
        self.single = {word: token for token, word in self.words.items()}
        self.looked_at = min(count + 1, len(self.words))  # one more: the word itself is left out

    def places(self, texts: list[str]) -> list[Places]:
        """For each text, its replaceable words and their candidates, in order."""
        spans = [[m.span() for m in WORD.finditer(text) if _replaceable(m[0])] for text in texts]
        spelled = [
            [(start, end, text[start:end].casefold()) for start, end in found]
            for text, found in zip(texts, spans, strict=True)
        ]
        distinct = sorted({word for found in spelled for *_, word in found})
        near = self._nearest_words(distinct)
        places = [[(start, end, near[word]) for start, end, word in found] for found in spelled]
        return self._masked_words(texts, spelled, places) if self.masked else places

    @torch.inference_mode()
    def _nearest_words(self, distinct: list[str]) -> dict[str, list[str]]:
        """By cosine of the model's own token embeddings; a word of several tokens is their mean."""
        if not distinct:
            return {}
        table = self.model.get_input_embeddings().weight.float()
        ids = torch.tensor(list(self.words))
        known = torch.nn.functional.normalize(table[ids], dim=-1)  # (vocabulary's words, width)
        found = {}
        for start in range(0, len(distinct), 1024):
            group = distinct[start : start + 1024]
            pieces = self.tokenizer(group, add_special_tokens=False)["input_ids"]
            own = torch.stack([table[p].mean(0) if p else table[0] * 0 for p in pieces])
            likeness = torch.nn.functional.normalize(own, dim=-1) @ known.T
            best = likeness.topk(self.looked_at).indices
            for word, row in zip(group, best, strict=True):
                others = [other for i in row if (other := self.words[int(ids[i])]) != word]
                found[word] = others[: self.count]
        return found

    @torch.inference_mode()
    def _masked_words(self, texts: list[str], spelled: list, places: list[Places]) -> list[Places]:
        """Puts the masked-language model's words at the places of words that are one token."""
        machine = accelerator(self.precision)
        model = self.model.to(machine.device).eval()
        asked = [
            (i, j)
            for i, found in enumerate(spelled)
            for j, p in enumerate(found)
            if p[2] in self.single
        ]
        mask = self.tokenizer.mask_token
        masked = [
            texts[i][: spelled[i][j][0]] + mask + texts[i][spelled[i][j][1] :] for i, j in asked
        ]
        if not masked:
            return places
        rows = encode(masked, None, self.tokenizer, self.max_length)
        ids = torch.tensor(list(self.words), device=machine.device)
        for indices in tqdm(
            inference_batches(rows, MASKED_BATCH), desc="masked words", unit="batch"
        ):
            with machine.autocast():
                batch = {
                    k: v.to(machine.device) for k, v in model_inputs(rows.batch(indices)).items()
                }
                at = batch["input_ids"] == self.tokenizer.mask_token_id
                # A place beyond max_length has no mask; a text may hold a [MASK] of its own.
                which, first = at.any(1).nonzero()[:, 0], at.int().argmax(1)
                hidden = model.base_model(**batch).last_hidden_state[which, first[which]]
                likeness = _head(model)(hidden)[:, ids].float()
            best = likeness.topk(self.looked_at).indices
            for place, row in zip(which.tolist(), best.cpu(), strict=True):
                i, j = asked[indices[place]]
                start, end, word = spelled[i][j]
                others = [other for k in row if (other := self.words[int(ids[k])]) != word]
                places[i][j] = (start, end, others[: self.count])
        return places


def augment(
    table: pa.Table, candidates: Candidates, copies: int, probability: float, seed: int
) -> pa.Table:
    """The rows of a canonical table, each followed by at most `copies` changed copies of it.

    A copy equal to its source, to another copy or to another row's original is left out.
    """
    first, second = read_texts(table)
    columns = [first] if second is None else [first, second]
    places = [candidates.places(texts) for texts in columns]
    random = np.random.default_rng(seed)
    originals = set(zip(*columns, strict=True))
    source, changed = [], []
    for row, original in enumerate(zip(*columns, strict=True)):
        kept = {original: None}
        for _ in range(copies):
            copy = tuple(
                _replace(text, places[k][row], probability, random)
                for k, text in enumerate(original)
            )
            if copy not in originals:
                kept[copy] = None
        source += [row] * len(kept)
        changed += kept
    grown = table.take(pa.array(source, pa.int64()))
    for k, name in enumerate(("text_a", "text_b")[: len(columns)]):
        values = pa.array([texts[k] for texts in changed], pa.string())
        grown = grown.set_column(grown.column_names.index(name), name, values)
    return grown


def run(task: Path, model: Path, out: Path, settings, max_length: int, precision: str, seed: int):
    """Writes rows.parquet: the labelled rows with their copies, then the unlabelled rows.

    settings: the section `augment`. Unlabelled rows have a null label or score.
    """
    table = pq.read_table(task / "train.parquet")
    if settings.copies:
        candidates = Candidates(model, settings.candidates, max_length, precision)
        table = augment(table, candidates, settings.copies, settings.replace_probability, seed)
    if (task / "unlabeled.parquet").exists():
        raw = pq.read_table(task / "unlabeled.parquet")
        table = pa.concat_tables([table, raw], promote_options="default")
    out.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, out / "rows.parquet")


def _replaceable(word: str) -> bool:
    return len(word) > 1 and word.casefold() not in ENGLISH_STOP_WORDS


def _replace(text: str, places: Places, probability: float, random: np.random.Generator) -> str:
    parts, end = [], 0
    for start, stop, words in places:
        if words and random.random() < probability:
            parts += [text[end:start], words[random.integers(len(words))]]
            end = stop
    return "".join([*parts, text[end:]])


def _whole_words(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """Token ids that are a whole word by themselves, with the word, casefolded."""
    words = {}
    for token, i in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]):
        word = tokenizer.convert_tokens_to_string([token]).strip()
        if WORD.fullmatch(word) and _replaceable(word) and not token.startswith("##"):
            words[i] = word.casefold()
    return words


def _head(model):
    """The masked-language-model head: (n, width) -> (n, vocabulary)."""
    return model.cls if hasattr(model, "cls") else model.lm_head
