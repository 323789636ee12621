"""A student as a repository of the Hugging Face hub: its weights, its ONNX files, and a model card.

python -m tinybert.publish pydocs published/pydocs --licence apache-2.0
hf upload someone/pydocs-tinybert published/pydocs
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tinybert import card, errors, params
from tinybert.classifier import FACTS, FILES
from tinybert.errors import InputError

SETTINGS = (
    "seed", "pretrained", "student", "layer_loss", "general", "teacher", "augment", "intermediate",
    "prediction",
)  # fmt: skip
CARD = """\
# {task}: a TinyBERT

A student of {teacher}, distilled for {kind} by [TinyBERT](https://arxiv.org/abs/1909.10351)
with the pipeline tinybert, at commit `{commit}`{dirty}.

{labels}

{table}

```python
from transformers import pipeline

pipeline("text-classification", model="{task}")("some text")
```

`{onnx}` and `{int8}` are the same model for ONNX Runtime, in float32 ({onnx_megabytes} MB) and in 8
bits ({int8_megabytes} MB): `tinybert predict .` reads them, and `{facts}`.

The settings that made it:

```yaml
{settings}```
"""


def write(task: str, out: Path, licence: str) -> None:
    """Raises InputError if what the pipeline makes of the task is not there, or `out` is."""
    student, exported = Path(f"models/{task}/student"), Path(f"models/{task}/onnx")
    metrics = [Path(f"metrics/{kind}/{task}.json") for kind in ("eval", "export")]
    missing = [str(p) for p in (student, exported, *metrics) if not p.exists()]
    if missing:
        raise InputError(
            f"{', '.join(missing)} is not there; dvc repro makes it, dvc pull fetches it"
        )
    if out.exists():
        raise InputError(f"{out} is there already; remove it, or name another folder")
    found, sizes = (json.loads(file.read_text(encoding="utf-8")) for file in metrics)
    shutil.copytree(student, out)
    for name in (*FILES.values(), FACTS):
        shutil.copyfile(exported / name, out / name)
    (out / "README.md").write_text(_card(task, licence, found, sizes), encoding="utf-8")


def _card(task: str, licence: str, found: dict, sizes: dict) -> str:
    facts = json.loads(Path(f"models/{task}/onnx/{FACTS}").read_text(encoding="utf-8"))
    source = json.loads(Path("models/pretrained/source.json").read_text(encoding="utf-8"))
    settings = params.load(task).model_dump(exclude_unset=True)
    rows = {model: found[model] for model in ("baseline", "teacher", "student")}
    rows["student, 8 bits"] = sizes["int8"]
    results = [
        {"type": metric, "value": value, "name": metric}
        for metric, value in found["student"].items()
    ]
    head = {
        "license": licence,
        "pipeline_tag": "text-classification",
        "library_name": "transformers",
        "tags": ["tinybert", "distillation", "onnx"],
        "model-index": [
            {
                "name": task,
                "results": [
                    {
                        "task": {"type": "text-classification"},
                        "dataset": {"type": task, "name": task, "split": found["split"]},
                        "metrics": results,
                    }
                ],
            }
        ],
    }
    text = CARD.format(
        task=task,
        teacher=source["model"] + (f" ({source['revision']})" if source["revision"] else ""),
        kind=facts["kind"].replace("_", " "),
        commit=_git("rev-parse", "HEAD"),
        dirty=" and changes to it" if _git("status", "--porcelain", "--untracked-files=no") else "",
        labels=card.labels(facts),
        table=card.table(found["split"], found["rows"], rows),
        **FILES,
        onnx_megabytes=sizes["onnx"]["megabytes"],
        int8_megabytes=sizes["int8"]["megabytes"],
        facts=FACTS,
        settings=yaml.safe_dump({key: settings[key] for key in SETTINGS}, sort_keys=False),
    )
    return card.front(head) + text


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True)
    if done.returncode:
        raise InputError(
            f"this is no git repository, so no commit can be named ({done.stderr.strip()})"
        )
    return done.stdout.strip()


def main(*words: str) -> None:
    parser = argparse.ArgumentParser(prog="python -m tinybert.publish", description=__doc__)
    parser.add_argument("task")
    parser.add_argument("out", type=Path)
    parser.add_argument("--licence", required=True, help="the teacher's, as the hub writes it")
    options = parser.parse_args(words)
    write(options.task, options.out, options.licence)
    print(f"{options.out} is ready; hf upload NAME {options.out} publishes it", file=sys.stderr)


if __name__ == "__main__":
    errors.run(main)
