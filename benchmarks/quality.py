"""What a student's start and its training are worth: scores of public tasks, recipe by recipe.

    python -m benchmarks.quality [--tasks trec mrpc ...] [--rows default ...] [--seeds 1 2 3]
        [--data ../shared/data] [--work FOLDER] [--json FILE]

2,000 rows of train keep their labels, 500 others are dev, up to 6,000 more have no label. Scores
are those of test (of GLUE: of the published dev, which chooses nothing here). Each row is a run of
the pipeline's own stages in a clone of the last commit, with some changed params; DVC's cache in
--work shares the stages that do not differ, and what --json already holds is not run again.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from benchmarks import quality_tables
from benchmarks.machine import describe
from tinybert.data.raw.prepare import prepare_task
from tinybert.pipeline import paths
from tinybert.pipeline.files import read_json, write_json
from tinybert.pipeline.task_data import TaskData
from tinybert.tasks.task import Task

ROOT = Path(__file__).parent.parent
LABELLED, DEV, UNLABELLED = 2000, 500, 6000
SHUFFLE = 0  # the same rows for all seeds
FIRST = 1  # the seed with a baseline: others train it for a single epoch, and leave its score out
ALL = "-all"  # ends the name of a task whose rows all have their labels


class Source(NamedTuple):
    folder: str
    metric: str
    data: dict  # how prepare_task reads the published files
    chinese: bool = False
    kind: str | None = None  # where the files do not say it


SOURCES = {
    "trec": Source("trec", "accuracy", {"benchmark": "trec"}),
    "sst2": Source("glue/SST-2", "accuracy", {"benchmark": "glue/sst2"}),
    "mrpc": Source("glue/MRPC", "accuracy", {"benchmark": "glue/mrpc"}),
    "cola": Source("glue/CoLA", "matthews", {"benchmark": "glue/cola"}),
    "stsb": Source("glue/STS-B", "pearson", {"benchmark": "glue/stsb"}),
    "chnsenticorp": Source("zh/chnsenticorp", "accuracy", {}, chinese=True),
}
NO_TEXT = {"corpus": {"path": None}, "general": {"epochs": 0}}


def sizes(layers: int, width: int, inner: int, **more) -> dict:
    names = {"num_hidden_layers": layers, "hidden_size": width, "intermediate_size": inner}
    return {"student": {**names, "num_attention_heads": 12}, **more}


def recipe(name: str) -> dict:
    return {**YAML(typ="safe", pure=True).load(ROOT / f"recipes/{name}.yaml"), **NO_TEXT}


# Changes to params.yaml; all rows but `small table` keep the pretrained model's whole vocabulary.
WHOLE_TABLE = {"vocabulary": "full", "embedding_rank": None}
ROWS = {
    "paper": {"student": {"init": "random"}},  # at equal steps
    "default": {},
    "no general text": NO_TEXT,
    "step 2": {"intermediate": {"epochs": 0}, **NO_TEXT},
    "step 2 of 5 epochs": {"prediction": {"epochs": 5}, **NO_TEXT},
    "teacher of 10 epochs": {"teacher": {"epochs": 10}, **NO_TEXT},
    "all labels": NO_TEXT,
    "small table": {"student": {"vocabulary": "task", "embedding_rank": 64}, **NO_TEXT},
    "1x192": sizes(1, 192, 768, **NO_TEXT),
    "2x192": sizes(2, 192, 768, **NO_TEXT),
    "2x192, 10 epochs": sizes(2, 192, 768, prediction={"epochs": 10}, **NO_TEXT),
    "2x192, step 2 of 10 epochs": sizes(
        2, 192, 768, intermediate={"epochs": 0}, prediction={"epochs": 10}, **NO_TEXT
    ),
    "2x192, step 1 of 5 epochs": sizes(
        2, 192, 768, intermediate={"epochs": 5}, prediction={"epochs": 10}, **NO_TEXT
    ),
    # Of less feed-forward, and wider or with more layers, at the operations of 2x192 and of 3x312.
    "small": recipe("small"),
    "best": recipe("best"),
    "4x312": sizes(4, 312, 1200, layer_loss={"layer_map": [1, 3, 4, 6]}, **NO_TEXT),
    "6x384": sizes(6, 384, 1536, **NO_TEXT),
}
CHINESE = {
    "pretrained": {"model": "data/models/multilingual", "sha256": None},
    "student": {"num_hidden_layers": 4},
    "augment": {"language": "zh", "copies": 0},  # the model has no masked-language head
}


def write_splits(raw: Path, data: dict, out: Path, all_labels: bool = False) -> None:
    """Writes train, dev, unlabeled and test as Parquet. all_labels: the rows that would be
    unlabelled are in train."""
    with tempfile.TemporaryDirectory() as folder:
        task, _ = prepare_task(raw, Path(folder), TaskData(**data, drop_overlap=True))
        tables = {split: pd.read_parquet(f"{folder}/{split}.parquet") for split in task.splits}
    order = np.random.default_rng(SHUFFLE).permutation(len(tables["train"]))
    train = tables["train"].iloc[order]
    rest = train.iloc[LABELLED + DEV : LABELLED + DEV + UNLABELLED]
    labelled = train.iloc[:LABELLED]
    if all_labels:
        labelled, rest = pd.concat([labelled, rest]), rest.iloc[:0]
    splits = {
        "train": labelled,
        "dev": train.iloc[LABELLED : LABELLED + DEV],
        "unlabeled": rest.drop(columns=task.target),
        "test": tables[task.test_split],
    }
    out.mkdir(parents=True)
    for split, table in splits.items():
        if len(table):
            columns = _columns(table, task)
            columns.to_parquet(out / f"{split}.parquet", index=False)


def _columns(table: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Texts and labels as a user would have them."""
    table = table if task.pair else table.drop(columns="text_b").rename(columns={"text_a": "text"})
    if task.target == "label" and "label" in table:
        table = table.assign(label=[task.labels[i] for i in table["label"]])
    return table


class Workspace:
    """A clone of the last commit, with a general corpus of one language."""

    def __init__(self, work: Path, data: Path, chinese: bool):
        language = "zh" if chinese else "en"
        self.folder, self.data = folder, data = work / language, data
        if folder.exists():
            self._run("git", "fetch", "--quiet", str(ROOT), "HEAD", cwd=folder)
            if self._run("git", "diff", "--name-only", "HEAD", "FETCH_HEAD", cwd=folder):
                self._run("git", "reset", "--quiet", "--hard", "FETCH_HEAD", cwd=folder)
        else:
            self._run("git", "clone", "--quiet", str(ROOT), str(folder), cwd=ROOT)
            (folder / "data/raw").mkdir()
            (folder / "data/raw/text").symlink_to(data / "corpus" / language)
            if chinese:
                script = data.parent / "models/multilingual.py"
                model = folder / "data/models/multilingual"
                self._run(sys.executable, str(script), str(model), cwd=ROOT)
        self.values = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
        self.change({"corpus": {"path": "data/raw/text"}, "student": WHOLE_TABLE})
        self.change(CHINESE if chinese else {})

    def _run(self, *command: str, cwd: Path) -> str:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def change(self, changes: dict) -> None:
        for section, values in changes.items():
            self.values[section] = {**self.values[section], **values}

    def repro(
        self, name: str, source: Source, row: dict, seed: int, last: str = "evaluate"
    ) -> None:
        """Runs the stages up to `last` with the changed params of a row."""
        values = self.values
        raw = self.folder / paths.raw(name)
        if not raw.exists():
            all_labels = name.endswith(ALL)
            write_splits(self.data / source.folder, source.data, raw, all_labels)
        task = {
            "data": {"metric": source.metric, **({"kind": source.kind} if source.kind else {})},
            "augment": {},
            "intermediate": {},
            "prediction": {},
        }
        self.values = {**values, "tasks": [name], "task": {name: task}, "seed": seed}
        if seed != FIRST:
            self.change({"baseline": {"epochs": 1}})
        self.change(row)
        YAML().dump(self.values, self.folder / "params.yaml")
        self.values = values
        self._run(sys.executable, "-m", "dvc", "repro", f"{last}@{name}", cwd=self.folder)

    def result(self, name: str, seed: int) -> dict:
        """The scores of the last run of `evaluate`."""
        scores = read_json(self.folder / paths.metrics("eval", name))
        metric = scores["metric"]
        stages = ("distill_intermediate", "label", "distill_prediction")
        files = [self.folder / paths.SECONDS / stage / f"{name}.json" for stage in stages]
        models = [model for model in quality_tables.MODELS if model in scores]
        if seed != FIRST:
            models.remove("baseline")
        student, teacher = scores["student"][metric], scores["teacher"][metric]
        interval = scores["intervals"]["student"][metric]
        return {
            "metric": metric,
            "rows": scores["rows"],
            **{model: round(100 * scores[model][metric], 2) for model in models},
            "score": round(100 * student, 2),
            "interval": [round(100 * bound, 2) for bound in interval],
            "retention": round(100 * student / teacher, 2),
            "minutes": round(sum(read_json(file)["seconds"] for file in files) / 60, 2),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", nargs="+", choices=SOURCES, default=list(SOURCES))
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS)[:3])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "quality"))
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks/quality.json")
    options = parser.parse_args()
    results = json.loads(options.json.read_text()) if options.json.exists() else {}
    for name in options.tasks:
        source = SOURCES[name]
        for row in options.rows:
            for seed in map(str, options.seeds):
                seeds = results.setdefault(name, {}).setdefault(row, {})
                if seed in seeds:
                    continue
                workspace = Workspace(options.work, options.data.resolve(), source.chinese)
                task = name + ALL * (row == "all labels")
                workspace.repro(task, source, ROWS[row], int(seed))
                seeds[seed] = {**workspace.result(task, int(seed)), "machine": describe()}
                print(name, row, seed, seeds[seed], file=sys.stderr, flush=True)
                write_json(options.json, results)
    print(f"{quality_tables.summary(results, list(ROWS))}\n\n{quality_tables.table(results)}")


if __name__ == "__main__":
    main()
