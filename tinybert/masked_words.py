"""What a masked-language model would put in the place of words, for many texts at once.

A word is masked as a whole. Several words of a text are masked in one row, about as much of
it as in the model's own training, and rows of like length share a batch: so the cost is that of a
few passes over the texts, not of one pass for each word.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinybert.device import frozen
from tinybert.encode import CHUNK, Rows, model_inputs
from tinybert.word_vectors import others
from tinybert.words import HAN, Span

MASKED_SHARE = 0.15  # of the tokens of a row: BERT's training (1810.04805, §3.1)
# Of a batch. More save nothing on a CPU, and spread its rows over more lengths.
BATCH_TOKENS = {"cpu": 1024, "cuda": 16384}


@dataclass
class _Asked:
    """A word: text and span number, and its first token in the text and their number."""

    text: int
    span: int
    first: int
    count: int


class MaskedWords:
    """model: with a masked-language-model head. words: tokens that are words, id -> word. phrases:
    words of several tokens that may be put for another of as many (Chinese)."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        words: dict[int, str],
        phrases: list[str],
        max_length: int,
        precision: str,
    ):
        self.model = frozen(model, precision)
        self.tokenizer, self.words, self.max_length = tokenizer, words, max_length
        self.ids = list(words)
        by_length = defaultdict(list)
        for phrase in phrases:
            own = tokenizer(phrase, add_special_tokens=False)["input_ids"]
            by_length[len(own)].append((phrase, own))
        self.phrases = {
            length: ([phrase for phrase, _ in own], torch.tensor([ids for _, ids in own]))
            for length, own in by_length.items()
        }

    def find(
        self, texts: list[str], spans: list[list[Span]], count: int
    ) -> dict[tuple[int, int], list[str]]:
        """The `count` best words for (text, span), where the model can tell: for words of one
        token, and for Chinese words. spans: of each text, in order."""
        rows, asked = self._masked_rows(texts, spans)
        found = {}
        budget = BATCH_TOKENS.get(self.model.device.type, BATCH_TOKENS["cuda"])
        for batch in tqdm(list(_batches(rows, budget)), desc="masked words", unit="batch"):
            own = [asked[i] for i in batch]
            logits = self._logits(rows, batch, own)
            best = logits[:, self.ids].topk(min(count + 4, len(self.ids))).indices.tolist()
            start = 0
            for word in (word for words in own for word in words):
                end = start + word.count
                original = texts[word.text][slice(*spans[word.text][word.span])]
                if _is_han(original):
                    candidates = self._phrases(logits[start:end], count + 4)
                else:
                    candidates = [self.words[self.ids[i]] for i in best[start]]
                found[word.text, word.span] = others(original, candidates, count)
                start = end
        return found

    def _masked_rows(
        self, texts: list[str], spans: list[list[Span]]
    ) -> tuple[Rows, list[list[_Asked]]]:
        """Rows with masks, and the words that are asked for in each, in order."""
        mask = self.tokenizer.mask_token_id
        tokens, lengths, asked = [], [], []
        for start in range(0, len(texts), CHUNK):
            encoded = self.tokenizer(
                texts[start : start + CHUNK],
                truncation=True,
                max_length=self.max_length,
                return_offsets_mapping=True,
            )
            for i, (ids, offsets) in enumerate(
                zip(encoded["input_ids"], encoded["offset_mapping"], strict=True), start
            ):
                words = self._askable(i, texts[i], spans[i], np.array(offsets))
                masked = sum(word.count for word in words)
                groups = min(len(words), max(1, round(masked / (MASKED_SHARE * len(ids)))))
                for group in range(groups):
                    own = words[group::groups]  # spread over the text
                    row = np.array(ids, dtype=np.int32)
                    for word in own:
                        row[word.first : word.first + word.count] = mask
                    tokens.append(row)
                    lengths.append(len(row))
                    asked.append(own)
        flat = np.concatenate(tokens) if tokens else np.empty(0, np.int32)
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Rows(flat, starts, self.tokenizer.pad_token_id), asked

    def _askable(
        self, text: int, string: str, spans: list[Span], offsets: np.ndarray
    ) -> list[_Asked]:
        """The words of one text that the model can be asked for and that were not cut off.

        offsets: (tokens, 2), where in the text each token stands; (0, 0) for special tokens.
        """
        real = np.flatnonzero(offsets[:, 1] > offsets[:, 0])
        begins, ends = offsets[real, 0], offsets[real, 1]
        words = []
        for number, (start, end) in enumerate(spans):
            # Byte-level tokens may begin with the space before a word.
            first = int(np.searchsorted(ends, start, side="right"))
            last = int(np.searchsorted(ends, end, side="left"))
            if last >= len(real) or ends[last] != end or begins[first] not in (start, start - 1):
                continue
            count = last - first + 1
            known = count in self.phrases if _is_han(string[start:end]) else count == 1
            if known:
                words.append(_Asked(text, number, int(real[first]), count))
        return words

    @torch.inference_mode()
    def _logits(self, rows: Rows, batch: list[int], asked: list[list[_Asked]]) -> Tensor:
        """The head's logits at the tokens asked for only, in order: (tokens, vocabulary)."""
        places = [
            (i, word.first + k)
            for i, words in enumerate(asked)
            for word in words
            for k in range(word.count)
        ]
        row, token = torch.tensor(places, device=self.model.device).T
        inputs = model_inputs(rows.batch(batch, pad_to=1))
        inputs = {name: tensor.to(self.model.device) for name, tensor in inputs.items()}

        def keep_asked(_, __, output):
            output.last_hidden_state = output.last_hidden_state[row, token][None]
            return output

        hook = self.model.base_model.register_forward_hook(keep_asked)
        try:
            return self.model(**inputs).logits[0].float().cpu()
        finally:
            hook.remove()

    def _phrases(self, logits: Tensor, count: int) -> list[str]:
        """The best phrases for logits of one place, (tokens of the phrase, vocabulary)."""
        phrases, ids = self.phrases[len(logits)]
        # The sum of log-probabilities, but for a constant.
        scores = logits.gather(1, ids.T).sum(0)
        return [phrases[i] for i in scores.topk(min(count, len(phrases))).indices.tolist()]


def _is_han(word: str) -> bool:
    return HAN.match(word) is not None


def _batches(rows: Rows, budget: int) -> Iterator[list[int]]:
    """Rows in order of length, longest first, so many that they have `budget` tokens."""
    order = np.argsort(-rows.lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, budget // int(rows.lengths[order[start]]))
        yield order[start : start + size].tolist()
        start += size
