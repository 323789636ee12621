"""What `student.init: projection` is worth, against random first weights.

    python -m benchmarks.student_init [--task pydocs] [--tokens 300000]

Both students are distilled from the same pretrained model on the same general text, for the same
steps, and then fine-tuned on the task's labels alone, as the baseline is. Needs a run of the
pipeline (`make run`), whose data it reads; writes nothing into it.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from transformers import AutoModel

from tinybert import encode, params, predict, pretrained, student, task, train
from tinybert.layer_loss import LayerLoss
from tinybert.logit_loss import GoldLoss


def measure(settings: params.Params, init: str, name: str, tokens: int, work: Path) -> dict:
    """The last losses of general distillation, and the best score on dev after fine-tuning."""
    folder = Path(f"data/tasks/{name}")
    tokenizer = pretrained.load_tokenizer("models/pretrained")
    teacher = pretrained.load(AutoModel, "models/pretrained")
    rows = encode.read_segments(Path("data/corpus"), tokenizer.pad_token_id)
    count = int(np.searchsorted(rows.starts, min(tokens, rows.starts[-1])))
    rows = encode.Rows(rows.tokens, rows.starts[: count + 1], rows.padding_id)
    sizes = settings.student.model_copy(update={"init": init})
    common = {"seed": settings.seed, "precision": settings.precision}
    pupil, projection = student.create(
        teacher, sizes, settings.layer_loss.projection, rows, settings.seed
    )
    objective = LayerLoss(pupil, teacher, projection, settings.layer_loss.layer_map)
    train.fit(objective, rows, settings.general, log=work / "general", **common)
    student.save(work / "student", pupil, tokenizer)
    found = {"init": init}
    for part in ("embedding", "hidden", "attention"):
        curve = pd.read_csv(work / f"general/plots/metrics/{part}.tsv", sep="\t")[part]
        found[part] = curve.tail(10).mean()

    described = task.load(folder)
    model = student.load_classifier(work / "student", described.head(), settings.seed)
    labelled, dev = (
        encode.read_rows(folder / f"{split}.parquet", tokenizer, settings.encode.max_length)
        for split in ("train", "dev")
    )
    score = predict.scorer(model, dev, described, settings.evaluate.batch_size, settings.precision)
    log = work / "finetune"
    train.fit(GoldLoss(model), labelled, settings.baseline, log=log, score=score, **common)
    found["dev after fine-tuning"] = 100 * score()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="pydocs")
    parser.add_argument("--tokens", type=int, default=300_000)
    options = parser.parse_args()
    settings = params.load()
    found = []
    for init in ("random", "projection"):
        with tempfile.TemporaryDirectory() as work:
            found.append(measure(settings, init, options.task, options.tokens, Path(work)))
    print("| " + " | ".join(found[0]) + " |")
    print("| --- |" + " ---: |" * (len(found[0]) - 1))
    for row in found:
        init, *values = row.values()
        print(f"| {init} | " + " | ".join(f"{value:.3f}" for value in values) + " |")


if __name__ == "__main__":
    main()
