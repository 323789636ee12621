"""General distillation: a student learns the pretrained model's inside (paper §3.2).

A published general TinyBERT is kept as it is: it has been through this.
"""

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


def main() -> None:
    settings = params.load()
    tokenizer = pretrained.load_tokenizer("models/pretrained")
    teacher = pretrained.load(AutoModel, "models/pretrained")
    rows = encode.read_segments(Path("data/corpus"), tokenizer.pad_token_id)
    kind, layers = settings.layer_loss.projection, settings.layer_loss.layer_map
    sizes, general = settings.student, settings.general
    seed = params.derive(settings.seed, "distill_general")
    log = Path("metrics/distill_general")
    with checkpoint.stage() as kept:
        if sizes.init in student.NEW:
            pupil, projection = student.create(teacher, sizes, kind, rows, seed)
            teacher = device.frozen(teacher, settings.precision)
            loss = LayerLoss(pupil, teacher, projection, layers)
            store.keep(loss, rows, general.epochs, kept)
            train.fit(
                loss, rows, general, seed=seed, precision=settings.precision, log=log, kept=kept
            )
        else:
            pupil, projection = student.load_published(sizes, teacher, tokenizer, kind, seed)
            loss = LayerLoss(pupil, teacher, projection, layers)
            losses = train.mean_losses(loss, rows, general.batch_size)
            train.write_once(losses, log, settings.precision)
        student.save(Path("models/general"), pupil, tokenizer, projection)


if __name__ == "__main__":
    processes.run(main)
