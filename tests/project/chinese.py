"""A small Chinese BERT, trained from nothing: whole words are masked, as rjieba cuts them.

No published one can be downloaded where these tests run. `python -m tests.project.chinese FOLDER`
trains one that is larger than that of the tests, in some minutes.
"""

import sys
from pathlib import Path

import numpy as np
import rjieba
import torch
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertForMaskedLM, BertTokenizer, PreTrainedTokenizerBase

from tinybert.data.corpus import sources
from tinybert.models.encode import encode
from tinybert.models.rows import Rows, model_inputs
from tinybert.pipeline.schema import Training
from tinybert.training import loop

DATA = Path(__file__).parents[3] / "shared/data"
MASKED, IGNORED = 0.15, -100


def chinese_tokenizer() -> PreTrainedTokenizerBase:
    return BertTokenizer(str(DATA / "vocab/bert-base-chinese-vocab.txt"))


def texts() -> list[str]:
    return [
        sentence.strip()
        for paragraph in sources.paragraphs(DATA / "corpus/zh/cmrc2018_contexts.txt")
        for sentence in sources.sentences(paragraph)
    ]


def word_of_token(lines: list[str], tokenizer: PreTrainedTokenizerBase, rows: Rows) -> np.ndarray:
    """For every token of the rows, a number that the tokens of one word share; 0: none's."""
    numbers, words = [], 0
    encoded = tokenizer(lines, truncation=True, max_length=64, return_offsets_mapping=True)
    for line, offsets in zip(lines, encoded["offset_mapping"], strict=True):
        of_character = np.zeros(len(line), dtype=np.int64)
        start = 0
        for word in rjieba.cut(line):
            words += 1
            of_character[start : start + len(word)] = words
            start += len(word)
        numbers += [of_character[a] if b > a else 0 for a, b in offsets]
    assert len(numbers) == len(rows.tokens)
    return np.array(numbers)


class MaskedLanguageLoss(nn.Module):
    """Cross-entropy of the masked tokens; a fresh 15 % of the words each time."""

    def __init__(self, student: BertForMaskedLM, rows: Rows, words: np.ndarray, mask: int):
        super().__init__()
        self.student, self.rows, self.words, self.mask = student, rows, words, mask

    def masked(self, batch: dict) -> tuple[dict, torch.Tensor]:
        inputs = model_inputs(batch)
        word = torch.zeros_like(inputs["input_ids"])
        for i, row in enumerate(batch["row"].tolist()):
            words = self.words[self.rows.starts[row] : self.rows.starts[row + 1]]
            word[i, : len(words)] = torch.from_numpy(words)
        chosen = torch.rand(int(self.words.max()) + 1) < MASKED
        chosen[0] = False
        at = chosen[word]
        target = torch.where(at, inputs["input_ids"], IGNORED)
        return {**inputs, "input_ids": inputs["input_ids"].masked_fill(at, self.mask)}, target

    def forward(self, batch: dict) -> dict[str, torch.Tensor]:
        inputs, target = self.masked(batch)
        at = target != IGNORED
        hidden = self.student.bert(**inputs).last_hidden_state[at]
        logits = self.student.cls(hidden)
        loss = F.cross_entropy(logits.float(), target[at]) if len(hidden) else hidden.sum()
        return {"loss": loss}


def objective_of(model: BertForMaskedLM, lines: list[str]) -> MaskedLanguageLoss:
    tokenizer = chinese_tokenizer()
    rows = encode(lines, None, tokenizer, max_length=64)
    return MaskedLanguageLoss(
        model, rows, word_of_token(lines, tokenizer, rows), tokenizer.mask_token_id
    )


def pretrain(folder: Path, lines: list[str], epochs: int, **sizes: int) -> BertForMaskedLM:
    """Trains on the lines and saves model and tokenizer."""
    tokenizer = chinese_tokenizer()
    torch.manual_seed(0)
    model = BertForMaskedLM(
        BertConfig(vocab_size=len(tokenizer), max_position_embeddings=128, **sizes)
    )
    objective = objective_of(model, lines)
    settings = Training(
        epochs=epochs, batch_size=32, lr=2e-3,
        warmup=0.1, weight_decay=0.01, max_grad_norm=1.0, dropout=0.0,
    )  # fmt: skip
    loop.fit(objective, objective.rows, settings, seed=0, precision="auto", log=folder / "log")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


if __name__ == "__main__":
    pretrain(
        Path(sys.argv[1]), texts(), epochs=3, hidden_size=96, num_hidden_layers=4,
        num_attention_heads=6, intermediate_size=384,
    )  # fmt: skip
