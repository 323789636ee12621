"""Loading a tokenizer. A separate module, since some stages need no model."""

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(folder)
