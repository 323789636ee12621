"""Stands in for the stages of a clone: writes each out as a digest of the stage's deps and params.

Comment lines of code are not part of the digest: their edit reruns the stage, not what follows. Nor
are the settings of step 1 for prepare_task, which only checks a given teacher by them.
As the stages do, the stubs of distillation check params.yaml first.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

import yaml

from tinybert.pipeline import errors
from tinybert.pipeline import params as settings

name, task = sys.argv[1], "".join(sys.argv[2:])
if name.startswith("distill_"):
    errors.run(settings.load)
params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
home = "data/dvc.yaml" if name == "harvest_docs" else "dvc.yaml"
stage = yaml.safe_load(Path(home).read_text(encoding="utf-8"))["stages"][name]


def value(key: str) -> object:
    node = {"item": {"task": task}, **params}
    for part in key.split("."):
        node = node[part]
    return node


def expand(text: str) -> str:
    return re.sub(r"\$\{([^}]+)\}", lambda match: str(value(match[1])), text)


def content(path: Path) -> bytes:
    lines = path.read_bytes().splitlines()
    is_code = path.suffix == ".py"
    return b"\n".join(line for line in lines if not (is_code and line.startswith(b"#")))


digest = hashlib.sha256()
for key in map(expand, stage["params"]):
    if name != "prepare_task" or "intermediate" not in key:
        digest.update(json.dumps([key, value(key)]).encode())
for dep in map(expand, stage["deps"]):
    files = [Path(dep)] if Path(dep).is_file() else sorted(Path(dep).rglob("*"))
    for file in files:
        if file.is_file() and file.parent.name != "__pycache__":
            digest.update(str(file).encode() + content(file))
number = int(digest.hexdigest()[:6], 16) / 16**6

declared = [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]
for out in declared:
    path = Path(expand(out if isinstance(out, str) else next(iter(out))))
    if path.parent == Path("data/texts") and params["corpus"]["path"]:
        path.mkdir(parents=True)
        continue
    if path.name == "plots":
        path = path / "metrics/loss.tsv"
        text = f"step\tloss\n1\t{number}\n"
    elif path.suffix == ".csv":
        text = f"actual,student\na,a\na,{number}\n"
    elif path.suffix:
        models = ("baseline", "finetuned_general", "teacher", "student")
        text = json.dumps({model: {"accuracy": round(number, 4)} for model in models})
    else:
        path, text = path / "digest.json", json.dumps({"digest": number})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
