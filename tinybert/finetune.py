"""Fine-tuning on gold labels: the teacher's stage, and the baseline's."""

import sys
from pathlib import Path

from transformers import PreTrainedModel

from tinybert import (
    checkpoint,
    params,
    predict,
    pretrained,
    processes,
    scores,
    student,
    task,
    train,
)
from tinybert.encode import Rows, read_rows
from tinybert.logit_loss import GoldLoss
from tinybert.params import Params
from tinybert.schema import Training


def run(
    model: PreTrainedModel, name: str, role: str, settings: Params, training: Training | None
) -> None:
    """Trains on train, keeps the best epoch on dev, and writes models/{name}/{role}.

    training: None keeps the model as it is; its score on dev is written all the same.
    A teacher near chance is warned about: nothing good can be learnt from it.
    """
    folder, log = Path(f"data/tasks/{name}"), Path(f"metrics/finetune_{role}/{name}")
    described = task.load(folder)
    tokenizer = pretrained.load_tokenizer("models/pretrained")
    rows, dev = (
        read_rows(folder / f"{split}.parquet", tokenizer, settings.encode.max_length)
        for split in ("train", "dev")
    )
    batch_size, precision = settings.evaluate.batch_size, settings.precision
    score = predict.scorer(model, dev, described, batch_size, precision)
    with checkpoint.stage() as kept:
        if training:
            train.fit(
                GoldLoss(model),
                rows,
                training,
                seed=params.derive(settings.seed, f"finetune_{role}"),
                precision=precision,
                log=log,
                score=score,
                kept=kept,
            )
        else:
            train.write_once({"dev": score()}, log, precision)
        student.save(Path(f"models/{name}/{role}"), model, tokenizer)
    if role == "teacher":
        found = predict.logits(model, dev, batch_size, precision, shared=True)
        if processes.is_main():
            warn_near_chance(name, found, dev, described)


def warn_near_chance(name: str, logits, dev: Rows, described: task.Task) -> None:
    target = dev.columns[described.target]
    if scores.is_near_chance(logits, target):
        line = "=" * 80
        found = scores.scores(logits, target, described.metrics)
        print(
            f"{line}\nWARNING: the teacher of {name} is near chance on dev: "
            + ", ".join(f"{metric} {value:.3f}" for metric, value in found.items())
            + ".\nA student learns nothing good from it. Is it a model for this task, are its "
            f"labels in the right\norder, is teacher.lr too high, are there enough rows?\n{line}",
            file=sys.stderr,
        )
