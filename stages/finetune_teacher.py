"""The pretrained model, fine-tuned on the task's labels: the teacher of task distillation."""

from pathlib import Path

from tinybert import errors, finetune, params, student, task


def main(name: str) -> None:
    settings = params.load()
    head = task.load(Path(f"data/tasks/{name}")).head()
    teacher = student.load_classifier(Path("models/pretrained"), head, settings.seed)
    finetune.run(teacher, name, "teacher", settings, settings.teacher)


if __name__ == "__main__":
    errors.run(main)
