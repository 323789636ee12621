"""Size and speed of teacher and student on this machine.

Timings differ between runs, so they are neither an output of a stage nor in dvc.lock: the stage
`report` writes a few and `tinybert speed` all of them to metrics/speed/T.json, where the page
reads them.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm
from transformers import PreTrainedModel

from tinybert.deploy.classifier import Classifier
from tinybert.deploy.onnx import export
from tinybert.deploy.onnx.session import FILES
from tinybert.models import pretrained
from tinybert.models.encode import read_rows
from tinybert.models.folder import load_classifier
from tinybert.models.rows import Rows, evenly_spaced
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import paths
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import write_json
from tinybert.tasks.task import load_task

BATCH_SIZE = 32  # rows, for the throughput
ROUNDS = 3  # passes, of which the median gives the throughput
PAUSE = 0.01  # seconds, until the previous model's threads sleep
ROLES = ("teacher", "student")
FEW = 8  # rows, for `measure_served`


def measure(name: str, max_length: int, rows: int, stride: int = 0) -> dict:
    """Writes metrics/speed/T.json for the task T and returns its content.

    max_length, stride: as of read_rows. rows: the number of evenly spaced rows of the test split
    that are measured. The keys of the result are `megabytes`, by model and runtime, and those of
    `speed`. All models but the 8-bit ones compute in float32. Each reads texts with its own
    tokenizer.
    Raises InputError that names the models that are missing or damaged.
    """
    folders = {role: paths.model(name, role) for role in (*ROLES, "onnx")}
    missing = [str(folder) for folder in folders.values() if not folder.is_dir()]
    if missing:
        raise InputError(f"{', '.join(missing)} is missing; run dvc repro")
    for kind in FILES:
        Classifier(folders["onnx"], kind)
    tables = _read(name, max_length, stride)
    models = {role: _load(folders[role]) for role in ROLES}
    with tempfile.TemporaryDirectory() as scratch:
        teacher_files = {kind: Path(scratch) / file for kind, file in FILES.items()}
        export.write(models["teacher"], teacher_files, tables["teacher"].token_types is not None)
        files = {
            "teacher": teacher_files,
            "student": {kind: folders["onnx"] / file for kind, file in FILES.items()},
        }
        weights = {role: folders[role] / pretrained.WEIGHTS for role in ROLES}
        result = {"megabytes": megabytes(weights, files), **speed(models, files, tables, rows)}
    write_json(paths.SPEED / f"{name}.json", result)
    return result


def measure_served(name: str, max_length: int, stride: int = 0) -> bool:
    """As measure, in a few seconds: FEW rows on one thread, of the teacher as it came, in PyTorch,
    and of the student as it is served, in 8 bits. Returns whether the models are here; if not,
    metrics/speed/T.json is of an earlier run, and is removed."""
    file = paths.SPEED / f"{name}.json"
    weights = paths.model(name, "teacher") / pretrained.WEIGHTS
    served = paths.model(name, "onnx") / FILES["int8"]
    student = paths.model(name, "student")
    if not (weights.is_file() and served.is_file() and student.is_dir()):
        file.unlink(missing_ok=True)
        return False
    sizes = {
        "teacher": {"torch": export.megabytes(weights)},
        "student": {"int8": export.megabytes(served)},
    }
    models, files = {"teacher": _load(weights.parent)}, {"student": {"int8": served}}
    tables = _read(name, max_length, stride)
    timings = speed(models, files, tables, FEW, parts=("one_thread",))
    write_json(file, {"megabytes": sizes, **timings})
    return True


def _read(name: str, max_length: int, stride: int) -> dict[str, Rows]:
    """The test split as teacher and student read it."""
    split = paths.tables(name) / f"{load_task(paths.tables(name)).test_split}.parquet"
    return {
        role: read_rows(split, load_tokenizer(paths.model(name, role)), max_length, stride)
        for role in ROLES
    }


def _load(folder: Path) -> PreTrainedModel:
    model = load_classifier(folder).eval()
    # transformers' default attention, not the one that captures states
    model.set_attn_implementation("sdpa")
    return model


def megabytes(
    weights: dict[str, Path], files: dict[str, dict[str, Path]]
) -> dict[str, dict[str, float]]:
    """The size of each model's file in each runtime, in megabytes (10^6 bytes)."""
    return {
        role: {
            kind: export.megabytes(file)
            for kind, file in {"torch": weights[role], **files[role]}.items()
        }
        for role in weights
    }


def speed(
    models: dict[str, PreTrainedModel],
    files: dict[str, dict[str, Path]],
    rows: dict[str, Rows],
    count: int,
    parts: tuple[str, ...] = ("one_thread", "all_cores"),
) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Returns the timings by part as {model: {"torch", "onnx" or "int8": timings}}: latency_ms and
    latency_ms_p95 of single texts, and rows_per_second, texts in batches; and `threads`, how many
    these are. A text in windows takes as long as all of them.

    models: those that are measured in PyTorch. files: the ONNX files of a model, by kind; they run
    each row of a batch alone, on one thread, as Classifier does. For a large teacher it may be
    better to read each row with all cores: it is measured in both ways, and the better one counts.
    rows: the same texts as each model reads them. count: the number of texts. The models take
    turns, so that noise of the machine affects all of them alike.
    """
    cores, result = torch.get_num_threads(), {}
    single, batched = {}, {}
    for role, table in rows.items():
        single[role], batched[role] = _inputs(table, count)
    texts = len(next(iter(single.values())))
    counts = {part: 1 if part == "one_thread" else os.cpu_count() or 1 for part in parts}
    for name, threads in counts.items():
        torch.set_num_threads(threads)
        runs: dict[tuple[str, str, str], export.Run] = {}
        for role in (roles := dict.fromkeys([*models, *files])):
            if role in models:
                runs[role, "torch", ""] = export.torch_run(models[role])
            for kind, file in files.get(role, {}).items():
                runs[role, kind, "a thread a row"] = export.alone(export.onnx_run(file), threads)
                if role == "teacher" and threads > 1:
                    row_by_row = export.alone(export.onnx_run(file, threads), threads=1)
                    runs[role, kind, "all cores a row"] = row_by_row
        for (role, *_), run in runs.items():
            seconds(run, chain(*single[role][:3]))  # the first calls allocate
        latency = {key: [] for key in runs}
        for i in tqdm(range(texts), desc=f"latency, {name}", unit="row"):
            for key, run in runs.items():
                time.sleep(PAUSE if threads > 1 else 0)
                latency[key].append(seconds(run, single[key[0]][i]))
        passes = {key: [] for key in runs}
        for _ in range(ROUNDS):
            for key, run in runs.items():
                passes[key].append(texts / seconds(run, batched[key[0]]))
        result[name] = {role: {} for role in roles}
        for role, kind, _ in runs:
            ways = [key for key in runs if key[:2] == (role, kind)]
            values = min((latency[key] for key in ways), key=np.median)
            result[name][role][kind] = {
                "latency_ms": round(1000 * float(np.median(values)), 3),
                "latency_ms_p95": round(1000 * float(np.quantile(values, 0.95)), 3),
                "rows_per_second": round(max(float(np.median(passes[key])) for key in ways), 1),
            }
    torch.set_num_threads(cores)
    return {"threads": counts, **result}


def _inputs(rows: Rows, count: int) -> tuple[list[list[dict]], list[dict]]:
    """Evenly spaced texts: each one's windows alone, and all windows in batches, by length."""
    sample = [range(*rows.bounds[i : i + 2]) for i in evenly_spaced(rows.texts, count)]
    by_length = sorted(chain(*sample), key=lambda i: rows.lengths[i])
    groups = [by_length[i : i + BATCH_SIZE] for i in range(0, len(by_length), BATCH_SIZE)]
    single = [export.batches(rows, [[i] for i in windows]) for windows in sample]
    return single, export.batches(rows, groups)


def seconds(run: Callable[[dict], np.ndarray], inputs: Iterable[dict[str, np.ndarray]]) -> float:
    """The time that `run` takes for all inputs together."""
    start = time.perf_counter()
    for batch in inputs:
        run(batch)
    return time.perf_counter() - start
