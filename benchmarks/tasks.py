"""Public data sets through the whole pipeline with a small budget: scores and time of each task.

    python -m benchmarks.tasks [sst2 mrpc ...] [--data ../shared/data] [--rows 4000] [--json FILE]

In a temporary clone of the last commit, one task after another is added to `tasks`, so the time of
a task is that of its own stages. Train is cut to --rows random rows, always the same ones; dev and
test are complete. English tasks use the embedded default's pretrained model and share one general
student; Chinese ones use a model that is trained from scratch in some minutes.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML

from benchmarks.machine import describe
from tinybert.pipeline import paths
from tinybert.pipeline.files import read_json, write_json

ROOT = Path(__file__).parent.parent


class Source(NamedTuple):
    folder: str
    data: dict  # task.<name>.data in params.yaml
    train: str = "train.tsv"
    header: bool = True
    chinese: bool = False


SOURCES = {
    "sst2": Source("glue/SST-2", {"benchmark": "glue/sst2"}),
    "mrpc": Source("glue/MRPC", {"benchmark": "glue/mrpc"}),
    "stsb": Source("glue/STS-B", {"benchmark": "glue/stsb"}),
    "cola": Source("glue/CoLA", {"benchmark": "glue/cola"}, header=False),
    "trec": Source("trec", {"benchmark": "trec"}, "TREC.train", header=False),
    "chnsenticorp": Source("zh/chnsenticorp", {}, chinese=True),
    "seed": Source("seed", {"labels": [0, 1], "drop_broken": True}, "train.txt", False, True),
}
# Changes to params.yaml.
BUDGET = {
    "corpus": {"path": "data/raw/text", "max_tokens": 500_000},
    "teacher": {"epochs": 2},
    "baseline": {"epochs": 4},
    "prediction": {"epochs": 2},
    "export": {"max_drop": 100},
}
CHINESE = {
    "pretrained": {"model": "data/models/tiny", "sha256": None},
    "augment": {"language": "zh"},
    "student": {
        "num_hidden_layers": 2, "hidden_size": 48,
        "num_attention_heads": 6, "intermediate_size": 192,
    },
}  # fmt: skip


def cut(file: Path, rows: int, header: bool) -> None:
    """Keeps `rows` random lines of the file, and the header."""
    lines = file.read_bytes().splitlines(keepends=True)
    count = min(rows, len(lines) - header)
    sample = sorted(random.Random(0).sample(range(header, len(lines)), count))
    file.write_bytes(b"".join([*lines[:header], *(lines[i] for i in sample)]))


class Workspace:
    """A clone of the last commit, with a general corpus of one language."""

    def __init__(self, folder: Path, data: Path, chinese: bool):
        self.folder, self.data = folder, data
        subprocess.run(["git", "clone", "--quiet", str(ROOT), folder], check=True)
        language = "zh" if chinese else "en"
        shutil.copytree(data / "corpus" / language, folder / "data/raw/text")
        self.values = YAML(typ="safe", pure=True).load(folder / "params.yaml")
        for changes in (BUDGET, CHINESE if chinese else {}):
            for key, value in changes.items():
                self.values[key] = {**self.values[key], **value}
        self.values |= {"tasks": [], "task": {}}
        if chinese:
            command = [
                sys.executable,
                "-m",
                "tests.project.chinese",
                str(folder / "data/models/tiny"),
            ]
            subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)

    def repro(self, *targets: str) -> float:
        """Minutes of `dvc repro`."""
        YAML().dump(self.values, self.folder / "params.yaml")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        start = time.perf_counter()
        with (self.folder / "repro.log").open("a") as log:
            done = subprocess.run(
                [sys.executable, "-m", "dvc", "repro", *targets], cwd=self.folder,
                env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"},
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        if done.returncode:
            sys.exit((self.folder / "repro.log").read_text()[-2000:])
        return (time.perf_counter() - start) / 60

    def add(self, name: str, source: Source, rows: int) -> None:
        raw = self.folder / "data/raw" / name
        shutil.copytree(self.data / source.folder, raw)
        cut(raw / source.train, rows, source.header)
        self.values["tasks"].append(name)
        self.values["task"][name] = {
            "data": source.data, "augment": {}, "intermediate": {}, "prediction": {},
        }  # fmt: skip

    def run(self, name: str) -> dict:
        minutes = self.repro()
        augmented, result = (
            read_json(self.folder / paths.metrics(stage, name)) for stage in ("augment", "eval")
        )
        models = {model: result[model] for model in ("baseline", "teacher", "student")}
        return {
            "rows": augmented["rows_in"],
            "augmented": augmented["rows_out"],
            "split": result["split"],
            "scored": result["rows"],
            "metric": result["metric"],
            **{model: 100 * scores[result["metric"]] for model, scores in models.items()},
            "minutes": minutes,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(SOURCES))
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if unknown := set(options.tasks) - set(SOURCES):
        parser.error(f"no such task: {', '.join(sorted(unknown))}; there are {', '.join(SOURCES)}")
    chosen = {name: SOURCES[name] for name in options.tasks or SOURCES}
    results, shared = {}, {}
    for chinese in sorted({source.chinese for source in chosen.values()}):
        with tempfile.TemporaryDirectory() as work:
            workspace = Workspace(Path(work) / "clone", options.data.resolve(), chinese)
            for name, source in chosen.items():
                if source.chinese == chinese:
                    workspace.add(name, source, options.rows)
                    language = "Chinese" if chinese else "English"
                    if language not in shared:
                        shared[language] = workspace.repro("distill_general")
                    results[name] = workspace.run(name)
                    print(name, results[name], file=sys.stderr, flush=True)
    print(f"{describe()}\n")
    for language, minutes in shared.items():
        print(f"{language}: general student after {minutes:.1f} min\n")
    print("| task | train rows, augmented | scored | metric | baseline | teacher | student | min |")
    print("| --- | ---: | --- | --- | ---: | ---: | ---: | ---: |")
    for name, row in results.items():
        print(
            f"| {name} | {row['rows']:,}, {row['augmented']:,} | {row['split']}, {row['scored']:,} "
            f"| {row['metric']} | {row['baseline']:.1f} | {row['teacher']:.1f} "
            f"| {row['student']:.1f} | {row['minutes']:.1f} |"
        )
    if options.json:
        write_json(options.json, {**results, "general_minutes": shared, "machine": describe()})


if __name__ == "__main__":
    main()
