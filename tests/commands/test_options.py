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


def test_a_share_out_of_bounds_is_refused(capsys):
    with pytest.raises(SystemExit, match="^2$"):
        parser().parse_args(["init", "a.csv", "--name", "mine", "--test-share", "0.7"])
    assert "must be from 0 to 0.5" in capsys.readouterr().err
