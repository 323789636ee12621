"""A teacher of BERT-large's sizes on a small machine: minutes and memory, planned and taken.

    python -m benchmarks.large_teacher [--rows 2000] [--work FOLDER] [--json FILE]

A fine-tuned teacher (24 layers, 1,024 wide) with random weights, which cost as much as trained
ones, and a 4x320 student that starts from it in closed form, without general text. The texts are
the default task's, of the last `make run`. The stages run in a clone of the last commit, each as a
process of its own; `tinybert plan` says beforehand what it needs. The peak is the maximum
resident size: it includes memory-mapped files, which the system can evict.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML
from tabulate import tabulate
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from benchmarks.machine import describe
from tinybert.commands.plan import rate_here, work_of
from tinybert.pipeline import params, paths
from tinybert.pipeline.files import write_json

ROOT = Path(__file__).parents[1]
NAME, TEACHER = "large", "data/models/large"
SIZES = {
    "num_hidden_layers": 24, "hidden_size": 1024, "num_attention_heads": 16,
    "intermediate_size": 4096,
}  # fmt: skip
STUDENT = {
    "num_hidden_layers": 4, "hidden_size": 320, "num_attention_heads": 16,
    "intermediate_size": 1280,
}  # fmt: skip
STAGES = (
    "fetch_pretrained", "prepare_task", "prepare_corpus", "distill_general", "finetune_teacher",
    "augment", "prune_vocabulary", "distill_intermediate", "label", "distill_prediction",
)  # fmt: skip
OF_ALL = ("fetch_pretrained", "prepare_corpus", "distill_general")  # tasks


def prepare(folder: Path, rows: int) -> None:
    """A clone with the teacher, the task's texts and its params.yaml."""
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    raw = folder / paths.raw(NAME)
    raw.mkdir(parents=True)
    tables = ROOT / paths.tables("pydocs")
    labels = sorted(pd.read_parquet(tables / "train.parquet")["label"].unique().tolist())
    for split in ("train", "dev"):
        table = pd.read_parquet(tables / f"{split}.parquet").head(rows // 4)
        texts = table.assign(text=table["text_a"], label="class " + table["label"].astype(str))
        texts[["text", "label"]].to_parquet(raw / f"{split}.parquet", index=False)
    unlabelled = pd.read_parquet(tables / "unlabeled.parquet").head(rows - rows // 4)
    unlabelled[["text_a"]].rename(columns={"text_a": "text"}).to_parquet(
        raw / "unlabeled.parquet", index=False
    )
    tokenizer = AutoTokenizer.from_pretrained(ROOT / paths.PRETRAINED)
    names = [f"class {label}" for label in labels]
    config = BertConfig(
        **SIZES, vocab_size=len(tokenizer), id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
    )  # fmt: skip
    for part in (BertForSequenceClassification(config), tokenizer):
        part.save_pretrained(folder / TEACHER)
    values = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
    values["pretrained"] = {"model": TEACHER, "revision": None, "sha256": None}
    values["corpus"]["path"], values["general"]["epochs"] = None, 0
    values["student"] |= STUDENT
    values["augment"]["copies"] = 0
    task = {"data": {"teacher": TEACHER}, "augment": {}, "intermediate": {}, "prediction": {}}
    values |= {"tasks": [NAME], "task": {NAME: task}}
    YAML().dump(values, folder / "params.yaml")


def run(folder: Path) -> dict[str, dict[str, float]]:
    """Seconds and gigabytes of each stage, planned before the first runs, and taken."""
    with contextlib.chdir(folder):
        settings = params.load()
        work = work_of(settings, {*STAGES, *(f"{stage}@{NAME}" for stage in STAGES)},
                       rate_here(settings), [])[NAME]  # fmt: skip
        planned = {stage: work.cost(stage) for stage in STAGES}
    results = {}
    for stage in STAGES:
        command = [sys.executable, "-m", f"stages.{stage}", *([] if stage in OF_ALL else [NAME])]
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, stdout=sys.stderr)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"stages.{stage} failed")
        cost = planned[stage]
        results[stage] = {
            "planned_seconds": round(cost.seconds, 1),
            "seconds": round(time.monotonic() - started, 1),
            "planned_gigabytes": round(cost.memory / 1e9, 1),
            "gigabytes": round(usage.ru_maxrss * 1024 / 1e9, 1),
        }
        print(stage, results[stage], file=sys.stderr, flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=2000, help="a quarter of them has labels")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        folder = Path(work) / "clone"
        prepare(folder, options.rows)
        results = run(folder)
    total = sum(result["seconds"] for result in results.values())
    planned = sum(result["planned_seconds"] for result in results.values())
    header = ["stage", "planned, s", "took, s", "planned, GB", "peak, GB"]
    rows = [[stage, *result.values()] for stage, result in results.items()]
    rows.append(["all", planned, total, *(
        max(result[key] for result in results.values())
        for key in ("planned_gigabytes", "gigabytes")
    )])  # fmt: skip
    print(tabulate(rows, header, tablefmt="github", floatfmt=".1f"))
    print(f"\n{describe()}; {options.rows:,} rows")
    if options.json:
        write_json(options.json, {**results, "machine": describe()})


if __name__ == "__main__":
    main()
