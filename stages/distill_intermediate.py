"""Task distillation, step 1: the general student learns the fine-tuned teacher's layers (§3.2).

With `intermediate.epochs: 0` it stays as it is, and nothing looks inside the teacher.
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
from tinybert.training.curve import log_skipped


def main(name: str) -> None:
    settings, log = params.load(name), paths.log("distill_intermediate", name)
    source, length = paths.model(name, "general"), settings.encode.max_length
    student, tokenizer = load_encoder(source), load_tokenizer(source)
    if not settings.intermediate.epochs:
        log_skipped("intermediate.epochs is 0", log, f"distill_intermediate of {name}")
        save_model(paths.model(name, "intermediate"), student, tokenizer, length)
        return
    teacher = load_reader(paths.model(name, "teacher"), tokenizer)
    rows = encode.read_rows(paths.augmented(name), tokenizer, length)
    loss = LayerLoss(student, teacher, load_projection(source), settings.layer_loss.layer_map)
    seed = params.derive(settings.seed, "distill_intermediate")
    with resume.stage_dir() as checkpoint_dir:
        with low_rank_table(student, settings.student.embedding_rank):
            distill_layers(
                loss, rows, settings.intermediate, seed=seed, precision=settings.precision,
                log=log, checkpoint_dir=checkpoint_dir,
            )  # fmt: skip
        save_model(paths.model(name, "intermediate"), student, tokenizer, length)


if __name__ == "__main__":
    distributed.run(main)
