"""An error that the user can fix is one message; a defect keeps its traceback."""

import errno
import resource
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file
from tiny import tiny_tokenizer

from tinybert.evaluation.compare import compare_models
from tinybert.pipeline import stage
from tinybert.pipeline.errors import InputError, refused, run
from tinybert.pipeline.files import write_array

ROWS = list(range(10_000))
WRITERS = {
    "text": lambda file: file.write_text("a" * 10_000),
    "numpy": lambda file: write_array(file, np.ones(10_000)),
    "safetensors": lambda file: save_file({"a": torch.ones(10_000)}, file),
    "tokenizers": lambda file: tiny_tokenizer().backend_tokenizer.save(str(file)),
    "parquet": lambda file: pq.write_table(pa.table({"a": ROWS}), file),
    "pandas": lambda file: pd.DataFrame({"a": ROWS}).to_csv(file),
    "copy": lambda file: shutil.copyfile(__file__, file),
}


def test_an_input_error_exits_with_its_text_alone():
    def main(task: str) -> None:
        raise InputError(f"{task} is wrong")

    with pytest.raises(SystemExit) as caught:
        run(main, "mine")
    assert caught.value.code == "error: mine is wrong"


def test_other_errors_keep_their_traceback():
    with pytest.raises(KeyError):
        run(lambda: {}["missing"])


def test_a_full_disk_is_one_message_with_the_file():
    def main() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "data/corpus/00000.arrow")

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert "the disk is full" in caught.value.code and "00000.arrow" in caught.value.code


def test_ctrl_c_exits_without_a_message(capsys):
    def main() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 128 + signal.SIGINT
    assert capsys.readouterr() == ("", "")


def test_another_failure_of_the_disk_keeps_its_traceback():
    def main() -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file", "x")

    with pytest.raises(FileNotFoundError):
        run(main)


@pytest.mark.parametrize("library", WRITERS)
def test_each_librarys_error_of_a_file_that_cannot_be_written_is_understood(tmp_path, library):
    """A limit of 1,000 bytes for each file stands in for a disk that is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(Exception) as caught:
            WRITERS[library](tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    message = refused(caught.value)
    assert "the file would be too large; raise the limit" in message
    assert __file__ not in message  # a copy's error names the file that was to be written


def test_what_the_machine_refused_is_found_below_another_error():
    with pytest.raises(ValueError, match="generating") as caught:
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "cache/file")
        except OSError as error:
            raise ValueError("An error occurred while generating the dataset") from error
    assert refused(caught.value) == "cache/file: the disk is full; free some space"
    assert refused(ValueError("another")) is None


def test_a_stage_on_a_read_only_disk_is_one_message_with_the_file(finished, monkeypatch):
    folder = finished("regression")

    def refuse(self, *arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr("sys.argv", ["evaluate", "mine"])
    with pytest.raises(SystemExit, match=r"^error: metrics\S+: the disk is read-only; make it"):
        stage.run(lambda name: compare_models(name, 32))
    assert not (folder / "metrics").exists()
