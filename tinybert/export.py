"""The student as ONNX, in float32 and in 8 bits: checked against what was trained, and measured."""

import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn
from tqdm import tqdm
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from tinybert import card, pretrained, task
from tinybert.batches import inference_batches
from tinybert.classifier import FACTS, FILES, session
from tinybert.encode import Rows, model_inputs, read_rows, spread
from tinybert.errors import InputError
from tinybert.scores import scores

CLOSE = 1e-4  # float32 logits may differ by so much from PyTorch's
COMPARED = 64  # rows, of all lengths
PAUSE = 0.01  # seconds, in which the threads of the model before stop waiting for work actively
ROUNDS = 3  # of the throughput, of which the median counts

# Logits of model inputs (name: (batch, length)), (batch, outputs).
Run = Callable[[dict[str, np.ndarray]], np.ndarray]


def run(name: str, max_length: int, settings, max_drop: float, metrics: Path) -> None:
    """Writes models/T/onnx, with a model card; metrics/export/T.json, metrics/export_speed/T.json.

    name: the task T. settings: the section `evaluate`. max_drop: of the 8-bit student's metric on
    dev, in points. Raises InputError if it is more, or if float32 logits are not PyTorch's.
    """
    source, out = Path(f"models/{name}/student"), Path(f"models/{name}/onnx")
    data = Path(f"data/tasks/{name}")
    described, tokenizer = task.load(data), pretrained.load_tokenizer(source)
    rows = {
        split: read_rows(data / f"{split}.parquet", tokenizer, max_length)
        for split in ("dev", described.test_split)
    }
    out.mkdir(parents=True, exist_ok=True)
    files = {kind: out / file for kind, file in FILES.items()}
    model = _load(source)
    write(model, files)
    tokenizer.save_pretrained(out)
    facts = {
        "task": name, "kind": described.kind, "labels": described.labels, "pair": described.pair,
        "max_length": max_length,
    }  # fmt: skip
    text = json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
    (out / FACTS).write_text(text, encoding="utf-8")

    runs = {"torch": torch_run(model), **{k: onnx_run(file) for k, file in files.items()}}
    check_close(runs["torch"], runs["onnx"], rows["dev"])
    dev, result = (
        {kind: scores_of(runs[kind], rows[split], described, settings) for kind in kinds}
        for split, kinds in (("dev", ("torch", "int8")), (described.test_split, runs))
    )
    check_drop(dev, described.metric, max_drop)
    sizes = {"torch": source / pretrained.WEIGHTS, **files}
    for kind, file in sizes.items():
        result[kind]["megabytes"] = megabytes(file)
    _write(metrics / "export" / f"{name}.json", result)
    card.write(out, facts, described.test_split, len(rows[described.test_split]), result)

    with tempfile.TemporaryDirectory() as folder:
        teacher = _load(Path(f"models/{name}/teacher"))
        of_teacher = {kind: Path(folder) / file for kind, file in FILES.items()}
        write(teacher, of_teacher)
        models = {"teacher": (teacher, of_teacher), "student": (model, files)}
        chosen = spread(len(rows[described.test_split]), settings.speed_rows)
        measured = speed(models, rows[described.test_split], chosen, settings.batch_size)
    _write(metrics / "export_speed" / f"{name}.json", measured)


def _load(folder: Path) -> PreTrainedModel:
    model = pretrained.load(AutoModelForSequenceClassification, folder, new=()).eval()
    model.set_attn_implementation("eager")  # ONNX Runtime fuses plain attention itself
    return model


class _Logits(nn.Module):
    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids=None):
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        return self.model(input_ids=input_ids, attention_mask=attention_mask, **types).logits


def write(model: PreTrainedModel, files: dict[str, Path]) -> None:
    """The model as ONNX, of any batch and length, at files["onnx"]; and at files["int8"] with
    weights in 8 bits, each channel with a scale of its own, and activations quantised as they come.

    The same model gives the same bytes: names of our files and lines are taken out.
    """
    names = ["input_ids", "attention_mask"]
    if getattr(model.config, "type_vocab_size", 0) > 1:
        names.append("token_type_ids")
    example = tuple(torch.ones(2, 8, dtype=torch.int64) for _ in names)
    axes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    for logger in ("torch.onnx", "onnxscript", "onnx_ir", "root"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Logits(model),
            example,
            input_names=names,
            output_names=["logits"],
            dynamic_shapes=(axes,) * len(names),
            dynamo=True,
            verbose=False,
        )
    proto = program.model_proto
    for node in proto.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in (proto, proto.graph):
        value.ClearField("metadata_props")
        value.ClearField("doc_string")
    proto.graph.ClearField("value_info")
    onnx.save(proto, files["onnx"])
    quantize_dynamic(
        files["onnx"],
        files["int8"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gemm", "Gather"],  # Gather: the embedding tables
    )


def torch_run(model: PreTrainedModel) -> Run:
    def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            return model(**{k: torch.from_numpy(v) for k, v in inputs.items()}).logits.numpy()

    return run


def onnx_run(file: Path, threads: int = 0) -> Run:
    """threads: 0 takes all cores."""
    own = session(file, threads)
    names = {value.name for value in own.get_inputs()}

    def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
        return own.run(None, {k: v for k, v in inputs.items() if k in names})[0]

    return run


def batches(rows: Rows, indices: list[list[int]]) -> list[dict[str, np.ndarray]]:
    return [
        {k: tensor.numpy() for k, tensor in model_inputs(rows.batch(own)).items()}
        for own in indices
    ]


def check_close(expected: Run, found: Run, rows: Rows) -> None:
    """Raises InputError if logits differ by more than CLOSE: rows of all lengths, alone and in
    batches with padding."""
    order = np.argsort(rows.lengths, kind="stable")
    chosen = order[spread(len(order), COMPARED)].tolist()
    singles = [[row] for row in chosen]
    mixed = [chosen[i::8] for i in range(min(8, len(chosen)))]
    for inputs in batches(rows, singles + mixed):
        difference = float(np.abs(expected(inputs) - found(inputs)).max())
        if not difference <= CLOSE:
            raise InputError(
                f"the exported student's logits differ by {difference:.2g} from PyTorch's, more "
                f"than {CLOSE}: ONNX Runtime {ort.__version__} and torch {torch.__version__} do "
                "not agree about this architecture; use models/<task>/student itself"
            )


def check_drop(dev: dict[str, dict[str, float]], metric: str, max_drop: float) -> None:
    """Raises InputError if the 8-bit student lost more than max_drop points."""
    before, after = dev["torch"][metric], dev["int8"][metric]
    if 100 * (before - after) > max_drop + 1e-9:
        raise InputError(
            f"in 8 bits the student loses {100 * (before - after):.2f} points of {metric} on dev "
            f"({100 * before:.2f} to {100 * after:.2f}), more than export.max_drop {max_drop}. "
            "Raise export.max_drop if that will do, or train longer: a student that is sure of "
            "its labels loses less"
        )


def scores_of(run: Run, rows: Rows, described: task.Task, settings) -> dict[str, float]:
    """The task's metrics, in batches of rows of like length."""
    order = inference_batches(rows, settings.batch_size)
    found = np.concatenate([run(inputs) for inputs in batches(rows, order)])
    logits = np.empty_like(found)
    logits[np.concatenate(order)] = found
    values = scores(logits, rows.columns[described.target], described.metrics)
    return {metric: round(value, 4) for metric, value in values.items()}


def megabytes(file: Path) -> float:
    """10^6 bytes."""
    return round(file.stat().st_size / 1e6, 2)


def speed(
    models: dict[str, tuple[PreTrainedModel, dict[str, Path]]],
    rows: Rows,
    chosen: list[int],
    batch_size: int,
) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """{"one_thread" and "all_cores": {model: {"torch", "onnx", "int8": latency_ms and
    latency_ms_p95 of single rows, rows_per_second in batches}}}. All take turns, so that a noisy
    machine is fair to each."""
    cores, result = torch.get_num_threads(), {}
    by_length = sorted(chosen, key=lambda i: rows.lengths[i])
    many = [by_length[i : i + batch_size] for i in range(0, len(chosen), batch_size)]
    single, many = batches(rows, [[i] for i in chosen]), batches(rows, many)
    for name, threads in (("one_thread", 1), ("all_cores", os.cpu_count() or 1)):
        torch.set_num_threads(threads)
        runs = {
            (model, kind): run
            for model, (loaded, files) in models.items()
            for kind, run in {
                "torch": torch_run(loaded),
                **{kind: onnx_run(file, threads) for kind, file in files.items()},
            }.items()
        }
        latency = {key: [] for key in runs}
        for run in runs.values():
            seconds(run, single[:3])  # the first calls allocate
        for inputs in tqdm(single, desc=f"latency, {name}", unit="row"):
            for key, run in runs.items():
                time.sleep(PAUSE if threads > 1 else 0)
                latency[key].append(seconds(run, [inputs]))
        passes = {key: [] for key in runs}
        for _ in range(ROUNDS):
            for key, run in runs.items():
                passes[key].append(len(chosen) / seconds(run, many))
        result[name] = {model: {} for model in models}
        for (model, kind), values in latency.items():
            result[name][model][kind] = {
                "latency_ms": round(1000 * float(np.median(values)), 3),
                "latency_ms_p95": round(1000 * float(np.quantile(values, 0.95)), 3),
                "rows_per_second": round(float(np.median(passes[model, kind])), 1),
            }
    torch.set_num_threads(cores)
    return result


def seconds(run: Run, inputs: list[dict[str, np.ndarray]]) -> float:
    start = time.perf_counter()
    for own in inputs:
        run(own)
    return time.perf_counter() - start


def _write(file: Path, content: dict) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
