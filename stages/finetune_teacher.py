"""The pretrained model, fine-tuned on the task's labels: the teacher of task distillation.

Or the task's own teacher, which is fine-tuned already and kept as it is.
"""

from pathlib import Path

from tinybert import finetune, params, processes, student, task, teacher


def main(name: str) -> None:
    settings = params.load()
    described = task.load(Path(f"data/tasks/{name}"))
    if described.teacher:
        model, training = teacher.load(described), None
    else:
        folder = Path("models/pretrained")
        seed = params.derive(settings.seed, "finetune_teacher")
        model = student.load_classifier(folder, described.head(), seed)
        training = settings.teacher
    finetune.run(model, name, "teacher", settings, training)


if __name__ == "__main__":
    processes.run(main)
