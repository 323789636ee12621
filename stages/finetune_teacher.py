"""The pretrained model, fine-tuned on the task's labels: the teacher of task distillation.

A fine-tuned teacher that the user brings (task.T.data.teacher) is used as it is.
"""

from tinybert.models.folder import load_classifier
from tinybert.pipeline import distributed, params, paths
from tinybert.tasks.finetune import finetune
from tinybert.tasks.task import load_task


def main(name: str) -> None:
    settings = params.load()
    given = paths.teacher_source(name)
    if given.is_dir():
        finetune(load_classifier(given), name, "teacher", settings, training=None)
        return
    head = load_task(paths.tables(name)).head()
    seed = params.derive(settings.seed, "finetune_teacher")
    model = load_classifier(paths.PRETRAINED, head, seed)
    finetune(model, name, "teacher", settings, settings.teacher)


if __name__ == "__main__":
    distributed.run(main)
