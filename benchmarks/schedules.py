"""Other objectives and schedules of task distillation, beside the paper's two steps.

    python -m benchmarks.schedules [--tasks trec ...] [--variants "two steps" ...] [--seeds 1 2 3]
        [--students 3x312 ...] [--data FOLDER] [--work FOLDER] [--json FILE]

Uses what benchmarks.quality left in --work, without general text: the teacher, the rows and the
teacher's logits of each task; what is missing is run first. Scores are those of dev, 500 rows of
train, and of no test. `gap` is the mean Kullback-Leibler divergence from the teacher's
probabilities on dev (for scores: the mean squared difference), which varies less than a score.
Objectives that the pipeline does not have are in benchmarks/objectives.py.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import log_softmax
from transformers import AutoModel

from benchmarks.machine import describe
from benchmarks.objectives import Averaged, Both, Relations, ScaledLayers
from benchmarks.quality import NO_TEXT, ROOT, SOURCES, Workspace
from benchmarks.start import start
from tinybert.distillation.layers.loss import LayerLoss
from tinybert.distillation.layers.student import create_student
from tinybert.distillation.prediction.loss import PredictionLoss
from tinybert.models import device, encode, predict, pretrained
from tinybert.models.folder import load_classifier, save_model
from tinybert.models.rows import Rows
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import params, paths
from tinybert.pipeline.files import write_json
from tinybert.pipeline.schema import Params
from tinybert.tasks.scores import scorer
from tinybert.tasks.task import load_task
from tinybert.training import loop


class Variant(NamedTuple):
    # In closed form, of the pretrained model or of the "teacher"; or of the former the layers as
    # they are, "copied", or the "embeddings" alone; or "random".
    start: str = "pretrained"
    first: str | None = "layers"  # step 1: layers, scaled, relations, or none
    second: str = "prediction"  # step 2: prediction, hidden, fading
    averaged: bool = False  # the mean of the weights over the last third of step 2
    intermediate: tuple = ()  # changed settings of step 1, and of step 2
    prediction: tuple = ()
    copies: bool = True
    unlabelled: int | None = None  # rows; None: all


VARIANTS = {
    "two steps": Variant(),
    "two steps, from the teacher": Variant("teacher"),
    "two steps, layers copied": Variant("copied"),  # of a student as wide as the teacher
    "two steps, random weights": Variant("random"),
    "two steps, the embeddings alone": Variant("embeddings"),  # the start before
    "step 2": Variant("pretrained", None),
    "step 2, from the teacher": Variant("teacher", None),
    "step 2 of 5 epochs, from the teacher": Variant("teacher", None, prediction=(("epochs", 5),)),
    "step 1 of 3 epochs": Variant(intermediate=(("epochs", 3),)),
    "relations in step 1": Variant(first="relations"),
    "attention scaled in step 1": Variant(first="scaled"),
    "one step, the layers' loss fades": Variant("teacher", None, "fading"),
    "hidden states in step 2": Variant("teacher", None, "hidden"),
    "hard labels, weight 0.3": Variant("teacher", None, prediction=(("hard_label_weight", 0.3),)),
    "weights averaged": Variant("teacher", None, averaged=True),
    "lr 1e-4 in step 2": Variant("teacher", None, prediction=(("lr", 1e-4),)),
    "lr 4e-4 in step 2": Variant("teacher", None, prediction=(("lr", 4e-4),)),
    "no copies": Variant("teacher", None, copies=False),
    "no unlabelled rows": Variant("teacher", None, unlabelled=0),
    "1,000 unlabelled rows": Variant("teacher", None, unlabelled=1000),
    "two steps, no copies": Variant(copies=False),
    "two steps, 5 epochs of step 2": Variant(prediction=(("epochs", 5),)),
    "two steps, 10 epochs of step 2": Variant(prediction=(("epochs", 10),)),
    "5 epochs of step 1, 10 of step 2": Variant(
        intermediate=(("epochs", 5),), prediction=(("epochs", 10),)
    ),
    "neither copies nor unlabelled rows": Variant("teacher", None, copies=False, unlabelled=0),
}
STUDENTS = {
    "1x192": (1, 192, 768),
    "2x192": (2, 192, 768),
    "3x312": (3, 312, 1200),
    "3x384": (3, 384, 1536),
    "4x312": (4, 312, 1200),
    # The operations of 2x192:
    "1x384, inner 384": (1, 384, 384),
    "2x240, inner 440": (2, 240, 440),
    "2x264, inner 304": (2, 264, 304),
    "2x288, inner 192": (2, 288, 192),
    "3x192, inner 384": (3, 192, 384),
    "3x216, inner 240": (3, 216, 240),
    "3x240, inner 128": (3, 240, 128),
    "3x264, inner 32": (3, 264, 32),
    "6x132, inner 288": (6, 132, 288),
    # The operations of 3x312:
    "3x384, inner 714": (3, 384, 714),
    "6x264, inner 556": (6, 264, 556),
}


def rows_of(name: str, settings: Params, variant: Variant, folder: Path) -> Rows:
    """The augmented rows with the teacher's logits, without those that the variant leaves out."""
    shards = encode.shard_files(paths.augmented(name), "parquet")
    tables = [pd.read_parquet(shard) for shard in shards]
    logits = np.concatenate(
        [np.load(s) for s in encode.shard_files(paths.teacher_logits(name), "npy")]
    )
    table = pd.concat([t.assign(shard=i) for i, t in enumerate(tables)], ignore_index=True)
    target = "label" if "label" in table else "score"
    unlabelled = table[target].isna()
    keep = ~unlabelled | (unlabelled.cumsum() <= (variant.unlabelled or 0))
    if variant.unlabelled is None:
        keep[:] = True
    if not variant.copies:
        keep &= unlabelled | ~table.duplicated(["shard", "source"])
    file = folder / "rows.parquet"
    columns = ["text_a", "text_b", target]
    table[keep][columns].astype({"label": "Int64"} if target == "label" else {}).to_parquet(file)
    tokenizer = load_tokenizer(paths.PRETRAINED)
    return encode.read_rows(
        file, tokenizer, settings.encode.max_length, teacher_logits=logits[keep.to_numpy()]
    )


def gap(logits: np.ndarray, teacher: np.ndarray) -> float:
    if logits.shape[1] == 1:
        return float(np.mean((logits - teacher) ** 2))
    student, teacher = log_softmax(logits, axis=1), log_softmax(teacher, axis=1)
    return float(np.mean((np.exp(teacher) * (teacher - student)).sum(1)))


def run(name: str, variant: Variant, size: tuple[int, int, int], seed: int) -> dict:
    """Task distillation in the workspace's folder, in this process."""
    settings = params.load(name)
    layers, width, inner = size
    sizes = {"num_hidden_layers": layers, "hidden_size": width, "intermediate_size": inner}
    student_settings = settings.student.model_copy(update=sizes)
    tokenizer, task = load_tokenizer(paths.PRETRAINED), load_task(paths.tables(name))
    common = {"seed": seed, "precision": settings.precision}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = rows_of(name, settings, variant, folder)
        started = time.monotonic()
        teacher = pretrained.load(AutoModel, paths.model(name, "teacher"))
        source = teacher
        if variant.start != "teacher":
            source = pretrained.load(AutoModel, paths.PRETRAINED)
        if variant.start in ("copied", "embeddings", "random"):
            student, projection = start(source, variant.start, size, rows)
        else:
            student, projection = create_student(
                source, student_settings, settings.layer_loss, rows, seed
            )
        device.frozen(teacher, settings.precision)
        if variant.first:
            objective = LayerLoss(student, teacher, projection, settings.layer_loss.layer_map)
            if variant.first == "scaled":
                losses = loop.mean_losses(objective, rows, settings.intermediate)
                print(losses, file=sys.stderr)
                objective = ScaledLayers(objective, losses["hidden"] / losses["attention"])
            if variant.first == "relations":
                objective = Relations(student, teacher)
            training = settings.intermediate.model_copy(update=dict(variant.intermediate))
            loop.fit(objective, rows, training, log=folder / "1", **common)
        save_model(folder / "student", student, tokenizer, settings.encode.max_length)
        model = load_classifier(folder / "student", task.head(), seed)
        training = settings.prediction.model_copy(update=dict(variant.prediction))
        objective = PredictionLoss(model, training)
        steps = training.epochs * -(-len(rows) // training.batch_size)
        if variant.second != "prediction":
            both = LayerLoss(model, teacher, projection, settings.layer_loss.layer_map)
            objective = Both(both, objective, variant.second, steps)
        if variant.averaged:
            objective = Averaged(objective, steps)
        dev = encode.read_rows(
            paths.tables(name) / "dev.parquet", tokenizer, settings.encode.max_length
        )
        score = scorer(model, dev, task, settings.precision)
        loop.fit(objective, rows, training, log=folder / "2", score=score, **common)
        if variant.averaged:
            model.load_state_dict(objective.mean)
        seconds = time.monotonic() - started
    answers = [
        predict.logits(m, dev, settings.precision)
        for m in (model, load_classifier(paths.model(name, "teacher")))
    ]
    return {
        "dev": round(100 * score(), 2),
        "gap": round(gap(*answers), 4),
        "seconds": round(seconds),
        "rows": len(rows),
        "machine": describe(),
    }


def table(results: dict) -> str:
    """results: task -> student -> variant -> seed -> result."""
    lines = ["| task | student | variant | dev | gap | seconds | seeds |"]
    lines.append("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    for task, students in results.items():
        for student, variants in students.items():
            for variant, seeds in variants.items():
                runs = list(seeds.values())
                scores = [run["dev"] for run in runs]
                spread = f" ± {stdev(scores):.1f}" if len(scores) > 1 else ""
                lines.append(
                    f"| {task} | {student} | {variant} | {mean(scores):.1f}{spread} "
                    f"| {mean(run['gap'] for run in runs):.3f} "
                    f"| {mean(run['seconds'] for run in runs):.0f} | {len(runs)} |"
                )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", nargs="+", choices=SOURCES, default=["trec", "cola"])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--students", nargs="+", choices=STUDENTS, default=["3x312"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "quality"))
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks/schedules.json")
    options = parser.parse_args()
    file = options.json.absolute()
    results = json.loads(file.read_text()) if file.exists() else {}
    for name in options.tasks:
        source = SOURCES[name]
        workspace = Workspace(options.work, options.data.resolve(), source.chinese)
        workspace.repro(name, source, NO_TEXT, 1, last="label")
        os.chdir(workspace.folder)
        for student in options.students:
            for variant in options.variants:
                for seed in options.seeds:
                    seeds = results.setdefault(name, {}).setdefault(student, {})
                    seeds = seeds.setdefault(variant, {})
                    if str(seed) not in seeds:
                        size = STUDENTS[student]
                        seeds[str(seed)] = run(name, VARIANTS[variant], size, seed)
                        print(name, student, variant, seed, seeds[str(seed)], file=sys.stderr)
                        write_json(file, results)
    print(table(results))


if __name__ == "__main__":
    main()
