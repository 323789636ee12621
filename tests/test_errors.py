"""What the user can mend is one message; what is our fault keeps its traceback."""

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
