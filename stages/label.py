"""The teacher's logits for all rows of task distillation, computed once."""

import json
from pathlib import Path

import numpy as np
from transformers import AutoModelForSequenceClassification

from tinybert import device, encode, params, predict, pretrained, processes, task


def main(name: str) -> None:
    settings = params.load()
    tokenizer = pretrained.load_tokenizer("models/pretrained")
    teacher = pretrained.load(AutoModelForSequenceClassification, f"models/{name}/teacher", new=())
    teacher = device.frozen(teacher, settings.precision)
    out, metrics = Path(f"data/labels/{name}"), Path(f"metrics/label/{name}.json")
    out.mkdir(parents=True, exist_ok=True)
    shards = encode.shard_files(Path(f"data/augmented/{name}"), "parquet")
    for file in processes.mine(shards):
        rows = encode.read_rows(file, tokenizer, settings.encode.max_length)
        batch_size, precision = settings.evaluate.batch_size, settings.precision
        logits = predict.logits(teacher, rows, batch_size, precision, f"label {file.stem}")
        np.save(out / f"{file.stem}.npy", logits)
    processes.barrier()
    if not processes.is_main():
        return
    kind = task.load(Path(f"data/tasks/{name}")).kind
    facts = predict.changes(*predict.labelled(out, shards), kind)
    metrics.parent.mkdir(parents=True, exist_ok=True)
    metrics.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in facts.items()))


if __name__ == "__main__":
    processes.run(main)
