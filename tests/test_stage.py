"""What a stage script does around its own work."""

import json
import subprocess
import sys
import time

import pytest

STAGE = """
import time
from tinybert import errors, {runner}

def main(task, fails="no"):
    time.sleep(1)
    if fails == "yes":
        raise errors.InputError("mend it")

if __name__ == "__main__":
    {runner}.run(main)
"""


@pytest.mark.parametrize("runner", ["stage", "processes"])
def test_it_writes_what_it_took_if_it_has_ended_well(tmp_path, runner):
    (tmp_path / "some_stage.py").write_text(STAGE.format(runner=runner))

    def run(*words: str) -> tuple[int, float]:
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "some_stage", *words], cwd=tmp_path)
        return done.returncode, time.perf_counter() - start

    folder = tmp_path / "metrics/seconds"
    assert run("mine", "yes")[0] == 1
    assert not folder.exists()
    code, seconds = run("mine")
    assert code == 0
    assert [file.relative_to(folder).as_posix() for file in folder.rglob("*.json")] == [
        "some_stage/mine.json"
    ]
    assert 1 <= json.loads((folder / "some_stage/mine.json").read_text())["seconds"] <= seconds + 1
