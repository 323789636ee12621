"""Every command of the documents is run here, or a similar one by what ELSEWHERE names."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from clone import Clone
from test_documents import ROOT, blocks

PAGES = ("README.md", *(f"docs/{name}.md" for name in (
    "data", "deployment", "experiments", "migration", "scaling", "trouble-shooting",
)))  # fmt: skip
# The beginning of a command, and what runs it or a similar one; None: nothing here can.
ELSEWHERE = {
    "make run|make check-lock": ".ci/run",
    "make setup": "Makefile",  # before whatever .ci/run makes
    "make bench": "tests/project/test_benchmarks.py",
    "python -m benchmarks.seeds": "tests/project/test_experiments.py",
    "dvc exp run --queue|dvc queue (status|start|logs)": "tests/project/test_experiments.py",
    "dvc repro --pull": "tests/project/test_reruns.py",
    "dvc exp run --temp": "tests/project/test_kills.py",
    "dvc exp run --name soft": "tests/project/test_commands.py",  # by with_soft
    "dvc exp run --name slow": "tests/project/test_experiments.py",
    "tinybert (recipe|init|plan)|dvc add": "tests/project/test_tutorial.py",
    "tinybert fetch": "tests/commands/test_fetch.py",
    "accelerate config": "tests/pipeline/test_distributed.py",  # it asks; the file that it writes
    "hf upload|pip install dvc-s3": None,  # need an account
}
PRELUDE = r"""
set -euo pipefail
trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
serves() {  # starts the service, waits until it answers, ends it
  port=8000; [[ "$*" =~ --port\ ([0-9]+) ]] && port=${BASH_REMATCH[1]}
  tinybert serve "$@" & process=$!
  until curl --silent --fail "http://127.0.0.1:$port/health" > /dev/null; do
    kill -0 $process; sleep 0.2
  done
  [[ -n "${KEEP-}" ]] || { kill $process; wait $process || true; }
}
"""


def all_blocks() -> list[tuple[str, str]]:
    return [(page, block) for page in PAGES for block in blocks(ROOT / page)]


def lines(block: str) -> list[str]:
    """Its commands, without comments; one that goes over several lines is one."""
    joined = re.sub(r"\\\n\s*", "", block)
    bare = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
    return [line for line in bare if line]


def runs_here(line: str) -> bool:
    return not any(re.match(pattern, line) for pattern in ELSEWHERE)


def test_what_runs_elsewhere_exists():
    everything = [line for _, block in all_blocks() for line in lines(block)]
    for pattern, where in ELSEWHERE.items():
        assert any(re.match(pattern, line) for line in everything), pattern
        assert where is None or (ROOT / where).is_file()


@pytest.fixture(scope="module")
def with_soft(undisturbed, tmp_path_factory) -> Clone:
    """A copy in which there is the experiment `soft` of the documents."""
    clone = copied(undisturbed, tmp_path_factory.mktemp("soft"))
    clone.dvc("exp", "run", "--name", "soft", "-S", "prediction.temperature=2")
    clone.git("checkout", "--", ".")
    clone.dvc("checkout")
    return clone


def copied(clone: Clone, folder: Path) -> Clone:
    """A copy in which `make setup` has nothing to do."""
    other = clone.copy(folder / "clone")
    other.environment["BROWSER"] = "true"
    (other.folder / ".venv/bin").mkdir(parents=True, exist_ok=True)
    for name in (".ready", "activate"):
        (other.folder / ".venv/bin" / name).touch()
    return other


@pytest.mark.slow
@pytest.mark.xdist_group("real")
@pytest.mark.parametrize(
    ("page", "block"),
    [
        pytest.param(page, block, id=f"{page}: {lines(block)[0][:40]}")
        for page, block in all_blocks()
        if any(map(runs_here, lines(block)))
    ],
)
def test_the_documented_commands_run(page, block, with_soft, tmp_path):
    """Only the names of the task, folders and experiments are replaced."""
    clone = copied(with_soft, tmp_path)
    clone.git("init", "--quiet", "--bare", str(tmp_path / "origin"))
    clone.git("remote", "add", "origin", str(tmp_path / "origin"))
    clone.git("push", "--quiet", "--set-upstream", "origin", "HEAD")
    old = tmp_path / "old"
    old.mkdir()
    migrated = [clone.folder / "data/raw/mine"] if page == "docs/migration.md" else []
    for folder in (old, *migrated):
        for name in ("train.txt", "eval.txt"):
            (folder / name).write_text("good\t1\nbad\t0\n")
    texts = ["good film", "bad film"]
    (clone.folder / "texts.txt").write_text("\n".join(texts) + "\n")
    (clone.folder / "rows.tsv").write_text("\n".join(["text", *texts]) + "\n")
    rows = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    (clone.folder / "rows.jsonl").write_text(rows)
    labels = json.loads((clone.folder / "models/mine/onnx/task.json").read_text())["labels"]
    labelled = ["text\tlabel", *(f"{text}\t{label}" for text in texts for label in labels)]
    (clone.folder / "labelled.tsv").write_text("\n".join(labelled) + "\n", encoding="utf-8")
    if page == "docs/trouble-shooting.md":
        shutil.copy(ROOT / "data/dvc.yaml", clone.folder / "data/dvc.yaml")
        clone.commit("the default again")
    script = "\n".join(filter(runs_here, lines(block)))
    for name, value in {
        "pydocs": "mine", "NAME": "soft", "s3://my-bucket/tinybert": str(tmp_path / "store"),
        "/path/to/data": str(old), "tinybert serve": "serves",
    }.items():  # fmt: skip
        script = script.replace(name, value)
    if "curl" in script:
        script = f"KEEP=1 serves models/mine/onnx\n{script}\nkill $process"
    if "pip install" in script:
        without = "! python -c 'import torch' 2> /dev/null"
        script = f"python -m venv ../own\n. ../own/bin/activate\n{script}\n{without}\n"
        script += "tinybert predict models/mine/onnx texts.txt"
    done = subprocess.run(
        ["bash", "-c", PRELUDE + script],
        cwd=clone.folder,
        env={**clone.variables(), "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr
    if "tinybert predict" in script:
        written = clone.folder / "labels.jsonl"
        output = done.stdout + (written.read_text() if written.exists() else "")
        assert output.count('"label"') >= len(texts), output
