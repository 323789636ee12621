"""What distillation must beat: the same student, from random weights, on the labels alone."""

from pathlib import Path

from tinybert import finetune, params, processes, student, task


def main(name: str) -> None:
    settings = params.load()
    head = task.load(Path(f"data/tasks/{name}")).head()
    seed = params.derive(settings.seed, "finetune_baseline")
    baseline = student.random_classifier(Path("models/pretrained"), settings.student, head, seed)
    finetune.run(baseline, name, "baseline", settings, settings.baseline)


if __name__ == "__main__":
    processes.run(main)
