"""Fine-tuning on gold labels: the teacher's stage, and the baseline's."""

from pathlib import Path

from transformers import PreTrainedModel

from tinybert import predict, pretrained, student, task, train
from tinybert.encode import read_rows
from tinybert.logit_loss import GoldLoss
from tinybert.params import Params, Training


def run(model: PreTrainedModel, name: str, role: str, settings: Params, training: Training) -> None:
    """Trains on train, keeps the best epoch on dev, and writes models/{name}/{role}."""
    folder = Path(f"data/tasks/{name}")
    tokenizer = pretrained.load_tokenizer("models/pretrained")
    rows, dev = (
        read_rows(folder / f"{split}.parquet", tokenizer, settings.encode.max_length)
        for split in ("train", "dev")
    )
    score = predict.scorer(
        model, dev, task.load(folder), settings.evaluate.batch_size, settings.precision
    )
    train.fit(
        GoldLoss(model),
        rows,
        training,
        seed=settings.seed,
        precision=settings.precision,
        log=Path(f"metrics/finetune_{role}/{name}"),
        score=score,
    )
    student.save(Path(f"models/{name}/{role}"), model, tokenizer)
