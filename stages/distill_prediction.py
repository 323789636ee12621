"""Task distillation, step 2: the student learns the teacher's predictions (paper eq. 10)."""

from pathlib import Path

import numpy as np

from tinybert import (
    checkpoint,
    encode,
    params,
    predict,
    pretrained,
    processes,
    student,
    task,
    train,
)
from tinybert.logit_loss import PredictionLoss


def main(name: str) -> None:
    settings = params.load(name)
    step, length = settings.prediction, settings.encode.max_length
    tokenizer = pretrained.load_tokenizer("models/pretrained")
    described = task.load(Path(f"data/tasks/{name}"))
    augmented = Path(f"data/augmented/{name}")
    shards = encode.shard_files(Path(f"data/labels/{name}"), "npy")
    logits = np.concatenate([np.load(shard) for shard in shards])
    dev = encode.read_rows(Path(f"data/tasks/{name}/dev.parquet"), tokenizer, length)
    folder = Path(f"models/{name}/intermediate")
    seed = params.derive(settings.seed, "distill_prediction")
    pupil = student.load_classifier(folder, described.head(), seed)
    evaluation = settings.evaluate.batch_size, settings.precision
    with checkpoint.stage() as kept:
        train.fit(
            PredictionLoss(pupil, step.temperature, step.hard_label_weight),
            encode.read_rows(augmented, tokenizer, length, teacher_logits=logits),
            step,
            seed=seed,
            precision=settings.precision,
            log=Path(f"metrics/distill_prediction/{name}"),
            score=predict.scorer(pupil, dev, described, *evaluation),
            kept=kept,
        )
        student.save(Path(f"models/{name}/student"), pupil, tokenizer)


if __name__ == "__main__":
    processes.run(main)
