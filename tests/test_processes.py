"""Two processes do what one does: the same files, the same curve, the same weights."""

import json
import os
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
from conftest import VOCABULARY, tiny_config
from safetensors.torch import load_file
from transformers import BertForMaskedLM, BertForSequenceClassification, BertModel

from tinybert import processes as module

ROOT = Path(__file__).parent.parent
SENTENCES = ["good film", "the plot was very dull and boring", "never again", "a great story", "it"]
TRAIN = """
import sys
from pathlib import Path
import numpy as np
from safetensors.torch import save_file
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer
from tinybert import checkpoint, device, processes, store, train
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
context = checkpoint.stage()
kept = context.__enter__()
if kind in ("layer", "store"):
    pupil = AutoModel.from_pretrained(folder / "student")
    teacher = device.frozen(AutoModel.from_pretrained(folder / "teacher"), "fp32")
    loss = LayerLoss(pupil, teacher, Projection("shared", 1, 4, 8), "uniform")
    if kind == "store":
        store.keep(loss, rows, 3, kept)
        assert loss.kept is not None
else:
    pupil = AutoModelForSequenceClassification.from_pretrained(folder / "classifier")
    loss = GoldLoss(pupil) if kind == "gold" else PredictionLoss(pupil, 2.0, 0.4)
settings = Training(epochs=3, batch_size=8, lr=1e-2, warmup=0.1, weight_decay=0.01,
                    max_grad_norm=1.0, dropout=0.0)
train.fit(loss, rows, settings, seed=0, precision="fp32", log=out / "log", kept=kept)
context.__exit__(None, None, None)
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
from tinybert import augment, checkpoint, corpus, processes, sources
from tinybert.schema import Augment

kind, folder, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
sources.PIECE, augment.SHARD, corpus.RANGE = 300, 4, 7
context = checkpoint.stage()
work = context.__enter__()
if kind == "corpus":
    tokenizer = AutoTokenizer.from_pretrained(folder / "masked")
    facts = corpus.prepare(folder / "text", out / "corpus", tokenizer, 16, 700, 0, work)
else:
    model, copies = folder / kind.split()[0], int(kind.split()[1])
    settings = Augment(copies=copies, replace_probability=0.5, candidates=4,
                       word_vectors=str(model), language="en")
    facts = augment.run(folder, model, out / "augmented", settings, 32, "fp32", 0, work)
context.__exit__(None, None, None)
if processes.is_main():
    (out / "facts.json").write_text(json.dumps(facts))
"""


@pytest.mark.parametrize("kind", ["corpus", "masked 3", "vectors 3", "vectors 0"])
def test_two_processes_write_the_files_that_one_writes(tmp_path, tokenizer, kind):
    """Each alone: what one calls first must not depend on what another has set up."""
    for name, model in (("masked", BertForMaskedLM), ("vectors", BertModel)):
        model(tiny_config(initializer_range=0.5)).save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
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
        launch(script, kind, tmp_path, tmp_path / str(count), processes=count)
    one = {f.relative_to(tmp_path / "1"): f for f in (tmp_path / "1").rglob("*") if f.is_file()}
    assert len(one) > 10
    for name, file in one.items():
        assert (tmp_path / "2" / name).read_bytes() == file.read_bytes(), name
    assert not {f for f in (tmp_path / "2").rglob("*") if f.is_file()} - {
        tmp_path / "2" / name for name in one
    }
    facts = json.loads((tmp_path / "1/facts.json").read_text())
    if kind == "corpus":
        assert facts["duplicates"] == 10 and facts["tokens"] <= 700 < facts["tokens_found"]
    else:
        assert (facts["rows_out"] > 25) == (kind != "vectors 0") and facts["rows_in"] == 25


LABEL = """
import sys
from pathlib import Path
from tinybert import params, processes, task
from types import SimpleNamespace as S
import stages.label

# The stage itself; params.yaml and task.json have tests of their own.
params.load = lambda: S(precision="fp32", encode=S(max_length=32), evaluate=S(batch_size=3))
task.load = lambda folder: S(kind="classification")
stages.label.main("mine")
"""


def test_two_processes_label_as_one(models, tmp_path, tokenizer):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\nsys.path.insert(0, os.getcwd())\nos.chdir(sys.argv[1])" + LABEL
    )
    texts = [f"{a} {b}" for a in SENTENCES for b in SENTENCES]
    for count in (1, 2):
        folder = tmp_path / str(count)
        (folder / "models/mine").mkdir(parents=True)
        (folder / "models/pretrained").symlink_to(models / "teacher")
        (folder / "models/mine/teacher").symlink_to(models / "classifier")
        (folder / "data/augmented/mine").mkdir(parents=True)
        for i in range(5):
            own = texts[5 * i : 5 * i + 5]
            columns = {"text_a": own, "text_b": pa.nulls(5, pa.string()), "label": [0] * 5}
            table = pa.table({**columns, "source": [0, 0, 2, 2, 2]})
            pq.write_table(table, folder / f"data/augmented/mine/{i:05}.parquet")
        launch(script, folder, processes=count)
    for i in range(5):
        one, two = (np.load(tmp_path / f"{n}/data/labels/mine/{i:05}.npy") for n in (1, 2))
        assert one.shape == (5, 2)
        np.testing.assert_array_equal(one, two)
    one, two = ((tmp_path / f"{n}/metrics/label/mine.json").read_text() for n in (1, 2))
    assert one == two and json.loads(one)["copies"] == 15


SCORE = """
import sys
from pathlib import Path
import numpy as np
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from tinybert import predict, processes
from tinybert.encode import encode

folder, out = Path(sys.argv[1]), Path(sys.argv[2])
model = AutoModelForSequenceClassification.from_pretrained(folder / "classifier")
tokenizer = AutoTokenizer.from_pretrained(folder / "teacher")
rows = encode(["good " * i for i in range(1, 12)], None, tokenizer, 32)
found = predict.logits(model, rows, 6, "fp32", shared=True)
out.mkdir(parents=True, exist_ok=True)
np.save(out / f"{processes.rank()}.npy", found)
"""


def test_shared_logits_are_the_same_in_all_processes(models, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCORE)
    for count in (1, 3):  # one more than there are batches
        launch(script, models, tmp_path / str(count), processes=count)
    one = np.load(tmp_path / "1/0.npy")
    assert one.shape == (11, 2)
    for rank in range(3):
        np.testing.assert_array_equal(np.load(tmp_path / f"3/{rank}.npy"), one)


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


def configure(folder: Path, text: str) -> dict[str, str]:
    """An environment with a default configuration of accelerate."""
    (folder / "accelerate").mkdir()
    (folder / "accelerate/default_config.yaml").write_text(text)
    return {**os.environ, "HF_HOME": str(folder)}


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_all_processes(tmp_path, name):
    environment = configure(tmp_path, "use_cpu: true\nnum_processes: 2\n")
    (tmp_path / "stage.py").write_text(
        "import os, time\nfrom tinybert import processes\n"
        "def main():\n    print(os.getpid(), flush=True)\n    time.sleep(120)\n"
        "if __name__ == '__main__':\n    processes.run(main)\n"
    )
    stage = subprocess.Popen(
        [sys.executable, "-m", "stage"],
        cwd=tmp_path,
        env=environment,
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


def test_what_the_user_can_mend_is_said_and_fails_the_stage(tmp_path):
    """Whichever process finds it."""
    environment = configure(tmp_path, "use_cpu: true\nnum_processes: 2\n")
    (tmp_path / "stage.py").write_text(
        "import time\nfrom tinybert import errors, processes\n"
        "def main():\n    if processes.is_main():\n        time.sleep(120)\n"
        "    raise errors.InputError('mend it')\n"
        "if __name__ == '__main__':\n    processes.run(main)\n"
    )
    command = [sys.executable, "-m", "stage"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 1 and "error: mend it" in done.stderr


def test_torchrun_alone_makes_processes_that_know_each_other(tmp_path):
    """On a machine without a GPU, accelerate would take each for the only one."""
    (tmp_path / "stage.py").write_text(
        "from tinybert import device, processes\n"
        "def main():\n    rank = processes.rank()\n"
        "    with open(f'{rank}.txt', 'w') as file:\n"
        "        print(processes.gather(rank), file=file)\n"
        "        print(device.accelerator('fp32').num_processes, file=file)\n"
        "if __name__ == '__main__':\n    processes.run(main)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "ACCELERATE_USE_CPU"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*command, "--nproc-per-node=2", "-m", "stage"],
        cwd=tmp_path,
        env={**environment, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    # A file each: two processes that print at once may share a line.
    for rank in range(2):
        assert (tmp_path / f"{rank}.txt").read_text() == "[0, 1]\n2\n"


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
    module._launcher()
    assert environment == {"HF_HOME": str(tmp_path), "OMP_NUM_THREADS": "1", **expected}
