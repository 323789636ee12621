"""The teacher's logits for all rows of task distillation, computed once."""

from pathlib import Path

import numpy as np
from transformers import AutoModelForSequenceClassification

from tinybert import encode, errors, params, predict, pretrained


def main(name: str) -> None:
    settings = params.load()
    tokenizer = pretrained.load_tokenizer("models/pretrained")
    teacher = pretrained.load(AutoModelForSequenceClassification, f"models/{name}/teacher", new=())
    file = Path(f"data/augmented/{name}/rows.parquet")
    rows = encode.read_rows(file, tokenizer, settings.encode.max_length)
    out = Path(f"data/labels/{name}")
    out.mkdir(parents=True, exist_ok=True)
    batch_size, precision = settings.evaluate.batch_size, settings.precision
    np.save(out / "logits.npy", predict.logits(teacher, rows, batch_size, precision, "label"))


if __name__ == "__main__":
    errors.run(main)
