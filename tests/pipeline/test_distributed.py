"""Several processes do what one does: the same files, the same curves, the same weights."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from tiny import VOCABULARY, tiny_config
from transformers import BertForMaskedLM, BertForSequenceClassification, BertModel

from tinybert.pipeline import distributed
from tinybert.tasks.task import Task

pytestmark = pytest.mark.xdist_group("distributed")  # the launches run once

ROOT = Path(__file__).parents[2]
SENTENCES = ["good film", "the plot was very dull and boring", "never again", "a great story", "it"]
TEXTS = [f"{a} {b}" for a in SENTENCES for b in SENTENCES]


def write_models(folder: Path, tokenizer) -> None:
    torch.manual_seed(0)
    small = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2}
    models = {
        "teacher": BertModel(tiny_config(initializer_range=0.5)),
        "student": BertModel(tiny_config(**small)),
        "classifier": BertForSequenceClassification(tiny_config()),
        "masked": BertForMaskedLM(tiny_config(initializer_range=0.5)),
    }
    for name, model in models.items():
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)


def write_texts(folder: Path) -> None:
    """A labelled and an unlabelled table, and a corpus in which sentences are repeated."""
    table = {"text_a": TEXTS, "text_b": pa.nulls(len(TEXTS), pa.string())}
    label = [i % 2 for i in range(len(TEXTS))]
    (folder / "tables").mkdir()
    pq.write_table(pa.table({**table, "label": label}), folder / "tables/train.parquet")
    pq.write_table(pa.table(table), folder / "tables/unlabeled.parquet")
    (folder / "text").mkdir()
    random = np.random.default_rng(0)
    for name in "abc":
        paragraphs = [" ".join(random.choice(VOCABULARY[5:-2], 12)) for _ in range(30)]
        (folder / f"text/{name}.txt").write_text("\n\n".join([*paragraphs, *SENTENCES]))


def write_project(folder: Path) -> None:
    """What the stage `label` reads: a task `mine`, whose rows 2 to 4 of each shard are copies."""
    shutil.copytree(folder / "teacher", folder / "models/pretrained")
    shutil.copytree(folder / "classifier", folder / "models/mine/teacher")
    Task("classification", ["bad", "good"], False, ["accuracy"], ["train", "dev"]).save(
        folder / "data/tasks/mine"
    )
    (folder / "data/augmented/mine").mkdir(parents=True)
    for i in range(5):
        texts = {"text_a": TEXTS[5 * i : 5 * i + 5], "text_b": pa.nulls(5, pa.string())}
        table = pa.table({**texts, "label": [0] * 5, "source": [0, 0, 2, 2, 2]})
        pq.write_table(table, folder / f"data/augmented/mine/{i:05}.parquet")


@pytest.fixture(scope="module")
def results(tmp_path_factory, tokenizer):
    """results(scenario, processes): the folder of what so many processes wrote."""
    inputs, out = tmp_path_factory.mktemp("inputs"), tmp_path_factory.mktemp("scenarios")
    write_models(inputs, tokenizer)
    write_texts(inputs)
    write_project(inputs)
    subprocess.run(
        [sys.executable, "-m", "tests.pipeline.scenarios", inputs, out],
        cwd=ROOT,
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        check=True,
    )
    return lambda scenario, processes: out / scenario / str(processes) / "out"


def curves(folder: Path) -> dict[str, np.ndarray]:
    files = sorted((folder / "log/plots/metrics").glob("*.tsv"))
    return {file.stem: pd.read_csv(file, sep="\t")[file.stem].to_numpy() for file in files}


def contents(folder: Path) -> dict[str, bytes]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


@pytest.mark.parametrize("objective", ["layers", "layers, cached", "gold", "prediction"])
def test_two_processes_train_as_one(results, objective):
    curves_of_one, curves_of_two = (curves(results(objective, count)) for count in (1, 2))
    assert curves_of_one.keys() == curves_of_two.keys() and "loss" in curves_of_one
    for name, values in curves_of_one.items():
        np.testing.assert_allclose(curves_of_two[name], values, rtol=2e-5, atol=1e-7)
    weights_of_one, weights_of_two = (
        load_file(results(objective, count) / "model/model.safetensors") for count in (1, 2)
    )
    assert weights_of_one.keys() == weights_of_two.keys()
    for name, weight in weights_of_one.items():
        torch.testing.assert_close(weights_of_two[name], weight, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize(
    "scenario", ["corpus", "masked words, 3 copies", "near words, 3 copies", "no copies"]
)
def test_several_processes_write_the_files_that_one_writes(results, scenario, processes):
    one = contents(results(scenario, 1))
    assert len(one) > 10
    assert contents(results(scenario, processes)) == one
    counts = json.loads(one["counts.json"])
    if scenario == "corpus":
        assert counts["duplicates"] == 10 and counts["tokens"] <= 700 < counts["tokens_found"]
    else:
        assert (counts["rows_out"] > 25) == (scenario != "no copies") and counts["rows_in"] == 25


@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_label_as_one(results, processes):
    one = results("label", 1)
    assert contents(results("label", processes)) == contents(one)
    assert [np.load(one / f"{i:05}.npy").shape for i in range(5)] == [(5, 2)] * 5
    assert json.loads((one / "mine.json").read_text())["copies"] == 15


@pytest.mark.parametrize("processes", [2, 3])
def test_shared_logits_are_the_same_in_all_processes(results, processes):
    one = np.load(results("logits", 1) / "0.npy")
    assert one.shape == (11, 2)
    for rank in range(processes):
        np.testing.assert_array_equal(np.load(results("logits", processes) / f"{rank}.npy"), one)


def configure(folder: Path, text: str) -> dict[str, str]:
    """An environment with a default configuration of accelerate."""
    (folder / "accelerate").mkdir()
    (folder / "accelerate/default_config.yaml").write_text(text)
    return {**os.environ, "HF_HOME": str(folder)}


STAGE = """
from accelerate import Accelerator
from tinybert.pipeline import distributed

def main(out):
    rank, accelerator = distributed.rank(), Accelerator()
    # A file each: two processes that print at once may share a line.
    with open(f"{out}-{rank}.txt", "x") as file:
        print(distributed.gather(rank), accelerator.num_processes, file=file)

if __name__ == "__main__":
    distributed.run(main)
"""


def test_a_stage_starts_as_often_as_accelerate_is_configured(tmp_path):
    """The command is that of dvc.yaml. Without a GPU, and without use_cpu in the configuration,
    accelerate would treat each process of torchrun as the only one."""
    config = "compute_environment: LOCAL_MACHINE\nnum_processes: 2\nnum_machines: 1\n"
    environment = configure(tmp_path, config)
    environment.pop("ACCELERATE_USE_CPU", None)
    (tmp_path / "stage.py").write_text(STAGE)
    done = subprocess.run(
        [sys.executable, "-m", "stage", "ranks"],
        cwd=tmp_path,
        env={**environment, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    files = {file.name: file.read_text() for file in tmp_path.glob("ranks-*.txt")}
    assert files == {"ranks-0.txt": "[0, 1] 2\n", "ranks-1.txt": "[0, 1] 2\n"}
    assert list(tmp_path.glob("metrics/seconds/**/*.json")) == [
        tmp_path / "metrics/seconds/stage/ranks.json"
    ]


@pytest.fixture
def launcher(tmp_path, monkeypatch):
    """The command that a stage runs if two processes on the CPU are configured; its environment."""
    environment = configure(tmp_path, "use_cpu: true\nnum_processes: 2\n")
    monkeypatch.setattr(os, "environ", environment)
    command = distributed._launcher()
    monkeypatch.undo()
    return command, environment


FAILING = """
import time
from tinybert.pipeline import distributed, errors

def main():
    if distributed.is_main():
        time.sleep(120)
    raise errors.InputError("fix it")

if __name__ == "__main__":
    distributed.run(main)
"""


def test_an_input_error_of_any_process_is_shown_and_fails_the_stage(tmp_path, launcher):
    """Also while the main process computes."""
    command, environment = launcher
    (tmp_path / "stage.py").write_text(FAILING)
    done = subprocess.run(
        [*command, "-m", "stage"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1 and "error: fix it" in done.stderr


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_all_processes(tmp_path, launcher, name):
    """The processes are shells: what Python does with a signal is tested with errors.run."""
    command, environment = launcher
    process = tmp_path / "process.sh"
    # Python takes as long to start; before it has started both, torchrun handles no signals.
    process.write_text("#!/bin/sh\nsleep 2\necho $$\nexec sleep 120\n")
    process.chmod(0o755)
    stage = subprocess.Popen(
        [*command, "-m", "stage"],
        env={**environment, "PYTHON_EXEC": str(process)},  # torchrun starts this instead
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    children = [int(stage.stdout.readline()) for _ in range(2)]
    stage.send_signal(getattr(signal, name))
    assert stage.wait(60) != 0
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("use_cpu: true\nnum_processes: 1\n", {"ACCELERATE_USE_CPU": "true"}),
        ("num_processes: 2\ngpu_ids: 2,3\n", {"CUDA_VISIBLE_DEVICES": "2,3"}),
        ("num_processes: 2\ngpu_ids: all\n", {}),
    ],
)
def test_the_configured_devices_are_used(tmp_path, monkeypatch, config, expected):
    configure(tmp_path, config)
    environment = {"HF_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    monkeypatch.setattr(os, "environ", environment)
    distributed._launcher()
    assert environment == {"HF_HOME": str(tmp_path), "OMP_NUM_THREADS": "1", **expected}
