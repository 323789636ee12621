"""A task's raw files, checked and made into one table per split."""

import json
from pathlib import Path

from tinybert import params, stage, task, tokenizer


def main(name: str) -> None:
    settings = params.load()
    folder, length = Path(f"data/tasks/{name}"), settings.encode.max_length
    described, counts = task.prepare(Path(f"data/raw/{name}"), folder, settings.task[name])
    if described.teacher:
        from tinybert import teacher  # with the models, which take seconds to import

        teacher.check(described, Path("models/pretrained"))
    cutter = tokenizer.load_tokenizer("models/pretrained")
    facts = task.describe(folder, described, cutter, length)
    facts = {split: {**facts[split], **counts[split]} for split in facts}
    metrics = Path(f"metrics/data/{name}.json")
    metrics.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(facts, ensure_ascii=False, indent=2)
    metrics.write_text(text + "\n", encoding="utf-8")
    print(task.summary(described, facts, length))


if __name__ == "__main__":
    stage.run(main)
