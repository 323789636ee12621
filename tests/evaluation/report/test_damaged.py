"""Damaged files of a run: the page names them, and the old one stays."""

import errno
from pathlib import Path

import pytest

from tinybert.commands import cli
from tinybert.evaluation.report import page
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import read_json, write_json

DAMAGED = {
    "metrics/predictions/mine.csv": ["", "actual,student\na,b\n", "actual,teacher,student\na,b,"],
    "metrics/finetune_teacher/mine/plots/metrics/loss.tsv": ["step\tloss\n1\tx", "step\n1\n"],
    "metrics/finetune_teacher/mine/metrics.json": ['{"loss": "x"}'],
    "metrics/finetune_teacher/mine/environment.json": ["{"],
    "metrics/data/mine.json": ['{"train": 5}', '{"train": {"rows": "x"}}'],
    "metrics/export/mine.json": ["{}", '{"torch": {"accuracy": 1}}'],
    "metrics/label/mine.json": ['{"rows": "x"}'],
    "metrics/speed/mine.json": ['{"megabytes": {}}'],
    "metrics/seconds/augment/mine.json": ["{}", '{"seconds": "x"}'],
    "data/tasks/mine/dev.parquet": ["PAR1"],
    "data/tasks/mine/task.json": ["{}"],
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named_and_the_old_page_stays(written, name):
    file = written("classification")
    before = file.read_bytes()
    for content in DAMAGED[name]:
        (file.parents[1] / name).write_text(content)
        with pytest.raises(InputError, match=rf"^{name} is damaged"):
            page.write(["mine"])
        assert file.read_bytes() == before


@pytest.mark.parametrize("calibration", [{"ece": 0.1}, {"spread": "x"}, {"thresholds": [{}]}, 5])
def test_a_damaged_calibration_is_named(written, calibration):
    folder = written("classification").parents[1]
    scores = read_json(folder / "metrics/eval/mine.json")
    write_json(folder / "metrics/eval/mine.json", {**scores, "calibration": calibration})
    with pytest.raises(InputError, match="^metrics/eval/mine.json is damaged"):
        page.write(["mine"])


def test_a_read_only_disk_is_one_message_and_the_old_page_stays(written, monkeypatch):
    file = written("classification")
    before = file.read_bytes()

    def refuse(self, *arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr("sys.argv", ["tinybert", "report", "mine"])
    with pytest.raises(SystemExit, match=r"^error: report/\S+: the disk is read-only; make it"):
        cli.main()
    assert file.read_bytes() == before
