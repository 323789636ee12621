"""What is printed at the end of a run."""

import re
import shutil

import pytest
from in_process import run_stages
from runs import write_few_timings, write_run

from tinybert.evaluation.report import closing, tables
from tinybert.pipeline import paths
from tinybert.pipeline.files import file_sha256, read_json, write_json


@pytest.fixture
def finished_run(exported):
    """A run without timings: a student of 4 MB, a teacher of 30 MB."""
    folder = exported("classification")
    write_run(timed=False)
    content = read_json(paths.metrics("export", "mine"))
    content["int8"]["megabytes"] = 4
    write_json(paths.metrics("export", "mine"), content)
    (folder / "models/mine/teacher/model.safetensors").write_bytes(bytes(30_000_000))
    return folder


def test_the_last_lines_are_scores_warnings_size_page_and_next_command(finished_run):
    tables_lines, lines = closing.closing(["mine"]).split("\n\n")
    interval = read_json(paths.metrics("eval", "mine"))["intervals"]["student"]["accuracy"]
    assert f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}" in tables_lines
    assert "WARNING: mine: the scores are those of 19 rows of dev" in tables_lines
    assert lines.splitlines() == [
        "mine: the student in 8 bits has 4.0 MB, the teacher 30.0: 7.5 times smaller; its speed "
        "here: tinybert speed, then tinybert report",
        "the page: report/index.html",
        "next: tinybert predict models/mine/onnx FILE",
    ]


def test_speeds_are_named_as_far_as_they_were_measured(finished_run):
    write_few_timings()
    speed = read_json(paths.SPEED / "mine.json")
    speed["one_thread"]["teacher"]["torch"]["latency_ms"] = 10
    write_json(paths.SPEED / "mine.json", speed)
    expected = "; on one thread a text takes 1.25 ms, the teacher 10.00: 8.0 times faster"
    assert f"{expected}, by a few texts (all runtimes: tinybert" in closing.closing(["mine"])
    write_run(timed=True)
    lines = closing.closing(["mine"]).splitlines()
    assert lines[-3].endswith("ms, the teacher 1.25: 1.0 times faster")


def test_without_the_teachers_file_the_students_size_is_left(finished_run):
    shutil.rmtree("models")
    assert "mine: the student in 8 bits has 4.0 MB; its speed here" in closing.closing(["mine"])


def test_the_stage_ends_with_sizes_and_speeds_and_its_outs_have_no_timings(exported, capsys):
    folder = exported("classification")
    write_run(timed=False)
    digests = []
    for _ in range(2):
        run_stages(folder, "mine", ["report"])
        digests.append([file_sha256(file) for file in (paths.SCORES, paths.SUMMARY)])
        timed = read_json(paths.SPEED / "mine.json")["one_thread"]
        fast, slow = timed["student"]["int8"]["latency_ms"], timed["teacher"]["torch"]["latency_ms"]
        end = capsys.readouterr().out.splitlines()[-3:]
        assert f"a text takes {fast:.2f} ms, the teacher {slow:.2f}: " in end[0]
        assert re.match(r"mine: the student in 8 bits has \d", end[0])
        assert end[1:] == [
            "the page: report/index.html", "next: tinybert predict models/mine/onnx FILE"
        ]  # fmt: skip
    assert digests[0] == digests[1]


def test_the_stage_drops_timings_of_an_earlier_run_if_the_models_are_not_here(exported, capsys):
    folder = exported("classification")
    write_run(timed=True)
    shutil.rmtree("models")
    run_stages(folder, "mine", ["report"])
    assert "its speed here: tinybert speed" in capsys.readouterr().out
    assert tables.read_scores(["mine"]) and not (paths.SPEED / "mine.json").exists()
