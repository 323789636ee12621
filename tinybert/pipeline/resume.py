"""Resuming killed runs: where a stage keeps its unfinished work, outside of its outs.

DVC deletes a stage's outs before it runs the stage. Work that must survive a kill is therefore kept
in $DVC_ROOT/.checkpoints/STAGE/FINGERPRINT/. DVC_ROOT is the main workspace also for experiments
that run in a copy. The fingerprint covers everything that decides the result, so a run never
resumes work that was made from other data, params or code. A stage that succeeds removes its
directory; directories of other fingerprints are removed after a WEEK without a write. Without DVC
(`python -m stages.X`) a stage always starts from scratch. To use another disk, make .checkpoints a
symbolic link.

TINYBERT_CHECKPOINT_SECONDS: the interval between checkpoints. The default is 60 seconds, or longer
where writing them would take more than a hundredth of the time.
"""

import hashlib
import json
import math
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout
from ruamel.yaml import YAML

from tinybert.pipeline import distributed
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import file_sha256

VARIABLE = "TINYBERT_CHECKPOINT_SECONDS"
WEEK = 7 * 24 * 3600  # seconds
LIBRARIES = ("torch", "transformers", "tokenizers", "accelerate", "numpy", "pyarrow")


@contextmanager
def stage_dir() -> Iterator[Path]:
    """The directory for this run's unfinished work; no other run uses it at the same time.

    It is removed when the block ends well and kept when an exception ends it. All processes of a
    stage get the same directory.
    """
    root, name = os.environ.get("DVC_ROOT"), os.environ.get("DVC_STAGE", "").rpartition(":")[2]
    with ExitStack() as stack:
        folder = None
        if distributed.is_main():
            scratch = Path(".scratch")
            scratch.mkdir(exist_ok=True)
            if root and name:
                stack.enter_context(_locked(scratch / f"{name}.lock"))
                folder = Path(root, ".checkpoints", name, fingerprint(name))
                folder.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(_locked(folder.with_suffix(".lock")))
                _remove_stale(folder)
                folder.mkdir(exist_ok=True)
            else:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=scratch)))
        folder = Path(distributed.gather(str(folder))[0])
        yield folder
        distributed.barrier()
        if distributed.is_main() and root and name:
            shutil.rmtree(folder)


def fingerprint(name: str) -> str:
    """A hash of everything that decides the stage's result: the contents of the deps that dvc.yaml
    lists (code, data, models), the values of its params, and the libraries' versions."""
    yaml = YAML(typ="safe", pure=True)
    base, _, task = name.partition("@")
    stage = yaml.load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"][base]
    params = yaml.load(Path("params.yaml").read_text(encoding="utf-8"))

    def value(key: str):
        node = {"item": {"task": task}, **params}
        for part in key.split("."):
            node = node[part]
        return node

    def expand(text: str) -> str:
        return re.sub(r"\$\{([^}]+)\}", lambda match: str(value(match[1])), text)

    content = {
        "stage": name,
        "deps": {dep: _digest(Path(dep)) for dep in map(expand, stage["deps"])},
        "params": {key: value(key) for key in map(expand, stage["params"])},
        "libraries": {library: version(library) for library in LIBRARIES},
    }
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _digest(source: Path) -> str | dict[str, str]:
    if source.is_dir():
        files = sorted(file for file in source.rglob("*") if file.is_file())
        return {
            file.relative_to(source).as_posix(): file_sha256(file)
            for file in files
            if file.parent.name != "__pycache__"
        }
    return file_sha256(source)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a lock; waits while another process holds it. The operating system releases the lock
    when its process ends, however it ends."""
    lock, owner = FileLock(path), path.with_suffix(".pid")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        pid = _read(owner) or "unknown"
        print(
            f"waiting for process {pid}, which runs the same stage ({path}); if its result is not "
            f"needed, stop it: kill {pid}",
            file=sys.stderr,
        )
        lock.acquire()
    try:
        owner.write_text(str(os.getpid()))
        yield
    finally:  # both are removed while locked: a waiting process opens the path again
        owner.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        lock.release()


def _remove_stale(folder: Path) -> None:
    """Removes the stage's directories of other fingerprints that are older than a week and that no
    run uses."""
    for other in folder.parent.iterdir():
        if not other.is_dir() or other == folder:
            continue
        path = other.with_suffix(".lock")
        try:
            with FileLock(path).acquire(blocking=False):  # nobody writes there meanwhile
                files = [other, *other.rglob("*")] if other.is_dir() else []
                if files and max(file.stat().st_mtime for file in files) < time.time() - WEEK:
                    shutil.rmtree(other)
                    other.with_suffix(".pid").unlink(missing_ok=True)
                path.unlink(missing_ok=True)
        except Timeout:
            continue


def _read(file: Path) -> str:
    """A file's text; empty if the file is gone by now."""
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""


def interval() -> float:
    """Seconds between checkpoints. Raises InputError if VARIABLE is not a number, 0 or more."""
    return number(VARIABLE, "60")


def number(variable: str, default: str) -> float:
    """A setting of this machine. Raises InputError if it is not a number, 0 or more."""
    setting = os.environ.get(variable, default)
    try:
        value = float(setting)
    except ValueError:
        value = math.nan
    if not value >= 0:  # NaN too
        raise InputError(f"{variable}: {setting!r} is not a number, 0 or more, such as {default}")
    return value
