"""The model card of a student's ONNX files, and its parts that publish.py uses too."""

from pathlib import Path

import pandas as pd
from huggingface_hub import ModelCard, ModelCardData

from tinybert.deploy.onnx import reference
from tinybert.deploy.onnx.session import FILES, METADATA_FILE
from tinybert.tasks.task import AGREEMENT, AGREEMENT_IS, scored_on

CARD = """\
---
{card_data}
---

# {task}: a TinyBERT as ONNX

A student for {kind}, distilled by [TinyBERT](https://arxiv.org/abs/1909.10351) with the pipeline
tinybert. It reads {what} of at most {max_length} tokens; longer ones are {longer}.

{labels}

{scores}

`{onnx}` is in float32, `{int8}` in 8 bits: weights quantised per channel, within 7 bits so that no
processor's 16-bit sums overflow, and activations dynamically. Run each text alone, without padding:
in a batch, the 8-bit model's logits depend on the other rows.

Both take `input_ids` and `attention_mask` (and `token_type_ids`, if the model has them), int64,
(batch, length), and return `logits`, (batch, {outputs}). `tinybert predict` and `tinybert serve`
read this folder, which also has the tokenizer; the labels and the length are in `{metadata}`.
`tinybert check` compares the folder with `{reference}`: the sha256 of the files, and the logits of
a text.
"""


def write(
    out: Path, metadata: dict, split: str, rows: int, scores: dict[str, dict], stride: int = 0
) -> None:
    """Writes out/README.md.

    metadata: the content of task.json. scores: the content of metrics/export/T.json, measured on
    `rows` rows of `split`. stride: of the windows of long texts; 0: they are cut.
    """
    data = ModelCardData(
        pipeline_tag=pipeline_tag(metadata),
        library_name="onnx",
        tags=["tinybert", "distillation"],
    )
    text = CARD.format(
        card_data=data.to_yaml(),
        task=metadata["task"],
        kind=kind(metadata),
        what="pairs of texts" if metadata["pair"] else "texts",
        max_length=metadata["max_length"],
        longer=longer(metadata, stride),
        outputs="length, outputs" if metadata["kind"] == "tokens" else "outputs",
        labels=labels(metadata),
        scores=table(split, rows, {"PyTorch": scores["torch"]} | {k: scores[k] for k in FILES}),
        **FILES,
        metadata=METADATA_FILE,
        reference=reference.FILE,
    )
    ModelCard(text).save(out / "README.md")


def pipeline_tag(metadata: dict) -> str:
    """The hub's name of what the model does."""
    return "token-classification" if metadata["kind"] == "tokens" else "text-classification"


def kind(metadata: dict) -> str:
    """What the model does, for people."""
    return "labels of words" if metadata["kind"] == "tokens" else metadata["kind"].replace("_", " ")


def longer(metadata: dict, stride: int) -> str:
    """What becomes of longer texts. stride: as in write."""
    if metadata["kind"] == "tokens":
        return "read in windows of so many, which overlap by half"
    if stride:
        return f"read in windows of so many, which share {stride}; the mean of their logits counts"
    return "cut there"


def labels(metadata: dict) -> str:
    """Markdown: the labels of the task."""
    names = ", ".join(f"`{label}`".replace("\n", " ") for label in metadata["labels"])
    return f"Labels: {names}." if names else "It predicts a score."


def table(split: str, rows: int, scores: dict[str, dict]) -> str:
    """Markdown: a row for each model, a column for each value that all models have.

    scores: by model; the values' names and numbers, and `interval`, [low, high] of the first.
    """
    named = {}
    for model, values in scores.items():
        metric = next(iter(values))
        low, high = values["interval"]
        rest = {name: value for name, value in values.items() if name not in (metric, "interval")}
        named[model] = {
            metric: values[metric], f"{metric}, 95 %": f"{low:.4g} to {high:.4g}", **rest,
        }  # fmt: skip
    frame = pd.DataFrame.from_dict(named, orient="index").dropna(axis="columns")
    frame.index.name = scored_on(split, rows)
    shown = frame.to_markdown(floatfmt=".4g")
    return f"{shown}\n\n{AGREEMENT_IS}" if AGREEMENT in frame else shown
