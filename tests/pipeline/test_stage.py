"""What runs around a stage's own work."""

import json
import subprocess
import sys
import time

import pytest

STAGE = """
import time
from tinybert.pipeline import errors, {runner}

def main(task, fails="no"):
    time.sleep(1)
    if fails == "yes":
        raise errors.InputError("fix it")

if __name__ == "__main__":
    {runner}.run(main)
"""


@pytest.mark.parametrize("runner", ["stage", "distributed"])
def test_a_stage_that_succeeds_writes_its_seconds(tmp_path, runner):
    (tmp_path / "some_stage.py").write_text(STAGE.format(runner=runner))

    def run(*arguments: str) -> tuple[int, float]:
        start = time.perf_counter()
        command = [sys.executable, "-m", "some_stage", *arguments]
        process = subprocess.run(command, cwd=tmp_path)
        return process.returncode, time.perf_counter() - start

    folder = tmp_path / "metrics/seconds"
    assert run("mine", "yes")[0] == 1
    assert not folder.exists()
    code, seconds = run("mine")
    assert code == 0
    assert [file.relative_to(folder).as_posix() for file in folder.rglob("*.json")] == [
        "some_stage/mine.json"
    ]
    assert 1 <= json.loads((folder / "some_stage/mine.json").read_text())["seconds"] <= seconds + 1
