"""The options of `tinybert`."""

import re
import shlex

import pytest

from tinybert.commands.cli import COMMANDS
from tinybert.commands.options import parser


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_has_an_example_that_is_valid(name, capsys):
    with pytest.raises(SystemExit, match="^0$"):
        parser().parse_args([name, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    [example] = re.findall(rf"example: (tinybert {name}.*)$", shown)
    assert parser().parse_args(shlex.split(example)[1:]).command == name


@pytest.mark.parametrize(
    ("command", "most"),
    [
        ("init a.csv --name mine --test-share 0.7", "0.5"),
        ("predict models/mine/onnx --min-confidence 1.2", "1"),
        ("predict models/mine/onnx --min-confidence nan", "1"),
        ("predict models/mine/onnx --min-confidence=-0.1", "1"),
    ],
)
def test_a_share_out_of_bounds_is_refused(command, most, capsys):
    with pytest.raises(SystemExit, match="^2$"):
        parser().parse_args(command.split())
    assert f"must be from 0 to {most}\n" in capsys.readouterr().err


def test_the_help_of_predict_says_what_becomes_of_an_unsure_answer(capsys):
    with pytest.raises(SystemExit, match="^0$"):
        parser().parse_args(["predict", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert re.search(r"--min-confidence P withhold answers .* the label is null", shown)
