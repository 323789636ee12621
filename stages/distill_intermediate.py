"""Task distillation, step 1: the general student learns the fine-tuned teacher's layers (§3.2).

With `intermediate.epochs: 0` the losses are measured alone.
"""

from tinybert.distillation.layers.distill import distill_layers
from tinybert.distillation.layers.loss import LayerLoss
from tinybert.distillation.layers.projection import load_projection
from tinybert.models import encode
from tinybert.models.folder import load_encoder, save_model
from tinybert.models.low_rank import low_rank_table
from tinybert.models.tokenizer import load_tokenizer
from tinybert.models.vocabulary import load_reader
from tinybert.pipeline import distributed, params, paths, resume


def main(name: str) -> None:
    settings = params.load(name)
    source, length = paths.model(name, "general"), settings.encode.max_length
    student, projection = load_encoder(source), load_projection(source)
    tokenizer = load_tokenizer(source)
    teacher = load_reader(paths.model(name, "teacher"), tokenizer)
    rows = encode.read_rows(paths.augmented(name), tokenizer, length)
    loss = LayerLoss(student, teacher, projection, settings.layer_loss.layer_map)
    with resume.stage_dir() as checkpoint_dir:
        with low_rank_table(student, settings.student.embedding_rank):
            distill_layers(
                loss,
                rows,
                settings.intermediate,
                seed=params.derive(settings.seed, "distill_intermediate"),
                precision=settings.precision,
                log=paths.log("distill_intermediate", name),
                checkpoint_dir=checkpoint_dir,
            )
        save_model(paths.model(name, "intermediate"), student, tokenizer, length)


if __name__ == "__main__":
    distributed.run(main)
