"""The teacher's logits for all rows of task distillation, computed once."""

from tinybert.distillation.prediction.label import label_changes, label_shards, read_labels
from tinybert.models import device, encode
from tinybert.models.folder import load_classifier
from tinybert.models.tokenizer import load_tokenizers
from tinybert.pipeline import distributed, params, paths, resume
from tinybert.pipeline.files import write_json
from tinybert.tasks.task import load_task


def main(name: str) -> None:
    settings = params.load()
    teachers = [load_classifier(folder) for folder in paths.teachers(name)]
    for teacher in teachers:
        device.frozen(teacher, settings.precision, in_float32=device.heads(teacher))
    shards = encode.shard_files(paths.augmented(name), "parquet")
    with resume.stage_dir() as checkpoint_dir:
        label_shards(
            teachers,
            shards,
            paths.teacher_logits(name),
            load_tokenizers(paths.teachers(name)),
            settings.encode.max_length,
            settings.precision,
            checkpoint_dir,
        )
    if distributed.is_main():
        logits, source = read_labels(paths.teacher_logits(name), shards)
        changes = label_changes(logits, source, load_task(paths.tables(name)).kind)
        write_json(paths.metrics("label", name), changes)
        print(", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in changes.items()))


if __name__ == "__main__":
    distributed.run(main)
