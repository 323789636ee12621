"""docs/tutorial.md: each of its commands, in its order, in a fresh clone."""

import subprocess
from pathlib import Path

import pytest
from clone import Clone
from test_documents import blocks

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_its_commands_run_as_they_stand(tmp_path):
    """But for the set-up: the tests run in it."""
    clone = Clone(tmp_path)
    first, *others = blocks(ROOT / "docs/tutorial.md")
    assert first.split() == ["make", "setup", "source", ".venv/bin/activate"]
    script = "\n".join(["set -euo pipefail", *others])
    (tmp_path / ".git/script").write_text(script, encoding="utf-8")
    done = subprocess.run(
        ["bash", ".git/script"], cwd=tmp_path, env=clone.variables(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    labels = [line for line in done.stdout.splitlines() if line.startswith('{"label": ')]
    assert len(labels) == 10
    assert all('"delivery"' in line and '"payment"' in line for line in labels)
    assert "harvest_docs" not in done.stdout and not (tmp_path / "data/raw/pydocs").exists()
    assert clone.read("metrics/eval/mine.json")["split"] == "test"
    second = done.stdout.split("Running stage 'finetune_teacher@mine'")[2]
    assert "Running stage 'distill_general'" not in second  # as its text says
    assert "prediction.temperature" in second
    assert clone.git("status", "--porcelain") == ""
    assert "soft" in clone.dvc("exp", "list", "--name-only")
