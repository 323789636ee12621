"""The teacher's logits for all rows of task distillation, computed once."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from transformers import AutoModelForSequenceClassification

from tinybert import encode, errors, params, predict, pretrained, task


def main(name: str) -> None:
    settings = params.load()
    tokenizer = pretrained.load_tokenizer("models/pretrained")
    teacher = pretrained.load(AutoModelForSequenceClassification, f"models/{name}/teacher", new=())
    file = Path(f"data/augmented/{name}/rows.parquet")
    rows = encode.read_rows(file, tokenizer, settings.encode.max_length)
    out, metrics = Path(f"data/labels/{name}"), Path(f"metrics/label/{name}.json")
    batch_size, precision = settings.evaluate.batch_size, settings.precision
    logits = predict.logits(teacher, rows, batch_size, precision, "label")
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "logits.npy", logits)
    source = pq.read_table(file, columns=["source"])["source"].to_numpy()
    facts = predict.changes(logits, source, task.load(Path(f"data/tasks/{name}")).kind)
    metrics.parent.mkdir(parents=True, exist_ok=True)
    metrics.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in facts.items()))


if __name__ == "__main__":
    errors.run(main)
