"""The gain of `student.init: projection` over random initial weights.

    python -m benchmarks.student_init [--task pydocs] [--tokens 300000]

Both students are distilled from the same pretrained model on the same general text, for the same
steps, and then fine-tuned on the task's labels alone, as the baseline is. The data are those of a
run of the pipeline (`make run`), which stay unchanged.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from tinybert.distillation.layers.loss import LayerLoss
from tinybert.distillation.layers.student import create_student
from tinybert.models import encode
from tinybert.models.folder import load_classifier, load_encoder, save_model
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import params, paths
from tinybert.pipeline.schema import Params
from tinybert.tasks.gold import GoldLoss
from tinybert.tasks.scores import scorer
from tinybert.tasks.task import load_task
from tinybert.training import loop


def measure(settings: Params, init: str, name: str, tokens: int, work: Path) -> dict:
    """The final losses of general distillation, and the best score on dev after fine-tuning."""
    tokenizer = load_tokenizer(paths.PRETRAINED)
    teacher = load_encoder(paths.PRETRAINED)
    rows = encode.read_segments(paths.CORPUS, tokenizer.pad_token_id)
    count = int(np.searchsorted(rows.starts, min(tokens, rows.starts[-1])))
    rows = encode.Rows(rows.tokens, rows.starts[: count + 1], rows.padding_id)
    sizes = settings.student.model_copy(update={"init": init})
    common = {"seed": settings.seed, "precision": settings.precision}
    student, projection = create_student(teacher, sizes, settings.layer_loss, rows, settings.seed)
    objective = LayerLoss(student, teacher, projection, settings.layer_loss.layer_map)
    loop.fit(objective, rows, settings.general, log=work / "general", **common)
    save_model(work / "student", student, tokenizer)
    result = {"init": init}
    for part in ("embedding", "hidden", "attention"):
        curve = pd.read_csv(work / f"general/plots/metrics/{part}.tsv", sep="\t")[part]
        result[part] = curve.tail(10).mean()

    task = load_task(paths.tables(name))
    model = load_classifier(work / "student", task.head(), settings.seed)
    train, dev = (
        encode.read_rows(
            paths.tables(name) / f"{split}.parquet", tokenizer, settings.encode.max_length
        )
        for split in ("train", "dev")
    )
    score = scorer(model, dev, task, settings.precision)
    log = work / "finetune"
    loop.fit(GoldLoss(model), train, settings.baseline, log=log, score=score, **common)
    result["dev after fine-tuning"] = 100 * score()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="pydocs")
    parser.add_argument("--tokens", type=int, default=300_000)
    options = parser.parse_args()
    settings = params.load()
    results = []
    for init in ("random", "projection"):
        with tempfile.TemporaryDirectory() as work:
            results.append(measure(settings, init, options.task, options.tokens, Path(work)))
    print("| " + " | ".join(results[0]) + " |")
    print("| --- |" + " ---: |" * (len(results[0]) - 1))
    for row in results:
        init, *values = row.values()
        print(f"| {init} | " + " | ".join(f"{value:.3f}" for value in values) + " |")


if __name__ == "__main__":
    main()
