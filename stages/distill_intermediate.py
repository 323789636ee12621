"""Task distillation, step 1: the general student learns the fine-tuned teacher's inside (§3.2)."""

from pathlib import Path

from transformers import AutoModel

from tinybert import (
    checkpoint,
    device,
    encode,
    params,
    pretrained,
    processes,
    store,
    student,
    train,
)
from tinybert.layer_loss import LayerLoss


def main(name: str) -> None:
    settings = params.load(name)
    tokenizer = pretrained.load_tokenizer("models/pretrained")
    teacher = pretrained.load(AutoModel, f"models/{name}/teacher")
    teacher = device.frozen(teacher, settings.precision)
    pupil = student.load_general(Path("models/general"))
    projection = student.load_projection(Path("models/general"))
    loss = LayerLoss(pupil, teacher, projection, settings.layer_loss.layer_map)
    file = Path(f"data/augmented/{name}")
    rows = encode.read_rows(file, tokenizer, settings.encode.max_length)
    with checkpoint.stage() as kept:
        store.keep(loss, rows, settings.intermediate.epochs, kept)
        train.fit(
            loss,
            rows,
            settings.intermediate,
            seed=params.derive(settings.seed, "distill_intermediate"),
            precision=settings.precision,
            log=Path(f"metrics/distill_intermediate/{name}"),
            kept=kept,
        )
        student.save(Path(f"models/{name}/intermediate"), pupil, tokenizer)


if __name__ == "__main__":
    processes.run(main)
