"""What the teacher is worth: the general student, fine-tuned on the labels alone.

It is trained as the teacher is, since it too is a pretrained model: with the settings of `teacher`.
"""

from tinybert.models.folder import load_classifier
from tinybert.pipeline import distributed, params, paths
from tinybert.tasks.finetune import finetune
from tinybert.tasks.task import load_task


def main(name: str) -> None:
    settings = params.load()
    head = load_task(paths.tables(name)).head()
    seed = params.derive(settings.seed, "finetune_general")
    model = load_classifier(paths.GENERAL, head, seed)
    finetune(model, name, "finetuned_general", settings, settings.teacher)


if __name__ == "__main__":
    distributed.run(main)
