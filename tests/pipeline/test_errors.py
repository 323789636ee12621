"""An error that the user can fix is one message; a defect keeps its traceback."""

import errno
import signal

import pytest

from tinybert.pipeline.errors import InputError, run


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
