"""Task distillation, step 2: the student learns the teacher's predictions (paper eq. 10)."""

from tinybert.distillation.prediction.calibration import calibrate
from tinybert.distillation.prediction.label import read_logits
from tinybert.distillation.prediction.loss import PredictionLoss, check_gold
from tinybert.models import encode
from tinybert.models.folder import load_classifier, save_model
from tinybert.models.low_rank import low_rank_table
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import distributed, params, paths, resume
from tinybert.tasks.scale import standard_scores
from tinybert.tasks.scores import scorer
from tinybert.tasks.task import load_task
from tinybert.training import loop


def main(name: str) -> None:
    settings = params.load(name)
    tables, length = paths.tables(name), settings.encode.max_length
    seed = params.derive(settings.seed, "distill_prediction")
    task, source = load_task(tables), paths.model(name, "intermediate")
    check_gold(name, task.has_labels, settings.prediction)
    student, tokenizer = load_classifier(source, task.head(), seed), load_tokenizer(source)
    logits = read_logits(paths.teacher_logits(name))
    rows = encode.read_rows(paths.augmented(name), tokenizer, length, teacher_logits=logits)
    dev = encode.read_rows(tables / "dev.parquet", tokenizer, length, settings.encode.stride)
    with resume.stage_dir() as checkpoint_dir:
        table = low_rank_table(student, settings.student.embedding_rank)
        with standard_scores(student, rows), table:
            loop.fit(
                PredictionLoss(student, settings.prediction), rows, settings.prediction,
                seed=seed, precision=settings.precision, log=paths.log("distill_prediction", name),
                score=scorer(student, dev, task, settings.precision), checkpoint_dir=checkpoint_dir,
            )  # fmt: skip
        calibrate(student, dev, task, settings.precision)
        save_model(paths.model(name, "student"), student, tokenizer, length)


if __name__ == "__main__":
    distributed.run(main)
