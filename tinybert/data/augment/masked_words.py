"""Replacements for words, predicted by a masked-language model, for many texts at once.

A word is masked as a whole. A row masks several words of a text, about the share that was masked
in pretraining, and rows of similar length share a batch: the cost is a few forward passes per
text instead of one per word.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinybert.data.augment.word_vectors import others
from tinybert.data.augment.words import HAN, Span
from tinybert.models.chunks import chunks
from tinybert.models.device import frozen
from tinybert.models.rows import Rows, model_inputs

MASKED_SHARE = 0.15  # of a row's tokens: BERT's pretraining (1810.04805, §3.1)
# Tokens in a batch. On a CPU larger batches save no time, and their rows need more padding.
BATCH_TOKENS = {"cpu": 1024, "cuda": 16384}


@dataclass
class _Word:
    """A word to predict: its text, its span within the text, its first token and their number."""

    text: int
    span: int
    first: int
    count: int


class MaskedWords:
    """Predicts replacements for words.

    model: with a masked-language-model head. words: the tokens that are words, id -> word. phrases:
    words of several tokens (Chinese); each may replace another with the same number of tokens.
    """

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
            ids = tokenizer(phrase, add_special_tokens=False)["input_ids"]
            by_length[len(ids)].append((phrase, ids))
        self.phrases = {
            length: ([phrase for phrase, _ in group], torch.tensor([ids for _, ids in group]))
            for length, group in by_length.items()
        }

    def find(
        self, texts: list[str], spans: list[list[Span]], count: int
    ) -> dict[tuple[int, int], list[str]]:
        """The `count` most probable words for each (text, span) that the model can predict.

        Those are words of one token, and Chinese words. spans: each text's words, in order.
        """
        rows, words_of = self._masked_rows(texts, spans)
        predictions = {}
        budget = BATCH_TOKENS.get(self.model.device.type, BATCH_TOKENS["cuda"])
        for batch in tqdm(list(_batches(rows, budget)), desc="masked words", unit="batch"):
            batch_words = [words_of[i] for i in batch]
            logits = self._logits(rows, batch, batch_words)
            best = logits[:, self.ids].topk(min(count + 4, len(self.ids))).indices.tolist()
            start = 0
            for word in (word for words in batch_words for word in words):
                end = start + word.count
                original = texts[word.text][slice(*spans[word.text][word.span])]
                if _is_han(original):
                    candidates = self._phrases(logits[start:end], count + 4)
                else:
                    candidates = [self.words[self.ids[i]] for i in best[start]]
                predictions[word.text, word.span] = others(original, candidates, count)
                start = end
        return predictions

    def _masked_rows(
        self, texts: list[str], spans: list[list[Span]]
    ) -> tuple[Rows, list[list[_Word]]]:
        """Rows with masks, and each row's masked words, in order."""
        mask = self.tokenizer.mask_token_id
        tokens, lengths, words_of = [], [], []
        for part in chunks(texts):
            encoded = self.tokenizer(
                texts[part],
                truncation=True,
                max_length=self.max_length,
                return_offsets_mapping=True,
            )
            for i, (ids, offsets) in enumerate(
                zip(encoded["input_ids"], encoded["offset_mapping"], strict=True), part.start
            ):
                words = self._predictable(i, texts[i], spans[i], np.array(offsets))
                masks = sum(word.count for word in words)
                groups = min(len(words), max(1, round(masks / (MASKED_SHARE * len(ids)))))
                for group in range(groups):
                    row_words = words[group::groups]  # spread over the text
                    row = np.array(ids, dtype=np.int32)
                    for word in row_words:
                        row[word.first : word.first + word.count] = mask
                    tokens.append(row)
                    lengths.append(len(row))
                    words_of.append(row_words)
        flat = np.concatenate(tokens) if tokens else np.empty(0, np.int32)
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Rows(flat, starts, self.tokenizer.pad_token_id), words_of

    def _predictable(
        self, text: int, string: str, spans: list[Span], offsets: np.ndarray
    ) -> list[_Word]:
        """The words of a text that the model can predict and that were not truncated.

        offsets: (tokens, 2), each token's span in the text; (0, 0) for special tokens.
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
                words.append(_Word(text, number, int(real[first]), count))
        return words

    @torch.inference_mode()
    def _logits(self, rows: Rows, batch: list[int], batch_words: list[list[_Word]]) -> Tensor:
        """The head's logits at the masked tokens only, in order: (tokens, vocabulary)."""
        positions = [
            (i, word.first + k)
            for i, words in enumerate(batch_words)
            for word in words
            for k in range(word.count)
        ]
        row, token = torch.tensor(positions, device=self.model.device).T
        inputs = model_inputs(rows.batch(batch, pad_to=1))
        inputs = {name: tensor.to(self.model.device) for name, tensor in inputs.items()}

        def select_masked(_, __, output):
            output.last_hidden_state = output.last_hidden_state[row, token][None]
            return output

        hook = self.model.base_model.register_forward_hook(select_masked)
        try:
            return self.model(**inputs).logits[0].float().cpu()
        finally:
            hook.remove()

    def _phrases(self, logits: Tensor, count: int) -> list[str]:
        """The most probable phrases for a word's logits, (tokens, vocabulary)."""
        phrases, ids = self.phrases[len(logits)]
        # The sum of log-probabilities, up to a constant.
        scores = logits.gather(1, ids.T).sum(0)
        return [phrases[i] for i in scores.topk(min(count, len(phrases))).indices.tolist()]


def _is_han(word: str) -> bool:
    return HAN.match(word) is not None


def _batches(rows: Rows, budget: int) -> Iterator[list[int]]:
    """Batches of row indices, longest rows first, of at most `budget` padded tokens or one row."""
    order = np.argsort(-rows.lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, budget // int(rows.lengths[order[start]]))
        yield order[start : start + size].tolist()
        start += size
