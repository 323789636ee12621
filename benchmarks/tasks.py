"""Real data through the whole pipeline, with a small budget: scores and time of each task.

    python -m benchmarks.tasks [sst2 mrpc ...] [--data ../shared/data] [--rows 4000] [--json FILE]

In a temporary clone of the last commit, one task after another is added to `tasks`, so its time is
that of its own stages. Train is cut to so many rows, the same each time; dev and test are whole.
English tasks have the embedded default's teacher, and one general student; the Chinese ones a
teacher that is trained from nothing in some minutes, for there is no other without a hub.
"""

import argparse
import json
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

ROOT = Path(__file__).parent.parent


class Source(NamedTuple):
    folder: str
    settings: dict  # of the task, in params.yaml
    train: str = "train.tsv"
    header: bool = True
    chinese: bool = False


SOURCES = {
    "sst2": Source("glue/SST-2", {"form": "glue/sst2"}),
    "mrpc": Source("glue/MRPC", {"form": "glue/mrpc"}),
    "stsb": Source("glue/STS-B", {"form": "glue/stsb"}),
    "cola": Source("glue/CoLA", {"form": "glue/cola"}, header=False),
    "trec": Source("trec", {"form": "trec"}, "TREC.train", header=False),
    "chnsenticorp": Source("zh/chnsenticorp", {}, chinese=True),
    "seed": Source("seed", {"labels": [0, 1], "drop_broken": True}, "train.txt", False, True),
}
# What is other than in params.yaml.
BUDGET = {
    "tasks": [],
    "task": {},
    "corpus": {"path": "data/raw/text", "max_tokens": 500_000},
    "teacher": {"epochs": 2},
    "baseline": {"epochs": 4},
    "prediction": {"epochs": 2},
    "export": {"max_drop": 100},
}
CHINESE = {
    "pretrained": {"model": "tiny", "sha256": None},
    "augment": {"language": "zh"},
    "student": {
        "num_hidden_layers": 2, "hidden_size": 48,
        "num_attention_heads": 6, "intermediate_size": 192,
    },
}  # fmt: skip


def cut(file: Path, rows: int, header: bool) -> None:
    """Keeps so many lines of the file, and the header."""
    lines = file.read_bytes().splitlines(keepends=True)
    kept = sorted(
        random.Random(0).sample(range(header, len(lines)), min(rows, len(lines) - header))
    )
    file.write_bytes(b"".join([*lines[:header], *(lines[i] for i in kept)]))


class Workspace:
    """A clone of the last commit with general text of one language."""

    def __init__(self, folder: Path, data: Path, chinese: bool):
        self.folder, self.data = folder, data
        subprocess.run(["git", "clone", "--quiet", str(ROOT), folder], check=True)
        language = "zh" if chinese else "en"
        shutil.copytree(data / "corpus" / language, folder / "data/raw/text")
        self.values = YAML(typ="safe", pure=True).load(ROOT / "recipes/default.yaml")
        for changes in (BUDGET, CHINESE if chinese else {}):
            for key, value in changes.items():
                self.values[key] = {**self.values[key], **value} if value else value
        if chinese:
            command = [sys.executable, "-m", "tests.chinese", str(folder / "tiny")]
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
        self.values["task"][name] = source.settings

    def run(self, name: str) -> dict:
        minutes = self.repro()
        augmented, found = (
            json.loads((self.folder / f"metrics/{kind}/{name}.json").read_text())
            for kind in ("augment", "eval")
        )
        models = {model: found[model] for model in ("baseline", "teacher", "student")}
        return {
            "rows": augmented["rows_in"],
            "augmented": augmented["rows_out"],
            "split": found["split"],
            "scored": found["rows"],
            "metric": found["metric"],
            **{model: 100 * scores[found["metric"]] for model, scores in models.items()},
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
    found, shared = {}, {}
    for chinese in sorted({source.chinese for source in chosen.values()}):
        with tempfile.TemporaryDirectory() as work:
            own = Workspace(Path(work) / "clone", options.data.resolve(), chinese)
            for name, source in chosen.items():
                if source.chinese == chinese:
                    own.add(name, source, options.rows)
                    language = "Chinese" if chinese else "English"
                    if language not in shared:
                        shared[language] = own.repro("distill_general")
                    found[name] = own.run(name)
                    print(name, found[name], file=sys.stderr, flush=True)
    print(f"{describe()}\n")
    for language, minutes in shared.items():
        print(f"{language}: general student after {minutes:.1f} min\n")
    print("| task | train rows, augmented | scored | metric | baseline | teacher | student | min |")
    print("| --- | ---: | --- | --- | ---: | ---: | ---: | ---: |")
    for name, own in found.items():
        print(
            f"| {name} | {own['rows']:,}, {own['augmented']:,} | {own['split']}, {own['scored']:,} "
            f"| {own['metric']} | {own['baseline']:.1f} | {own['teacher']:.1f} "
            f"| {own['student']:.1f} | {own['minutes']:.1f} |"
        )
    if options.json:
        text = json.dumps({**found, "general_minutes": shared, "machine": describe()}, indent=2)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
