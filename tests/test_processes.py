"""Two processes do what one does: the same files, the same curve, the same weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import VOCABULARY, tiny_config
from safetensors.torch import load_file
from transformers import BertForMaskedLM, BertForSequenceClassification, BertModel

ROOT = Path(__file__).parent.parent
SENTENCES = ["good film", "the plot was very dull and boring", "never again", "a great story", "it"]
TRAIN = """
import sys
from pathlib import Path
import numpy as np
from safetensors.torch import save_file
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer
from tinybert import device, processes, store, train
from tinybert.encode import encode
from tinybert.layer_loss import LayerLoss, Projection
from tinybert.logit_loss import GoldLoss, PredictionLoss
from tinybert.schema import Training
import torch

kind, folder, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
tokenizer = AutoTokenizer.from_pretrained(folder / "teacher")
words = "good bad film great dull movie plot actor story".split()
random = np.random.default_rng(0)
texts = [" ".join(random.choice(words, random.integers(1, 20))) for _ in range(53)]
label = random.integers(0, 2, 53)
label[random.random(53) < 0.7] = -100
logits = random.standard_normal((53, 2)).astype(np.float32)
rows = encode(texts, None, tokenizer, 32, label=label, teacher_logits=logits)
torch.manual_seed(0)
if kind in ("layer", "store"):
    pupil = AutoModel.from_pretrained(folder / "student")
    teacher = device.frozen(AutoModel.from_pretrained(folder / "teacher"), "fp32")
    loss = LayerLoss(pupil, teacher, Projection("shared", 1, 4, 8), "uniform")
    if kind == "store":
        store.keep(loss, rows, 3)
        assert loss.kept is not None
else:
    pupil = AutoModelForSequenceClassification.from_pretrained(folder / "classifier")
    loss = GoldLoss(pupil) if kind == "gold" else PredictionLoss(pupil, 2.0, 0.4)
settings = Training(epochs=3, batch_size=8, lr=1e-2, warmup=0.1, weight_decay=0.01,
                    max_grad_norm=1.0, dropout=0.0)
train.fit(loss, rows, settings, seed=0, precision="fp32", log=out / "log")
if processes.is_main():
    pupil.save_pretrained(out / "model")
"""


def launch(script: Path, *words, processes: int, ok: bool = True) -> str:
    """Runs a script in so many gloo processes on the CPU."""
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script)]
    if processes > 1:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc-per-node={processes}", str(script)]
    done = subprocess.run(
        [*command, *map(str, words)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def models(tmp_path, tokenizer) -> Path:
    torch.manual_seed(0)
    small = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(tiny_config()).save_pretrained(tmp_path / "teacher")
    BertModel(tiny_config(**small)).save_pretrained(tmp_path / "student")
    BertForSequenceClassification(tiny_config()).save_pretrained(tmp_path / "classifier")
    tokenizer.save_pretrained(tmp_path / "teacher")
    return tmp_path


def curves(folder: Path) -> dict[str, np.ndarray]:
    files = sorted((folder / "log/plots/metrics").glob("*.tsv"))
    return {file.stem: pd.read_csv(file, sep="\t")[file.stem].to_numpy() for file in files}


@pytest.mark.parametrize("kind", ["layer", "store", "gold", "prediction"])
def test_two_processes_train_as_one(models, tmp_path, kind):
    """53 rows of very different lengths in batches of 7 or 8, most without a label: a mean of the
    processes' own means would be another."""
    script = tmp_path / "script.py"
    script.write_text(TRAIN)
    for count in (1, 2):
        launch(script, kind, models, tmp_path / str(count), processes=count)
    one, two = curves(tmp_path / "1"), curves(tmp_path / "2")
    assert one.keys() == two.keys() and "loss" in one
    for name, values in one.items():
        np.testing.assert_allclose(two[name], values, rtol=2e-5, atol=1e-7)
    weights = load_file(tmp_path / "1/model/model.safetensors")
    again = load_file(tmp_path / "2/model/model.safetensors")
    assert weights.keys() == again.keys()
    for name, weight in weights.items():
        torch.testing.assert_close(again[name], weight, rtol=2e-5, atol=2e-6)


DATA = """
import json, sys
from pathlib import Path
from transformers import AutoTokenizer
from tinybert import augment, corpus, params, processes, sources
from tinybert.schema import Augment

folder, out = Path(sys.argv[1]), Path(sys.argv[2])
sources.PIECE, augment.SHARD, corpus.RANGE = 300, 4, 7
settings = Augment(copies=3, replace_probability=0.5, candidates=4,
                   word_vectors=str(folder / "model"), language="en")
facts = augment.run(folder, folder / "model", out / "augmented", settings, 32, "fp32", 0)
tokenizer = AutoTokenizer.from_pretrained(folder / "model")
counts = corpus.prepare(folder / "text", out / "corpus", tokenizer, 16, 700, 0)
if processes.is_main():
    (out / "facts.json").write_text(json.dumps([facts, counts]))
"""


def test_two_processes_write_the_files_that_one_writes(tmp_path, tokenizer):
    BertForMaskedLM(tiny_config(initializer_range=0.5)).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    texts = [f"{a} {b}" for a in SENTENCES for b in SENTENCES]
    single = pa.array([None] * len(texts), pa.string())
    table = {"text_a": texts, "text_b": single}
    pq.write_table(
        pa.table({**table, "label": [i % 2 for i in range(len(texts))]}), tmp_path / "train.parquet"
    )
    pq.write_table(pa.table(table), tmp_path / "unlabeled.parquet")
    (tmp_path / "text").mkdir()
    random = np.random.default_rng(0)
    for name in "abc":
        lines = [" ".join(random.choice(VOCABULARY[5:-2], 12)) for _ in range(30)]
        text = "\n\n".join([*lines, *SENTENCES])
        (tmp_path / f"text/{name}.txt").write_text(text)
    script = tmp_path / "script.py"
    script.write_text(DATA)
    for count in (1, 2):
        launch(script, tmp_path, tmp_path / str(count), processes=count)
    one = {f.relative_to(tmp_path / "1"): f for f in (tmp_path / "1").rglob("*") if f.is_file()}
    assert len(one) > 15
    for name, file in one.items():
        assert (tmp_path / "2" / name).read_bytes() == file.read_bytes(), name
    assert not {f for f in (tmp_path / "2").rglob("*") if f.is_file()} - {
        tmp_path / "2" / name for name in one
    }
    facts, counts = json.loads((tmp_path / "1/facts.json").read_text())
    assert facts["rows_out"] > facts["rows_in"] == 25
    assert counts["duplicates"] == 10 and counts["tokens"] <= 700 < counts["tokens_found"]


STAGE = """
import sys
from pathlib import Path
from tinybert import processes

def main(out):
    rank = processes.rank()
    Path(out, f"{rank} of {processes.world()}").touch()
    if rank == 1 and len(list(Path(out).glob("fail"))):
        raise SystemExit(3)

if __name__ == "__main__":
    processes.run(main)
"""


@pytest.mark.parametrize("fail", [False, True])
def test_a_stage_starts_as_often_as_accelerate_is_configured(tmp_path, fail):
    """The command is that of dvc.yaml; a failure of any process is one of the stage."""
    (tmp_path / "accelerate").mkdir()
    config = (
        "compute_environment: LOCAL_MACHINE\nuse_cpu: true\nnum_processes: 2\nnum_machines: 1\n"
    )
    (tmp_path / "accelerate/default_config.yaml").write_text(config)
    (tmp_path / "out").mkdir()
    if fail:
        (tmp_path / "out/fail").touch()
    (tmp_path / "stage.py").write_text(STAGE)
    done = subprocess.run(
        [sys.executable, "-m", "stage", str(tmp_path / "out")],
        cwd=tmp_path,
        env={**os.environ, "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert {file.name for file in (tmp_path / "out").iterdir()} - {"fail"} == {"0 of 2", "1 of 2"}
    assert (done.returncode != 0) == fail, done.stderr
