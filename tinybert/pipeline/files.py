"""Files that are written whole or not at all."""

import errno
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from tinybert.pipeline.errors import InputError, refused


def file_sha256(*files: Path) -> str:
    """The hash of a file; of several as if they were one, as of `cat FILES | sha256sum`."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            hashlib.file_digest(stream, lambda: digest)
    return digest.hexdigest()


@contextmanager
def atomic_write(file: Path) -> Iterator[Path]:
    """Yields a temporary path to write to, as a file or a folder; it is renamed to `file` when the
    block ends well. An OSError names the file."""
    temporary = file.with_name(f"unfinished-{file.name}")
    try:
        _remove(temporary)  # a folder of a run that was killed
        yield temporary
        temporary.replace(file)
    except BaseException as error:
        with suppress(OSError):  # a disk that is full or read-only: the first error counts
            _remove(temporary)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            raise type(error)(error.errno, error.strerror, str(file)) from error
        raise


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def set_default_mode(file: Path) -> None:
    """Gives a file the mode of any new file, such as 0644. The library safetensors writes 0600,
    which no other user and no shared cache can read."""
    umask = os.umask(0)  # it can be read only by setting it
    os.umask(umask)
    file.chmod(0o666 & ~umask)


def link_or_copy(files: list[Path], out: Path) -> None:
    """Replaces the directory `out` by one that holds `files`: hard links, or copies where the file
    system has no links."""
    if out.exists():  # left by a run without DVC, which removes outs itself
        shutil.rmtree(out)
    out.mkdir(parents=True)
    for file in files:
        try:
            os.link(file, out / file.name)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
                raise
            shutil.copyfile(file, out / file.name)


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """For a block that reads a file of the pipeline and uses its content. Raises InputError that
    names the file if it is missing, or if its content is not what the pipeline writes."""
    try:
        yield
    except InputError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{file} is missing; dvc repro writes it, dvc checkout restores it"
        ) from None
    except (ArithmeticError, AttributeError, EOFError, LookupError, OSError, RecursionError,
            TypeError, ValueError) as error:  # fmt: skip
        if refused(error):
            raise
        problem = f"no {error}" if isinstance(error, KeyError) else error
        raise InputError(
            f"{file} is damaged ({problem}); remove it, then restore it with dvc checkout or git "
            "checkout, or write it anew with dvc repro"
        ) from error


def read_json(file: Path, *keys: str) -> dict:
    """An object. Raises InputError that names the file if it is missing or damaged, or lacks one of
    the keys."""
    with reading(file):
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it is not an object")
        if missing := [key for key in keys if key not in content]:
            raise ValueError(f"it has no {', '.join(missing)}")
    return content


def write_json(file: Path, content: dict) -> None:
    """Indented, in UTF-8; creates the directory if needed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, ensure_ascii=False, indent=2)
    with atomic_write(file) as temporary:
        temporary.write_text(f"{text}\n", encoding="utf-8")


def write_array(file: Path, values: np.ndarray) -> None:
    """Writes a .npy file. The error of a full disk has its number, which that of np.save lacks."""
    buffer = io.BytesIO()
    np.save(buffer, values)
    file.write_bytes(buffer.getbuffer())
