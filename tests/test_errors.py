"""What the user can mend is one message; what is our fault keeps its traceback."""

import errno
import signal

import pytest

from tinybert.errors import InputError, run


def test_an_input_error_exits_with_its_text_alone(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["stage", "mine"])

    def main(task: str) -> None:
        raise InputError(f"{task} is wrong")

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == "error: mine is wrong"


def test_other_errors_pass(monkeypatch):
    monkeypatch.setattr("sys.argv", ["stage"])
    with pytest.raises(KeyError):
        run(lambda: {}["missing"])


def test_a_full_disk_is_one_message_and_ctrl_c_none(monkeypatch):
    monkeypatch.setattr("sys.argv", ["stage"])

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "data/corpus/00000.arrow")

    with pytest.raises(SystemExit) as caught:
        run(full)
    assert "no room on the disk" in caught.value.code and "00000.arrow" in caught.value.code

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        run(interrupted)
    assert caught.value.code == 128 + signal.SIGINT


def test_another_failure_of_the_disk_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr("sys.argv", ["stage"])

    def missing() -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file", "x")

    with pytest.raises(FileNotFoundError):
        run(missing)
