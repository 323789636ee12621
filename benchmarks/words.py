"""Labels of words on real texts: what a student keeps of its teacher's entities.

    python -m benchmarks.words [--only-data] [--seeds 1 2] [--work FOLDER] [--json FILE]

The names of modules, classes, functions and parameters in docstrings of the installed libraries
(benchmarks.docstring_names): 2,000 sentences of train, 500 of dev, 1,000 of test, of other modules
than train's, and 4,000 without labels. The pipeline's own stages run in a clone of the last commit,
as a user's task without general text (recipe own_task). Targets: the student's F1 is at least 97 %
of the teacher's, and all stages take at most 10 minutes on 2 cores.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import mean

from benchmarks import quality_tables
from benchmarks.docstring_names import Sentence, splits
from benchmarks.machine import describe
from benchmarks.quality import FIRST, ROOT, ROWS, Source, Workspace
from tinybert.pipeline import params, paths
from tinybert.pipeline.files import read_json, write_json

NAME = "names"
SIZES = {"train": 2000, "dev": 500, "test": 1000, "unlabeled": 4000}
SHUFFLE = 0  # the same sentences for all seeds
SOURCE = Source("", "entity_f1", {}, kind="tokens")
# The default's student, without general text; whatever it loses in 8 bits is in the table.
ROW = {**ROWS["small table"], "export": {"max_drop": 100}}
MODELS = {**quality_tables.MODELS, "student": "student", "int8": "student, 8 bits"}
SHOWN = 10


def write(drawn: dict[str, list[Sentence]], raw: Path) -> None:
    """Writes train, dev and test as JSON Lines of texts and spans, and unlabeled.txt."""
    raw.mkdir(parents=True)
    for split, rows in drawn.items():
        if split == "unlabeled":
            lines = [row.text for row in rows]
        else:
            lines = [json.dumps({"text": row.text, "spans": row.spans}) for row in rows]
        file = raw / f"{split}{'.txt' if split == 'unlabeled' else '.jsonl'}"
        file.write_text("\n".join([*lines, ""]), encoding="utf-8")


def describe_data(drawn: dict[str, list[Sentence]]) -> str:
    """Counts of each split, and SHOWN sentences of train with their marks."""
    lines = []
    for split, rows in drawn.items():
        counts = Counter(kind for row in rows for *_, kind in row.spans)
        modules = len({row.module for row in rows})
        named = sum(bool(row.spans) for row in rows)
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(counts.items()))
        lines.append(
            f"{split}: {len(rows):,} sentences of {modules:,} modules, {named:,} with names"
            f"{': ' if kinds else ''}{kinds}"
        )
    return "\n".join([*lines, "", *(f"- {marked(row)}" for row in drawn["train"][:SHOWN])])


def marked(row: Sentence) -> str:
    """As `the [axis PARAMETER] of it`."""
    text = row.text
    for start, end, kind in reversed(row.spans):
        text = f"{text[:start]}[{text[start:end]} {kind}]{text[end:]}"
    return text


def result(folder: Path, seed: int) -> dict:
    """The scores of the last run, in points, and the minutes of all its stages."""
    scores, exported = (
        read_json(folder / paths.metrics(kind, NAME)) for kind in ("eval", "export")
    )
    metric = scores["metric"]
    models = [model for model in MODELS if model in scores]
    if seed != FIRST:
        models.remove("baseline")
    values = {model: scores[model][metric] for model in models}
    intervals = {model: scores["intervals"][model][metric] for model in values}
    values["int8"], intervals["int8"] = exported["int8"][metric], exported["int8"]["interval"]
    seconds = [
        read_json(file)["seconds"]
        for file in (folder / paths.SECONDS).rglob("*.json")
        if file.stem == NAME or file.parent == folder / paths.SECONDS
    ]
    return {
        **{model: round(100 * value, 2) for model, value in values.items()},
        "intervals": {
            model: [round(100 * b, 1) for b in bounds] for model, bounds in intervals.items()
        },
        "minutes": round(sum(seconds) / 60, 2),
    }


def table(results: dict[str, dict]) -> str:
    """results: by seed."""
    runs = list(results.values())
    lines = ["| model | entity F1 | 95 % interval, first seed | of the teacher's, % |"]
    lines.append("| --- | ---: | --- | ---: |")
    for model, title in MODELS.items():
        having = [run for run in runs if model in run]
        if not having:
            continue
        low, high = having[0]["intervals"][model]
        share = mean(100 * run[model] / run["teacher"] for run in having)
        lines.append(
            f"| {title} | {quality_tables.spread(having, model)} | {low} to {high} | {share:.1f} |"
        )
    minutes = mean(run["minutes"] for run in runs)
    return "\n".join([*lines, "", f"all stages: {minutes:.1f} minutes; {runs[0]['machine']}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only-data", action="store_true", help="print the data, train nothing")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "words"))
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks/words.json")
    options = parser.parse_args()
    drawn = splits(params.load().docs.labels, SIZES, SHUFFLE)
    print(describe_data(drawn), flush=True)
    if options.only_data:
        return
    results = json.loads(options.json.read_text()) if options.json.exists() else {}
    for seed in options.seeds:
        if str(seed) in results:
            continue
        workspace = Workspace(options.work, ROOT.parent / "shared/data", chinese=False)
        raw = workspace.folder / paths.raw(NAME)
        if not raw.exists():
            write(drawn, raw)
        for last in ("evaluate", "export"):
            workspace.repro(NAME, SOURCE, ROW, seed, last)
        results[str(seed)] = {**result(workspace.folder, seed), "machine": describe()}
        print(seed, results[str(seed)], file=sys.stderr, flush=True)
        write_json(options.json, results)
    print(f"\n{table(results)}")


if __name__ == "__main__":
    main()
