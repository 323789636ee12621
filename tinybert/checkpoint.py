"""Going on where a run was killed: what a stage has done so far, kept outside of its outs.

DVC deletes a stage's outs before it runs it. What is to outlive a kill stands therefore in
$DVC_ROOT/.checkpoints/STAGE/FINGERPRINT/. DVC_ROOT is the main workspace in the copies, too, in
which experiments run. The fingerprint is that of all that decides the result: what came from other
data, params or code is never gone on with. A stage that ends well removes its folder; what nobody
came back to for a WEEK goes when the stage runs again. Started by hand, without DVC, a stage starts
afresh. To have it all on another disk, make .checkpoints a link.

TINYBERT_CHECKPOINT_SECONDS: how often what is under way is kept. If it is not set, every 60
seconds, or less often where that would take more than a hundredth of the time.
"""

import fcntl
import hashlib
import json
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

from ruamel.yaml import YAML

from tinybert import processes
from tinybert.errors import InputError
from tinybert.files import file_sha256

VARIABLE = "TINYBERT_CHECKPOINT_SECONDS"
WEEK = 7 * 24 * 3600  # seconds
LIBRARIES = ("torch", "transformers", "tokenizers", "accelerate", "numpy", "pyarrow")


@contextmanager
def stage() -> Iterator[Path]:
    """The folder for what this run of a stage makes on its way; it is no other run's meanwhile.

    Removed when the context ends, but not if an exception ends it. All processes get the same.
    """
    root, name = os.environ.get("DVC_ROOT"), os.environ.get("DVC_STAGE", "").rpartition(":")[2]
    with ExitStack() as held:
        folder = None
        if processes.is_main():
            scratch = Path(".scratch")
            scratch.mkdir(exist_ok=True)
            if root and name:
                held.enter_context(_locked(scratch / f"{name}.lock"))
                folder = Path(root, ".checkpoints", name, fingerprint(name))
                folder.parent.mkdir(parents=True, exist_ok=True)
                held.enter_context(_locked(folder.with_suffix(".lock")))
                _forget(folder)
                folder.mkdir(exist_ok=True)
            else:
                folder = Path(held.enter_context(tempfile.TemporaryDirectory(dir=scratch)))
        folder = Path(processes.gather(str(folder))[0])
        yield folder
        processes.barrier()
        if processes.is_main() and root and name:
            shutil.rmtree(folder)


def fingerprint(name: str) -> str:
    """Of what dvc.yaml says that a stage reads: its deps' contents (its code among them) and its
    params' values; and of the libraries' versions."""
    yaml = YAML(typ="safe", pure=True)
    base, _, task = name.partition("@")
    described = yaml.load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"][base]
    values = yaml.load(Path("params.yaml").read_text(encoding="utf-8"))

    def value(key: str):
        found = {"item": {"task": task}, **values}
        for part in key.split("."):
            found = found[part]
        return found

    def filled(text: str) -> str:
        return re.sub(r"\$\{([^}]+)\}", lambda match: str(value(match[1])), text)

    facts = {
        "stage": name,
        "deps": {dep: _digest(Path(dep)) for dep in map(filled, described["deps"])},
        "params": {key: value(key) for key in map(filled, described["params"])},
        "libraries": {library: version(library) for library in LIBRARIES},
    }
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _digest(source: Path) -> str | dict[str, str]:
    if source.is_dir():
        files = sorted(file for file in source.rglob("*") if file.is_file())
        return {file.relative_to(source).as_posix(): file_sha256(file) for file in files}
    return file_sha256(source)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Waits for other processes that hold this lock. The kernel lets it go when its holder ends,
    however that ends."""
    while True:
        with path.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read()
                print(
                    f"waiting for process {holder}, which is at the same stage ({path}); if nobody "
                    f"wants what it makes, end it: kill {holder}",
                    file=sys.stderr,
                )
                fcntl.flock(file, fcntl.LOCK_EX)
            if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                continue  # its last holder has removed it
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield
            path.unlink()
            return


def _forget(folder: Path) -> None:
    """Removes what other settings of the stage left behind a week ago, but not what is in use."""
    for other in folder.parent.iterdir():
        if not other.is_dir() or other == folder or _in_use(other.with_suffix(".lock")):
            continue
        if max(file.stat().st_mtime for file in [other, *other.rglob("*")]) < time.time() - WEEK:
            shutil.rmtree(other)
            other.with_suffix(".lock").unlink(missing_ok=True)


def _in_use(lock: Path) -> bool:
    if not lock.exists():
        return False
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def interval() -> float:
    """Seconds. Raises InputError if what the environment says is no number."""
    setting = os.environ.get(VARIABLE, "60")
    try:
        return float(setting)
    except ValueError:
        raise InputError(f"{VARIABLE}: {setting!r} is no number") from None
