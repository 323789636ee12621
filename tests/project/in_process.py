"""The stages in this process, in a folder without git and DVC: seconds instead of minutes."""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState
from clone import task_settings
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
SHARED = ("fetch_pretrained", "prepare_corpus", "distill_general", "report")
STAGES = (
    "fetch_pretrained", "prepare_task", "prepare_corpus", "distill_general", "finetune_teacher",
    "finetune_baseline", "finetune_general", "augment", "prune_vocabulary", "distill_intermediate",
    "label", "distill_prediction", "evaluate", "export", "report",
)  # fmt: skip


def run_stages(folder: Path, task: str, stages: Iterable[str] = STAGES) -> None:
    """Runs them one after the other; the folder has params.yaml and the task's raw files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        patch.chdir(folder)
        patch.setenv("TOKENIZERS_PARALLELISM", "false")
        for stage in stages:
            AcceleratorState._reset_state()  # a stage is a process of its own, with one precision
            import_module(f"stages.{stage}").main(*([] if stage in SHARED else [task]))
    AcceleratorState._reset_state()


def write_params(folder: Path, model: str, data: dict, **sections: dict) -> None:
    """Writes params.yaml of a task `mine` without general text, for a tiny student of a model in
    data/models. data: how to read the task's files. sections: what else differs."""
    values = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
    del values["docs"]
    values |= {"tasks": ["mine"], "task": {"mine": task_settings(**data)}}
    values["pretrained"] |= {"model": model, "sha256": None}
    tiny = {
        "corpus": {"path": None, "max_length": 32, "max_tokens": 500},
        "encode": {"max_length": 32},
        "student": {
            "num_hidden_layers": 1, "hidden_size": 8, "num_attention_heads": 2,
            "intermediate_size": 8, "embedding_rank": None,
        },
        "general": {"epochs": 0},
        "export": {"max_drop": 100},
    }  # fmt: skip
    for changes in (tiny, sections):
        for section, change in changes.items():
            values[section] = {**values[section], **change} if isinstance(change, dict) else change
    YAML().dump(values, folder / "params.yaml")
