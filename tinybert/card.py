"""What a model card says of a student: the one beside its ONNX files, parts of a published one."""

from pathlib import Path

import yaml

from tinybert.classifier import FACTS, FILES

CARD = """\
# {task}: a TinyBERT as ONNX

A student for {kind}, distilled by [TinyBERT](https://arxiv.org/abs/1909.10351) with the pipeline
tinybert. It reads {what} of at most {max_length} tokens; longer ones are cut.

{labels}

{table}

`{onnx}` is in float32, `{int8}` in 8 bits: weights by channel, activations as they come. Both take
`input_ids` and `attention_mask` (and `token_type_ids`, if the model has them), int64, (batch,
length), and return `logits`, (batch, outputs). `tinybert predict` and `tinybert serve` read this
folder: the tokenizer stands beside the models, labels and length in `{facts}`.
"""


def write(out: Path, facts: dict, split: str, rows: int, scores: dict[str, dict]) -> None:
    """out/README.md. facts: of task.json. scores: of metrics/export/T.json, on `rows` rows."""
    head = {
        "pipeline_tag": "text-classification",
        "library_name": "onnx",
        "tags": ["tinybert", "distillation"],
    }
    text = CARD.format(
        task=facts["task"],
        kind=facts["kind"].replace("_", " "),
        what="pairs of texts" if facts["pair"] else "texts",
        max_length=facts["max_length"],
        labels=labels(facts),
        table=table(split, rows, {"PyTorch": scores["torch"]} | {k: scores[k] for k in FILES}),
        **FILES,
        facts=FACTS,
    )
    (out / "README.md").write_text(front(head) + text, encoding="utf-8")


def front(head: dict) -> str:
    """The head of a card, which the hub reads."""
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n\n"


def labels(facts: dict) -> str:
    names = ", ".join(f"`{label}`".replace("\n", " ") for label in facts["labels"])
    return f"Labels: {names}." if names else "It says a score."


def table(split: str, rows: int, scores: dict[str, dict[str, float]]) -> str:
    """A row for each model, a column for each number that all of them have."""
    columns = [key for key in next(iter(scores.values())) if all(key in s for s in scores.values())]
    lines = [
        f"| {split} split, {rows} rows | {' | '.join(columns)} |",
        f"| --- |{' ---: |' * len(columns)}",
        *(
            f"| {name} | {' | '.join(f'{own[column]:.4g}' for column in columns)} |"
            for name, own in scores.items()
        ),
    ]
    return "\n".join(lines)
