"""More text for task distillation: changed copies of the labelled rows (paper §3.3)."""

import json
from pathlib import Path

from tinybert import augment, checkpoint, params, processes


def main(name: str) -> None:
    settings = params.load(name)
    with checkpoint.stage() as kept:
        facts = augment.run(
            task=Path(f"data/tasks/{name}"),
            model=Path("models/pretrained"),
            out=Path(f"data/augmented/{name}"),
            settings=settings.augment,
            max_length=settings.encode.max_length,
            precision=settings.precision,
            seed=params.derive(settings.seed, "augment"),
            work=kept,
        )
    if not processes.is_main():
        return
    metrics = Path(f"metrics/augment/{name}.json")
    metrics.parent.mkdir(parents=True, exist_ok=True)
    metrics.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in facts.items()))


if __name__ == "__main__":
    processes.run(main)
