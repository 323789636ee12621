"""More text for task distillation: changed copies of the labelled rows (paper §3.3)."""

from pathlib import Path

from tinybert import augment, errors, params


def main(name: str) -> None:
    settings = params.load()
    augment.run(
        task=Path(f"data/tasks/{name}"),
        model=Path("models/pretrained"),
        out=Path(f"data/augmented/{name}"),
        settings=settings.augment,
        max_length=settings.encode.max_length,
        precision=settings.precision,
        seed=settings.seed,
    )


if __name__ == "__main__":
    errors.run(main)
