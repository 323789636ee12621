"""More text for task distillation: changed copies of the labelled rows (paper §3.3)."""

from tinybert.data.augment.augment import augment_task
from tinybert.data.augment.replacements import print_unchanged
from tinybert.pipeline import distributed, params, paths, resume
from tinybert.pipeline.files import write_json


def main(name: str) -> None:
    settings = params.load(name)
    with resume.stage_dir() as checkpoint_dir:
        counts = augment_task(
            paths.tables(name),
            paths.PRETRAINED,
            paths.augmented(name),
            settings.augment,
            max_length=settings.encode.max_length,
            precision=settings.precision,
            seed=params.derive(settings.seed, "augment"),
            checkpoint_dir=checkpoint_dir,
            stride=settings.encode.stride,
        )
    if distributed.is_main():
        write_json(paths.metrics("augment", name), counts)
        print(", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in counts.items()))
        print_unchanged(counts)


if __name__ == "__main__":
    distributed.run(main)
