"""Experiments and commits beside each other, from their metrics in git."""

import tempfile
from contextlib import chdir
from pathlib import Path

from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from scmrepo.exceptions import SCMError

from tinybert.evaluation.report import comparison
from tinybert.pipeline import paths
from tinybert.pipeline.errors import InputError

WORKSPACE = "workspace"  # DVC's name for the files as they are


def compare(revisions: list[str]) -> Path:
    """Writes report/compare.html, whose path it returns.

    revisions: commits, branches, tags, names of experiments, or "workspace"; differences are to the
    first. Raises InputError that names a revision that is unknown or has no results.
    """
    if len(revisions) > comparison.MOST:
        raise InputError(
            f"{len(revisions)} are too many to compare; name {comparison.MOST} or fewer"
        )
    if not all(revisions):  # which DVC would take for the workspace
        raise InputError("a name is empty; dvc exp list names the experiments, git log the commits")
    if wrong := next((name for name in revisions if ":" in name), None):  # git's name for a file
        raise InputError(f"{wrong} is no commit or experiment; leave out : and what follows")
    runs = {}
    for revision in dict.fromkeys(revisions):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path.cwd() if revision == WORKSPACE else _restored(revision, Path(scratch))
            try:
                with chdir(folder):
                    runs[revision] = comparison.read()
            except InputError as error:
                raise InputError(f"{revision}: {error}") from None
    comparison.write(runs)
    return paths.COMPARISON


def _restored(revision: str, folder: Path) -> Path:
    """The folder, with a revision's params.yaml and metrics."""
    try:
        files = DVCFileSystem(rev=revision)
        files.get_file("params.yaml", str(folder / "params.yaml"))
        files.get(paths.METRICS.name, str(folder / paths.METRICS), recursive=True)
    except FileNotFoundError as error:
        raise InputError(f"{revision} has no {error.filename or error}") from None
    except (DvcException, SCMError) as error:
        raise InputError(
            f"{revision}: {error}; dvc exp list names the experiments, git log the commits"
        ) from None
    return folder
