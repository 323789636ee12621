"""General distillation: a student learns the pretrained model's layers (paper §3.2).

Of a published general TinyBERT, and with `general.epochs: 0`, the losses are measured alone.
"""

from transformers import AutoModel

from tinybert.distillation.layers.loss import LayerLoss
from tinybert.distillation.layers.student import general_student
from tinybert.distillation.layers.teacher_store import cache_targets
from tinybert.models import device, encode, pretrained
from tinybert.models.folder import save_model
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import distributed, params, paths, resume
from tinybert.training import curve, loop


def main() -> None:
    settings = params.load()
    tokenizer = load_tokenizer(paths.PRETRAINED)
    teacher = pretrained.load(AutoModel, paths.PRETRAINED)
    rows = encode.read_segments(paths.CORPUS, tokenizer.pad_token_id)
    seed = params.derive(settings.seed, "distill_general")
    common = {"precision": settings.precision, "log": paths.log("distill_general")}
    with resume.stage_dir() as checkpoint_dir:
        student, projection = general_student(teacher, tokenizer, settings, rows, seed)
        loss = LayerLoss(student, teacher, projection, settings.layer_loss.layer_map)
        if settings.student.is_published or not settings.general.epochs:
            curve.log_once(loop.mean_losses(loss, rows, settings.general), **common)
        else:
            device.frozen(teacher, settings.precision)
            cache_targets(loss, rows, settings.general.epochs, checkpoint_dir)
            common["checkpoint_dir"] = checkpoint_dir
            loop.fit(loss, rows, settings.general, seed=seed, **common)
        save_model(paths.GENERAL, student, tokenizer)
        projection.save(paths.GENERAL)


if __name__ == "__main__":
    distributed.run(main)
