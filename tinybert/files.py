"""Files that are whole or not there, and what is in them."""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def file_sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def writing(file: Path) -> Iterator[Path]:
    """The name under which to write `file`; it gets its own when all is written."""
    temporary = file.with_name(f"unfinished-{file.name}")
    try:
        yield temporary
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    temporary.replace(file)


def deliver(files: list[Path], out: Path) -> None:
    """Makes finished files a stage's out, without copying them where the disk allows it."""
    if out.exists():  # of a run by hand: DVC has removed it
        shutil.rmtree(out)
    out.mkdir(parents=True)
    for file in files:
        try:
            os.link(file, out / file.name)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
                raise
            shutil.copyfile(file, out / file.name)
