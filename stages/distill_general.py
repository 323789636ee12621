"""General distillation: a student learns the pretrained model's inside (paper §3.2)."""

from pathlib import Path

from transformers import AutoModel

from tinybert import encode, errors, params, pretrained, student, train
from tinybert.layer_loss import LayerLoss


def main() -> None:
    settings = params.load()
    tokenizer = pretrained.load_tokenizer("models/pretrained")
    teacher = pretrained.load(AutoModel, "models/pretrained")
    rows = encode.read_segments(Path("data/corpus/segments.arrow"), tokenizer.pad_token_id)
    pupil, projection = student.create(
        teacher, settings.student, settings.layer_loss.projection, rows, settings.seed
    )
    train.fit(
        LayerLoss(pupil, teacher, projection, settings.layer_loss.layer_map),
        rows,
        settings.general,
        seed=settings.seed,
        precision=settings.precision,
        log=Path("metrics/distill_general"),
    )
    student.save(Path("models/general"), pupil, tokenizer, projection)


if __name__ == "__main__":
    errors.run(main)
