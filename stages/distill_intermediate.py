"""Task distillation, step 1: the general student learns the fine-tuned teacher's layers (§3.2)."""

from transformers import AutoModel

from tinybert.distillation.layers.loss import LayerLoss
from tinybert.distillation.layers.projection import load_projection
from tinybert.distillation.layers.teacher_store import cache_targets
from tinybert.models import device, encode, pretrained
from tinybert.models.folder import load_encoder, save_model
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import distributed, params, paths, resume
from tinybert.training import loop


def main(name: str) -> None:
    settings = params.load(name)
    tokenizer = load_tokenizer(paths.PRETRAINED)
    teacher = pretrained.load(AutoModel, paths.model(name, "teacher"))
    teacher = device.frozen(teacher, settings.precision)
    student = load_encoder(paths.GENERAL)
    loss = LayerLoss(
        student, teacher, load_projection(paths.GENERAL), settings.layer_loss.layer_map
    )
    rows = encode.read_rows(paths.augmented(name), tokenizer, settings.encode.max_length)
    with resume.stage_dir() as checkpoint_dir:
        cache_targets(loss, rows, settings.intermediate.epochs, checkpoint_dir)
        loop.fit(
            loss,
            rows,
            settings.intermediate,
            seed=params.derive(settings.seed, "distill_intermediate"),
            precision=settings.precision,
            log=paths.log("distill_intermediate", name),
            checkpoint_dir=checkpoint_dir,
        )
        save_model(paths.model(name, "intermediate"), student, tokenizer)


if __name__ == "__main__":
    distributed.run(main)
