"""Rows that a model cannot read as they are: with unknown tokens, or cut."""

from collections import Counter

import numpy as np
from transformers import PreTrainedTokenizerBase

from tinybert.data.raw.columns import Table
from tinybert.data.raw.same import special_tokens
from tinybert.pipeline.wording import plural

# Share of the tokens. Published data has less, though a Chinese vocabulary lacks some punctuation.
UNKNOWN = 0.05
EXAMPLES = 200  # rows in which to look for unknown words
SHOWN = 5
CUT = 0.25  # share of the rows: of a quarter, the model does not see the end
KEPT = 95  # per cent of the rows that the proposed length does not cut
LONGEST = 512  # tokens, as params.yaml allows


def count_tokens(
    split: str, table: Table, tokenizer: PreTrainedTokenizerBase, max_length: int, counts: dict
) -> None:
    """Adds to a split's counts the lengths, the rows cut at max_length and the share of unknown
    tokens, special ones not counted; and lines for what is worth one. The table is marked
    (same.mark)."""
    lengths, unknown = np.array(table.columns["length"]), table.columns["unknown"]
    counts["tokens"] = {
        "total": int(lengths.sum()),
        "median": int(np.median(lengths)),
        "max": int(lengths.max()),
    }
    cut = np.flatnonzero(lengths > max_length)
    counts["rows_cut"] = len(cut)
    has_tags = "words" in table.columns
    if (len(cut) > CUT * len(table) and split == "train") or (has_tags and len(cut)):
        enough = min(LONGEST, int(np.percentile(lengths, KEPT, method="higher")))
        more = "" if "text_b" in table.columns else "; encode.long_texts: windows would cut none"
        if has_tags:  # windows are for labels of texts
            more = "; words after that are not learnt, and count as no entity"
        counts["notices"]["cut"] = (
            f"{plural(len(cut), 'row is', 'rows are')} cut at {max_length} tokens, the first in "
            f"{table.where(cut[0])}: encode.max_length: {enough} in params.yaml would cut "
            f"{int((lengths > enough).sum())}{more}"
        )
    special = len(table) * special_tokens(tokenizer, table)
    share = sum(unknown) / max(1, int(lengths.sum()) - special)
    counts["unknown_tokens"] = round(share, 4)
    if share > UNKNOWN:
        rows = [row for row, count in enumerate(unknown) if count]
        words = ", ".join(map(repr, _unknown_words(table, rows[:EXAMPLES], tokenizer)))
        often = f", most often {words}" if words else ""
        counts["notices"]["unknown_tokens"] = (
            f"{100 * share:.1f} % of the tokens, in {plural(len(rows), 'row', 'rows')}, are "
            f"unknown to the model, the first in {table.where(rows[0])}{often}; choose a "
            "pretrained.model in params.yaml that knows them"
        )


def _unknown_words(table: Table, rows: list[int], tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The pieces of texts that became the unknown token, most frequent first."""
    if not tokenizer.is_fast:  # others do not know the places of their tokens
        return []
    words: Counter[str] = Counter()
    for role in ("text_a", "text_b"):
        texts = [table.columns[role][row] for row in rows] if role in table.columns else []
        for text in texts:
            encoded = tokenizer(
                text, return_offsets_mapping=True, add_special_tokens=False, verbose=False
            )
            for token, (start, end) in zip(
                encoded["input_ids"], encoded["offset_mapping"], strict=True
            ):
                if token == tokenizer.unk_token_id:
                    words[text[start:end][:20]] += 1
    return [word for word, _ in words.most_common(SHOWN)]
