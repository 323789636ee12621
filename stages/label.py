"""The teacher's logits for all rows of task distillation, computed once."""

import json
from pathlib import Path

from transformers import AutoModelForSequenceClassification

from tinybert import checkpoint, device, encode, params, predict, pretrained, processes, task


def main(name: str) -> None:
    settings = params.load()
    tokenizer = pretrained.load_tokenizer("models/pretrained")
    teacher = pretrained.load(AutoModelForSequenceClassification, f"models/{name}/teacher", new=())
    teacher = device.frozen(teacher, settings.precision)
    out, metrics = Path(f"data/labels/{name}"), Path(f"metrics/label/{name}.json")
    shards = encode.shard_files(Path(f"data/augmented/{name}"), "parquet")
    with checkpoint.stage() as kept:
        predict.label(
            teacher,
            shards,
            out,
            tokenizer,
            settings.encode.max_length,
            settings.evaluate.batch_size,
            settings.precision,
            work=kept,
        )
    if not processes.is_main():
        return
    kind = task.load(Path(f"data/tasks/{name}")).kind
    facts = predict.changes(*predict.labelled(out, shards), kind)
    metrics.parent.mkdir(parents=True, exist_ok=True)
    metrics.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in facts.items()))


if __name__ == "__main__":
    processes.run(main)
