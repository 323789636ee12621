"""A task's raw files, checked and made into one table per split."""

import json
from pathlib import Path

from tinybert import errors, params, pretrained, task


def main(name: str) -> None:
    settings = params.load()
    folder = Path(f"data/tasks/{name}")
    prepared = task.prepare(Path(f"data/raw/{name}"), folder)
    tokenizer = pretrained.load_tokenizer("models/pretrained")
    facts = task.describe(folder, prepared, tokenizer, settings.encode.max_length)
    metrics = Path(f"metrics/data/{name}.json")
    metrics.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(facts, ensure_ascii=False, indent=2)
    metrics.write_text(text + "\n", encoding="utf-8")
    for split, fact in facts.items():
        cut = f", {fact['rows_cut']} cut at {settings.encode.max_length} tokens"
        print(f"{split}: {fact['rows']} rows{cut if fact['rows_cut'] else ''}")


if __name__ == "__main__":
    errors.run(main)
