"""Fine-tuning on gold labels: the stages of the teacher and of the two baselines."""

import sys

from transformers import PreTrainedModel

from tinybert.models import predict
from tinybert.models.encode import read_for_each, read_rows
from tinybert.models.folder import load_classifier, save_model
from tinybert.models.rows import Rows
from tinybert.models.tokenizer import load_tokenizers
from tinybert.pipeline import distributed, params, paths, resume
from tinybert.pipeline.schema import Params, Training
from tinybert.tasks import scores
from tinybert.tasks.gold import GoldLoss
from tinybert.tasks.order import title, warn_order
from tinybert.tasks.scale import standard_scores
from tinybert.tasks.task import CHOOSES, Task, load_task
from tinybert.training import loop
from tinybert.training.curve import log_once, log_skipped

NO_LABELS = "there are no labels to train on"


def finetune(
    model: PreTrainedModel, name: str, role: str, settings: Params, training: Training | None
) -> None:
    """Trains on train, keeps the best epoch on dev, and writes models/{name}/{role}.

    role: teacher, baseline or finetuned_general. training: None saves the model unchanged and logs
    its score on dev. Without labels to train on, the folder stays empty, and the log says why.
    """
    stage = f"finetune_{role.removeprefix('finetuned_')}"
    folder, log = paths.tables(name), paths.log(stage, name)
    task, length, stride = load_task(folder), settings.encode.max_length, settings.encode.stride
    if training and not task.has_labels:
        if distributed.is_main():
            paths.model(name, role).mkdir(parents=True, exist_ok=True)
        log_skipped(NO_LABELS, log, f"{stage} of {name}")
        return
    given = [paths.teacher_source(name), *paths.other_teachers(name)]
    tokenizers = load_tokenizers([paths.PRETRAINED] if training else given)
    dev, tokenizer = (
        read_for_each(folder / "dev.parquet", tokenizers, length, stride),
        tokenizers[0],
    )
    score = scores.scorer(model, dev[0], task, settings.precision)
    with resume.stage_dir() as checkpoint_dir:
        if training:
            train = read_rows(folder / "train.parquet", tokenizer, length, stride)
            with standard_scores(model, train):
                loop.fit(
                    GoldLoss(model), train, training, seed=params.derive(settings.seed, stage),
                    precision=settings.precision, log=log, score=score,
                    checkpoint_dir=checkpoint_dir,
                )  # fmt: skip
        else:
            log_once({"dev": score()}, log, settings.precision)
        save_model(paths.model(name, role), model, tokenizer, length)
    if role == "teacher":
        _judge(model, name, dev, task, settings.precision, is_given=training is None)


def _judge(
    model: PreTrainedModel, name: str, dev: list[Rows], task: Task, precision: str, is_given: bool
) -> None:
    """Warns of a teacher, or of a member of an ensemble, that dev speaks against: by its labels, or
    without any by the answers of the first member. dev: as each member reads it. is_given: the user
    named the outputs."""
    others, target = paths.other_teachers(name), dev[0].columns[task.target]
    has_labels = CHOOSES not in task.answered
    if not has_labels and not others:
        return
    for i, (folder, rows) in enumerate(zip([None, *others], dev, strict=True), start=1):
        judged = model if folder is None else load_classifier(folder)
        logits = predict.logits(judged, rows, precision, shared=True)
        predicted, member = scores.prediction(logits, target), i if others else None
        if has_labels and distributed.is_main():
            warn_near_chance(name, logits, rows, task, member)
        if not has_labels and folder is None:
            target = predicted
        elif is_given and task.labels and distributed.is_main():
            warn_order(name, target, predicted, task, member)


def warn_near_chance(name: str, logits, dev: Rows, task: Task, member: int | None = None) -> None:
    """Prints a warning if the teacher's predictions on dev hardly correlate with the labels.
    member: its number in an ensemble."""
    target = dev.columns[task.target]
    if not scores.is_near_chance(logits, target):
        return
    line = "=" * 80
    compared = scores.compared(logits, dev, task)
    values = {metric: scores.METRICS[metric](*compared) for metric in task.metrics}
    print(
        f"{line}\nWARNING: {title(name, member)} is near chance on dev: "
        + ", ".join(f"{metric} {value:.3f}" for metric, value in values.items())
        + ".\nA student cannot learn from it. Does this model suit the task, are its labels in the "
        f"right order,\nis teacher.lr too high, are there enough rows?\n{line}",
        file=sys.stderr,
    )
