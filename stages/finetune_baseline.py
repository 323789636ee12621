"""What distillation must beat: the student's sizes from random weights, on the labels alone."""

from tinybert.distillation.layers.student_config import random_classifier
from tinybert.pipeline import distributed, params, paths
from tinybert.tasks.finetune import finetune
from tinybert.tasks.task import load_task


def main(name: str) -> None:
    settings = params.load()
    head = load_task(paths.tables(name)).head()
    seed = params.derive(settings.seed, "finetune_baseline")
    model = random_classifier(paths.PRETRAINED, settings.student, head, seed)
    finetune(model, name, "baseline", settings, settings.baseline)


if __name__ == "__main__":
    distributed.run(main)
