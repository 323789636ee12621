"""General distillation: a student learns the pretrained model's layers (paper §3.2).

Of a published general TinyBERT, and with `general.epochs: 0`, the losses are measured alone.
"""

from transformers import AutoModel

from tinybert.distillation.layers.distill import distill_layers
from tinybert.distillation.layers.loss import LayerLoss
from tinybert.distillation.layers.student import general_student
from tinybert.models import encode, pretrained
from tinybert.models.folder import save_model
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import distributed, params, paths, resume


def main() -> None:
    settings = params.load()
    tokenizer = load_tokenizer(paths.PRETRAINED)
    teacher = pretrained.load(AutoModel, paths.PRETRAINED)
    rows = encode.read_segments(paths.CORPUS, tokenizer.pad_token_id)
    seed = params.derive(settings.seed, "distill_general")
    with resume.stage_dir() as checkpoint_dir:
        student, projection = general_student(teacher, settings, rows, seed)
        distill_layers(
            LayerLoss(student, teacher, projection, settings.layer_loss.layer_map),
            rows,
            settings.general,
            train=not settings.student.is_published,
            seed=seed,
            precision=settings.precision,
            log=paths.log("distill_general"),
            checkpoint_dir=checkpoint_dir,
        )
        save_model(paths.GENERAL, student, tokenizer, settings.corpus.max_length)
        projection.save(paths.GENERAL)


if __name__ == "__main__":
    distributed.run(main)
