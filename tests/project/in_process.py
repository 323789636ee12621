"""The stages in this process, in a folder without git and DVC: seconds instead of minutes."""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState

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
