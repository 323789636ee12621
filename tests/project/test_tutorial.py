"""docs/tutorial.md and its Chinese version: each of their commands, in order, in fresh clones."""

import subprocess
from pathlib import Path

import pytest
import torch
from clone import Clone
from test_documents import blocks
from tiny import tiny_config
from transformers import BertModel, BertTokenizer

ROOT = Path(__file__).parents[2]
SENTENCES = "docs/tickets.zh-CN.csv"


def use_small_chinese_model(clone: Clone) -> None:
    """Instead of the hub's: random weights, and a token for each character of the sentences."""
    folder = clone.folder / "data/models/chinese"
    folder.mkdir(parents=True)
    characters = sorted(set((ROOT / SENTENCES).read_text(encoding="utf-8")) - {"\n"})
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 48, "num_attention_heads": 12, "intermediate_size": 96}
    config = tiny_config(vocab_size=len(words), num_hidden_layers=4, **sizes)
    BertModel(config).save_pretrained(folder)
    recipe = clone.folder / "recipes/own_task_chinese.yaml"
    text = recipe.read_text(encoding="utf-8")
    assert "intfloat/multilingual-e5-small" in text
    text = text.replace("intfloat/multilingual-e5-small", "data/models/chinese")
    recipe.write_text(text, encoding="utf-8")
    clone.dvc("add", "--quiet", "data/models/chinese")
    clone.commit("a model")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "labels"), [("tutorial.md", ["networkx", "pandas"]), ("tutorial.zh-CN.md", ["物流"])]
)
def test_its_commands_run_as_they_stand(tmp_path, page, labels):
    """But for the set-up: the tests run in it."""
    clone = Clone(tmp_path)
    if labels == ["物流"]:
        use_small_chinese_model(clone)
    first, *others = blocks(ROOT / "docs" / page)
    assert first.split() == ["make", "setup", "source", ".venv/bin/activate"]
    script = "\n".join(["set -euo pipefail", *others])
    (tmp_path / ".git/script").write_text(script, encoding="utf-8")
    done = subprocess.run(
        ["bash", ".git/script"], cwd=tmp_path, env=clone.variables(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"label": ')]
    assert len(lines) == 10
    assert all(f'"{label}"' in line for line in lines for label in labels)
    assert "harvest_docs" not in done.stdout and not (tmp_path / "data/raw/pydocs").exists()
    assert clone.read("metrics/eval/mine.json")["split"] == "test"
    second = done.stdout.split("Running stage 'finetune_teacher@mine'")[2]
    assert "Running stage 'distill_general'" not in second  # as its text says
    assert "prediction.temperature" in second
    assert clone.git("status", "--porcelain") == ""
    assert "soft" in clone.dvc("exp", "list", "--name-only")
