"""A student as a repository for the Hugging Face hub: weights, ONNX files and a model card."""

import shutil
import subprocess
from pathlib import Path

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from tinybert.deploy.classifier import Classifier
from tinybert.deploy.onnx import card, reference
from tinybert.deploy.onnx.session import FILES, METADATA_FILE, TOKENIZER_FILE
from tinybert.models import pretrained
from tinybert.pipeline import params, paths
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import atomic_write, read_json, reading
from tinybert.tasks.task import MODELS

SETTINGS = (
    "seed", "pretrained", "student", "layer_loss", "training", "general", "teacher", "augment",
    "intermediate", "prediction",
)  # fmt: skip
CLASSIFY = """\
classify = pipeline("text-classification", model="{task}")
classify({example}, truncation=True, max_length={max_length})"""
TAG = """\
tag = pipeline(
    "token-classification", model="{task}", aggregation_strategy="first", stride={stride}
)
tag("some text")"""
PAIR = '{"text": "one text", "text_pair": "another"}'
FIRST_WINDOW = ", with `tinybert predict` and `tinybert serve`; the lines above read the first one"
CARD = """\
---
{card_data}
---

# {task}: a TinyBERT

A student of {teacher}, distilled for {kind} by [TinyBERT](https://arxiv.org/abs/1909.10351)
with the pipeline tinybert, at commit `{commit}`{dirty}.

{labels}

{table}

```python
from transformers import pipeline

{usage}
```

It was trained on {what} of at most {max_length} tokens; longer ones are {longer}.

`{onnx}` and `{int8}` are the same model for ONNX Runtime, in float32 ({onnx_megabytes} MB) and in 8
bits ({int8_megabytes} MB). `tinybert predict .` reads them, `tokenizer.json` and `{metadata}`;
`tinybert check .` compares them with `{reference}`.

The settings:

```yaml
{settings}```
"""


def write(task: str, out: Path, licence: str) -> None:
    """Writes the repository of the task's student to `out`.

    licence: the teacher's, as an identifier of the hub. Raises InputError if outputs of the
    pipeline are missing or damaged, if `out` exists, or outside of a git repository.
    """
    student, onnx = paths.model(task, "student"), paths.model(task, "onnx")
    metrics = [paths.metrics(kind, task) for kind in ("eval", "export")]
    missing = [str(p) for p in (student, onnx, *metrics) if not p.exists()]
    if missing:
        raise InputError(f"{', '.join(missing)} is missing; run dvc repro, or dvc pull")
    if out.exists():
        raise InputError(f"{out} exists; remove it, or choose another folder")
    pretrained.read_config(str(student), None, task)
    for kind in FILES:
        stride = Classifier(onnx, kind).stride
    rows, scores, sizes = _scores(*metrics)
    metadata = read_json(onnx / METADATA_FILE)
    source = read_json(paths.PRETRAINED / "source.json", "model", "revision")
    settings = params.load(task).model_dump(exclude_unset=True)
    has_changes = _git("status", "--porcelain", "--untracked-files=no")
    length, is_words = metadata["max_length"], metadata["kind"] == "tokens"
    usage = (TAG if is_words else CLASSIFY).format(
        task=task,
        example=PAIR if metadata["pair"] else '"some text"',
        max_length=length,
        stride=length // 2,
    )
    text = CARD.format(
        card_data=_card_data(task, licence, scores, card.pipeline_tag(metadata)).to_yaml(),
        task=task,
        usage=usage,
        longer=card.longer(metadata, stride) + (FIRST_WINDOW if stride else ""),
        what="pairs of texts" if metadata["pair"] else "texts",
        max_length=length,
        teacher=source["model"] + (f" ({source['revision']})" if source["revision"] else ""),
        kind=card.kind(metadata),
        commit=_git("rev-parse", "HEAD"),
        dirty=" and uncommitted changes" if has_changes else "",
        labels=card.labels(metadata),
        table=card.table(scores["split"], scores["rows"], rows),
        **FILES,
        **sizes,
        metadata=METADATA_FILE,
        reference=reference.FILE,
        settings=yaml.safe_dump({key: settings[key] for key in SETTINGS}, sort_keys=False),
    )
    with atomic_write(out) as folder:
        folder.mkdir(parents=True)
        names = (*FILES.values(), METADATA_FILE, TOKENIZER_FILE, reference.FILE)
        for file in (*sorted(student.iterdir()), *(onnx / name for name in names)):
            shutil.copyfile(file, folder / file.name)
        ModelCard(text).save(folder / "README.md")


def _scores(evaluated: Path, exported: Path) -> tuple[dict[str, dict], dict, dict]:
    """The rows of the card's table, the content of `evaluated`, and the sizes of the ONNX files in
    MB. Raises InputError that names a file that is damaged or that an earlier version wrote."""
    scores, sizes = read_json(evaluated), read_json(exported)
    with reading(exported):
        is_current = "intervals" in scores, "interval" in sizes["int8"]
    for file, has_intervals in zip((evaluated, exported), is_current, strict=True):
        if not has_intervals:
            raise InputError(f"{file} was written by an earlier version; run dvc repro")
    with reading(evaluated):
        rows = {
            name: {**scores[model], "interval": scores["intervals"][model][scores["metric"]]}
            for model, name in MODELS.items()
            if model in scores
        }
        card.table(scores["split"], scores["rows"], rows)
    with reading(exported):
        rows["student, 8 bits"] = sizes["int8"]
        card.table(scores["split"], scores["rows"], rows)
        megabytes = {f"{kind}_megabytes": sizes[kind]["megabytes"] for kind in FILES}
    return rows, scores, megabytes


def _card_data(task: str, licence: str, scores: dict, tag: str) -> ModelCardData:
    results = [
        EvalResult(
            task_type=tag,
            dataset_type=task,
            dataset_name=task,
            dataset_split=scores["split"],
            metric_type=metric,
            metric_name=metric,
            metric_value=value,
        )
        for metric, value in scores["student"].items()
    ]
    return ModelCardData(
        license=licence,
        pipeline_tag=tag,
        library_name="transformers",
        tags=["tinybert", "distillation", "onnx"],
        model_name=task,
        eval_results=results,
    )


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True)
    if done.returncode:
        raise InputError(
            f"the card must name a commit, but git failed: {done.stderr.strip()}; run the command "
            "in a git repository with a commit"
        )
    return done.stdout.strip()
