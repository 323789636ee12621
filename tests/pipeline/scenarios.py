"""What test_distributed.py compares: each scenario in one, two and (most) three processes.

    python -m tests.pipeline.scenarios INPUTS OUT

A scenario runs in OUT/SCENARIO/PROCESSES, a copy of INPUTS, and writes its results to `out` there.

Python starts once and imports once; all processes are forks of it. A fork has the modules but no
process group and no accelerator, so each scenario still runs alone: whatever it calls first must
work without what another scenario has set up. Nothing may compute before the fork.
"""

import importlib
import json
import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch.multiprocessing import start_processes
from transformers import AutoTokenizer, BertForSequenceClassification, BertModel

import stages.label
from tinybert.data.augment import augment
from tinybert.data.corpus import prepare, sources
from tinybert.distillation.layers.loss import LayerLoss
from tinybert.distillation.layers.projection import Projection
from tinybert.distillation.layers.teacher_store import cache_targets
from tinybert.distillation.prediction.loss import PredictionLoss
from tinybert.models import device, predict
from tinybert.models.encode import encode
from tinybert.pipeline import distributed, params, resume
from tinybert.pipeline.schema import Augment, Corpus, Prediction, Training
from tinybert.tasks.gold import GoldLoss
from tinybert.training import loop

# dvclive imports these late: before the fork their time is spent only once.
for module in ("dvc.repo", "dulwich.porcelain"):
    importlib.import_module(module)

OUT = Path("out")
TRAINING = {
    "epochs": 3, "batch_size": 8, "lr": 1e-2, "warmup": 0.1, "weight_decay": 0.01,
    "max_grad_norm": 1.0, "dropout": 0.0,
}  # fmt: skip


def corpus() -> None:
    # No model: the stage's directory is the first thing that the processes agree on.
    sources.PIECE, prepare.RANGE = 300, 7
    tokenizer = AutoTokenizer.from_pretrained("masked")
    settings = Corpus(path="text", max_length=16, max_tokens=700)
    with resume.stage_dir() as folder:
        counts = prepare.prepare_corpus(Path("text"), OUT, tokenizer, settings, 0, folder)
    _save(counts)


def augmented(model: str, copies: int) -> None:
    augment.SHARD = 4
    settings = Augment(
        copies=copies, replace_probability=0.5, candidates=4, word_vectors=None, language="en"
    )
    with resume.stage_dir() as folder:
        counts = augment.augment_task(
            Path("tables"), Path(model), OUT, settings, 32, "fp32", 0, folder
        )
    _save(counts)


def trained(objective: str) -> None:
    """53 rows of very different lengths in batches of 7 or 8, most without a label: a mean of the
    processes' own means would be another."""
    tokenizer = AutoTokenizer.from_pretrained("teacher")
    words = "good bad film great dull movie plot actor story".split()
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(words, random.integers(1, 20))) for _ in range(53)]
    label = random.integers(0, 2, 53)
    label[random.random(53) < 0.7] = -100
    logits = random.standard_normal((53, 2)).astype(np.float32)
    rows = encode(texts, None, tokenizer, 32, label=label, teacher_logits=logits)
    torch.manual_seed(0)
    with resume.stage_dir() as folder:
        if objective.startswith("layers"):
            teacher = device.frozen(BertModel.from_pretrained("teacher"), "fp32")
            projection = Projection("shared", 1, 4, 8)
            loss = LayerLoss(BertModel.from_pretrained("student"), teacher, projection, "uniform")
            if objective == "layers, cached":
                cache_targets(loss, rows, 3, folder)
                assert loss.cached_targets is not None
        else:
            student = BertForSequenceClassification.from_pretrained("classifier")
            settings = Prediction(**TRAINING, temperature=2.0, hard_label_weight=0.4)
            loss = GoldLoss(student) if objective == "gold" else PredictionLoss(student, settings)
        settings = Training(**TRAINING)
        loop.fit(
            loss, rows, settings, seed=0, precision="fp32", log=OUT / "log", checkpoint_dir=folder
        )
    if distributed.is_main():
        loss.student.save_pretrained(OUT / "model")


def label() -> None:
    """The stage itself, without params.yaml, which other tests cover."""
    predict.BATCH_SIZE = 3
    params.load = lambda: SimpleNamespace(precision="fp32", encode=SimpleNamespace(max_length=32))
    stages.label.main("mine")
    if distributed.is_main():
        shutil.copytree("data/labels/mine", OUT, dirs_exist_ok=True)
        shutil.copy("metrics/label/mine.json", OUT)


def logits() -> None:
    """Two batches: with three processes one of them has none."""
    predict.BATCH_SIZE = 6
    model = BertForSequenceClassification.from_pretrained("classifier")
    tokenizer = AutoTokenizer.from_pretrained("teacher")
    rows = encode(["good " * i for i in range(1, 12)], None, tokenizer, 32)
    np.save(OUT / f"{distributed.rank()}.npy", predict.logits(model, rows, "fp32", shared=True))


SCENARIOS: dict[str, tuple[Callable[..., None], ...]] = {
    "corpus": (corpus,),
    "masked words, 3 copies": (augmented, "masked", 3),
    "near words, 3 copies": (augmented, "teacher", 3),
    "no copies": (augmented, "teacher", 0),  # no model either
    "layers": (trained, "layers"),
    "layers, cached": (trained, "layers, cached"),
    "gold": (trained, "gold"),
    "prediction": (trained, "prediction"),
    "label": (label,),
    "logits": (logits,),
}


def _save(counts: dict) -> None:
    if distributed.is_main():
        (OUT / "counts.json").write_text(json.dumps(counts))


def _process(rank: int, name: str, count: int, port: int, folder: Path) -> None:
    if count > 1:
        ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ |= {key: str(value) for key, value in {**ranks, **address}.items()}
    os.chdir(folder)
    scenario, *arguments = SCENARIOS[name]
    scenario(*arguments)


def main(inputs: Path, out: Path) -> None:
    for name in SCENARIOS:
        # Training costs most, and a third process shows nothing that the second does not.
        for count in (1, 2) if SCENARIOS[name][0] is trained else (1, 2, 3):
            folder = out / name / str(count)
            shutil.copytree(inputs, folder)
            (folder / OUT).mkdir()
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            arguments = (name, count, port, folder)
            start_processes(_process, arguments, nprocs=count, start_method="fork")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
