"""Rows that a model cannot read as they are, with unknown tokens or cut; and splits of few rows."""

from collections import Counter

from transformers import PreTrainedTokenizerBase

from tinybert.data.raw.raw_tables import Table
from tinybert.data.raw.repeats import TRAINED_ON

UNKNOWN = 0.02  # share of the tokens; published data in the model's language has less
EXAMPLES = 200  # rows in which to look for unknown words
SHOWN = 5
CUT = 0.25  # share of the rows: of a quarter, the model does not see the end
SMALL = 50  # rows: one of them is 2 points


def count_unreadable(
    split: str,
    table: Table,
    tokenizer: PreTrainedTokenizerBase | None,
    max_length: int,
    notices: dict,
) -> None:
    """Adds to a split's notices the share of unknown tokens, special ones not counted, and lines
    for what is worth one. The table is marked (same.mark)."""
    if split not in TRAINED_ON and len(table) < SMALL:
        notices["notices"]["small"] = (
            f"only {len(table)} rows ({table.file}): each is {100 / len(table):.1f} points of a "
            "score; add rows"
        )
    if tokenizer is None:
        return
    lengths, unknown = table.columns["length"], table.columns["unknown"]
    share = sum(unknown) / max(1, sum(lengths))
    notices["unknown_tokens"] = round(share, 4)
    if share > UNKNOWN:
        rows = [row for row, count in enumerate(unknown) if count]
        shown = ", ".join(map(repr, _unknown_words(table, rows[:EXAMPLES], tokenizer)))
        notices["notices"]["unknown_tokens"] = (
            f"{100 * share:.1f} % of the tokens, in {len(rows)} rows, are unknown to the model: "
            f"{table.where(rows[0])}{f', most often {shown}' if shown else ''}; use a "
            "pretrained.model for the language in params.yaml"
        )
    special = tokenizer.num_special_tokens_to_add(pair="text_b" in table.columns)
    cut = [row for row, length in enumerate(lengths) if length + special > max_length]
    if len(cut) > CUT * len(table):
        notices["notices"]["cut"] = (
            f"{len(cut)} rows have more than {max_length} tokens and are cut, the first in "
            f"{table.where(cut[0])}: encode.max_length: {max(lengths) + special} in params.yaml "
            "keeps all of them"
        )


def _unknown_words(table: Table, rows: list[int], tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The pieces of texts that became the unknown token, most frequent first."""
    if not tokenizer.is_fast:  # others do not know the places of their tokens
        return []
    words: Counter[str] = Counter()
    for role in ("text_a", "text_b"):
        texts = [table.columns[role][row] for row in rows] if role in table.columns else []
        for text in texts:
            encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
            for token, (start, end) in zip(
                encoded["input_ids"], encoded["offset_mapping"], strict=True
            ):
                if token == tokenizer.unk_token_id:
                    words[text[start:end][:20]] += 1
    return [word for word, _ in words.most_common(SHOWN)]
