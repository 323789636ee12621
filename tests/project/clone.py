"""Scratch clones of this project, for tests of what DVC does with it.

`project` makes one whose stages really run, on tiny models; `stubbed` makes one whose stages are
stubs: DVC's own behaviour is tested in seconds.
"""

import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from ruamel.yaml import YAML
from tiny import VOCABULARY, tiny_config, tiny_tokenizer
from transformers import BertModel

from tinybert.commands import recipe

ROOT = Path(__file__).parents[2]

# Would do something if a shell, a path or a page used it unescaped.
HOSTILE = (
    "$(touch pwned)`touch pwned`",
    "<script>alert(1)</script>",
    "../../pwned",
    "';touch pwned;'",
)
LONG = {"epochs": 8, "batch_size": 4, "lr": 1e-3, "dropout": 0.1}  # some seconds
TRAININGS = ("general", "teacher", "baseline", "intermediate", "prediction")


class Clone:
    """A clone of the files that git tracks here, as they are now, with the smoke recipe."""

    def __init__(self, folder: Path):
        self.folder, self.environment = folder, {}
        names = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split("\0")
        for name in filter(None, names):
            is_result = name.startswith("metrics/") or name.endswith("dvc.lock")
            if (ROOT / name).is_file() and not is_result:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        with contextlib.chdir(folder):
            recipe.apply("smoke")
        self.git("init", "--quiet")
        self.git("config", "user.email", "test@example.org")
        self.git("config", "user.name", "test")
        self.commit("start")

    def copy(self, folder: Path) -> "Clone":
        """The same elsewhere, with its history and its experiments; the cache is shared."""
        other = Clone.__new__(Clone)
        other.folder, other.environment = folder, dict(self.environment)
        ignore = shutil.ignore_patterns("cache", "tmp")
        shutil.copytree(self.folder / ".dvc", folder / ".dvc", ignore=ignore)
        others = shutil.ignore_patterns(".dvc", ".venv")
        shutil.copytree(self.folder, folder, symlinks=True, ignore=others, dirs_exist_ok=True)
        cache = self.dvc("cache", "dir").strip()  # its own or that of what it is a copy of
        other.dvc("cache", "dir", "--local", cache)
        return other

    def run(self, *words: str, ok: bool = True) -> str:
        done = subprocess.run(
            words, cwd=self.folder, capture_output=True, text=True, env=self.variables()
        )
        output = done.stdout + done.stderr
        assert (done.returncode == 0) == ok, output
        return output

    def variables(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", **self.environment}

    def git(self, *words: str) -> str:
        return self.run("git", *words)

    def dvc(self, *words: str, ok: bool = True) -> str:
        return self.run(sys.executable, "-m", "dvc", *words, ok=ok)

    def repro(self, *words: str) -> set[str]:
        """Runs dvc repro and returns the stages that it ran."""
        return set(re.findall(r"Running stage '(.+)':", self.dvc("repro", *words)))

    def restore(self) -> None:
        """Undoes an edit: everything comes from the cache."""
        self.git("checkout", "--", ".")
        assert self.repro() == set()
        status = self.git("status", "--porcelain")
        assert status == "", status

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def read(self, name: str) -> dict:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def set(self, key: str, value: object) -> None:
        """Sets a key of params.yaml such as general.lr."""
        yaml = YAML()
        values = yaml.load(self.folder / "params.yaml")
        *sections, name = key.split(".")
        node = values
        for section in sections:
            node = node[section]
        node[name] = value
        yaml.dump(values, self.folder / "params.yaml")


def task_settings(**data) -> dict:
    return {"data": data, "augment": {}, "intermediate": {}, "prediction": {}}


def stubbed(folder: Path) -> Clone:
    """A clone whose stages are stub.py: an out is a digest of the stage's deps and params."""
    clone = Clone(folder)
    shutil.copy(Path(__file__).with_name("stub.py"), folder / "stub.py")
    for name in ("dvc.yaml", "data/dvc.yaml"):
        text = (folder / name).read_text(encoding="utf-8")
        text = text.replace("cmd: python -m stages.", "cmd: python stub.py ")
        (folder / name).write_text(text, encoding="utf-8")
    clone.commit("stubs")
    return clone


def project(folder: Path) -> Clone:
    """A clone with a teacher of two layers and width 8, a corpus and a task of its vocabulary. The
    task's columns, labels and texts are hostile."""
    clone = Clone(folder)
    choose = random.Random(0)
    words = VOCABULARY[5:]

    def text() -> str:
        return " ".join(choose.choices(words, k=choose.randint(3, 20)))

    clone.environment = {"OMP_NUM_THREADS": "1"}
    torch.manual_seed(0)
    model = folder / "data/models/tiny"
    BertModel(tiny_config()).save_pretrained(model)
    tiny_tokenizer().save_pretrained(model)
    (folder / "text").mkdir()
    (folder / "text/some.txt").write_text("\n".join(text() for _ in range(400)))
    (folder / "data/raw/mine").mkdir(parents=True)
    for split, count in (("train", 120), ("dev", 20)):
        rows = "".join(
            f"{text()} {choose.choice(HOSTILE)}\t{choose.choice(HOSTILE)}\n" for _ in range(count)
        )
        file = folder / f"data/raw/mine/{split}.tsv"
        file.write_text(f"{HOSTILE[0]}\t{HOSTILE[1]}\n{rows}", encoding="utf-8")
    yaml = YAML()
    values = yaml.load(folder / "params.yaml")
    values["tasks"] = ["mine"]
    values["task"] = {"mine": task_settings(columns={"text": HOSTILE[0], "label": HOSTILE[1]})}
    del values["docs"]
    values["pretrained"].update(model="data/models/tiny", sha256=None)
    values["corpus"].update(path="text", max_length=32)
    values["encode"]["max_length"] = 32
    values["student"].update(
        num_hidden_layers=1,
        hidden_size=4,
        num_attention_heads=2,
        intermediate_size=8,
        embedding_rank=2,
    )
    for section in TRAININGS:
        values[section].update(LONG)
    yaml.dump(values, folder / "params.yaml")
    for name in ("data/dvc.yaml", "data/dvc.lock"):  # the embedded default's, as the README says
        (folder / name).unlink(missing_ok=True)
    clone.dvc("add", "--quiet", "data/raw/mine", "data/models/tiny")
    clone.commit("a task")
    return clone
