"""The student as ONNX, in float32 and in 8 bits, checked against PyTorch."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pyarrow.parquet as pq
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn
from transformers import PreTrainedModel

from tinybert.deploy.onnx import card, encoding, reference
from tinybert.deploy.onnx.embeddings import quantize_tables
from tinybert.deploy.onnx.session import FILES, METADATA_FILE, at_once, session
from tinybert.models import pretrained
from tinybert.models.batches import inference_batches
from tinybert.models.checks import positions
from tinybert.models.encode import read_rows, read_texts
from tinybert.models.folder import load_classifier
from tinybert.models.predict import BATCH_SIZE
from tinybert.models.rows import Rows, evenly_spaced, model_inputs
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import paths
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import write_json
from tinybert.pipeline.schema import Export
from tinybert.pipeline.wording import plural
from tinybert.tasks.intervals import difference, interval
from tinybert.tasks.scores import METRICS, compared
from tinybert.tasks.task import Task, load_task

CLOSE = 1e-4  # largest difference of a float32 logit from PyTorch's
COMPARED = 64  # rows of evenly spaced lengths

# Model inputs by name, each (batch, length), -> logits, (batch, classes); for labels of words
# (batch, length, classes).
Run = Callable[[dict[str, np.ndarray]], np.ndarray]


def export_student(name: str, max_length: int, settings: Export, stride: int = 0) -> None:
    """Writes models/T/onnx with a model card, and metrics/export/T.json, for the task T.

    max_length, stride: as of read_rows. Raises InputError if the saved tokenizer gives other tokens
    than training saw, if the float32 logits differ from PyTorch's, or as of check_drop.
    """
    source, out, data = paths.model(name, "student"), paths.model(name, "onnx"), paths.tables(name)
    task, tokenizer = load_task(data), load_tokenizer(source)
    rows = {
        split: read_rows(data / f"{split}.parquet", tokenizer, max_length, stride)
        for split in ("dev", task.test_split)
    }
    out.mkdir(parents=True, exist_ok=True)
    encoding.save(tokenizer, max_length, out, stride)
    texts = read_texts(pq.read_table(data / "dev.parquet", columns=["text_a", "text_b"]))
    encoding.check(out, *texts, rows["dev"], tokenizer, max_length, stride)
    files = {kind: out / file for kind, file in FILES.items()}
    model = load_classifier(source).eval()
    write(model, files, rows["dev"].token_types is not None, max_length)
    metadata = {
        "task": name, "kind": task.kind, "labels": task.labels, "pair": task.pair,
        "max_length": max_length,
    }  # fmt: skip
    write_json(out / METADATA_FILE, metadata)

    runs = {"torch": torch_run(model), **{k: alone(onnx_run(f)) for k, f in files.items()}}
    check_close(runs["torch"], onnx_run(files["onnx"]), rows["dev"])
    dev, scored = (
        {kind: predictions_of(runs[kind], rows[split], task) for kind in kinds}
        for split, kinds in (("dev", ("torch", "int8")), (task.test_split, runs))
    )
    check_drop(dev, task.metrics_of("dev")[0], settings.max_drop)
    metrics = task.metrics_of(task.test_split)
    result = {kind: scores_of(*pair, metrics) for kind, pair in scored.items()}
    for kind, file in {"torch": source / pretrained.WEIGHTS, **files}.items():
        result[kind]["megabytes"] = megabytes(file)
    write_json(paths.metrics("export", name), result)
    card.write(out, metadata, task.test_split, rows[task.test_split].texts, result, stride)
    reference.write(out, task.pair)


class _Logits(nn.Module):
    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids=None):
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        return self.model(input_ids=input_ids, attention_mask=attention_mask, **types).logits


def write(
    model: PreTrainedModel, files: dict[str, Path], token_types: bool, max_length: int | None = None
) -> None:
    """Writes the model as ONNX, for any batch size and length: in float32 to files["onnx"], and to
    files["int8"] with quantised weights, one scale per channel or row of a table, and dynamically
    quantised activations.

    token_types: whether the model takes token_type_ids, as in training. max_length: of the rows for
    files["int8"], which then lacks the embeddings of later positions. The same model gives the same
    bytes: the names and lines of source files are removed.
    """
    # ONNX Runtime recognises and fuses the operations of eager attention.
    implementation = model.config._attn_implementation
    model.set_attn_implementation("eager")
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if token_types else [])]
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
    model.set_attn_implementation(implementation)
    proto = program.model_proto
    for node in proto.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in (proto, proto.graph):
        value.ClearField("metadata_props")
        value.ClearField("doc_string")
    proto.graph.ClearField("value_info")
    onnx.save(proto, files["onnx"])
    limit = positions(model.base_model)
    unused = limit - max_length if limit and max_length else 0
    quantize_tables(proto.graph, {"position_embeddings.weight": unused})
    quantize_dynamic(
        proto,
        files["int8"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        # Weights in 7 bits: x86 processors without VNNI add pairs of products in 16 bits, and
        # 2 * 255 * 64 fits while 2 * 255 * 127 does not.
        reduce_range=True,
        op_types_to_quantize=["MatMul", "Gemm"],
    )


def torch_run(model: PreTrainedModel) -> Run:
    """A model in eval mode as a Run."""

    def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            return model(**{k: torch.from_numpy(v) for k, v in inputs.items()}).logits.numpy()

    return run


def onnx_run(file: Path, threads: int = 1) -> Run:
    """An ONNX file as a Run. threads: as of session."""
    opened = session(file, threads)
    names = {value.name for value in opened.get_inputs()}

    def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
        return opened.run(None, {k: v for k, v in inputs.items() if k in names})[0]

    return run


def alone(run: Run, threads: int = 0) -> Run:
    """A Run of each row alone, without its padding: what Classifier computes. threads: rows at
    once; 0: as many as cores."""

    def run_alone(inputs: dict[str, np.ndarray]) -> np.ndarray:
        lengths = inputs["attention_mask"].sum(axis=1)
        rows = [
            {name: values[i : i + 1, :length] for name, values in inputs.items()}
            for i, length in enumerate(lengths)
        ]
        results = [result[0] for result in at_once(run, rows, threads)]
        if results[0].ndim == 2:  # of each token
            missing = max(lengths) - lengths
            results = [np.pad(r, ((0, n), (0, 0))) for r, n in zip(results, missing, strict=True)]
        return np.stack(results)

    return run_alone


def batches(rows: Rows, indices: list[list[int]]) -> list[dict[str, np.ndarray]]:
    """The inputs of a Run for each list of row indices."""
    return [
        {k: tensor.numpy() for k, tensor in model_inputs(rows.batch(batch)).items()}
        for batch in indices
    ]


def check_close(expected: Run, actual: Run, rows: Rows) -> None:
    """Raises InputError if logits differ by more than CLOSE, or are NaN.

    Rows of all lengths are compared, alone and in batches with padding.
    """
    order = np.argsort(rows.lengths, kind="stable")
    chosen = order[evenly_spaced(len(order), COMPARED)].tolist()
    singles = [[row] for row in chosen]
    mixed = [chosen[i::8] for i in range(min(8, len(chosen)))]
    for inputs in batches(rows, singles + mixed):
        difference = float(np.abs(expected(inputs) - actual(inputs)).max())
        if not difference <= CLOSE:
            raise InputError(
                f"the exported student's logits differ by {difference:.2g} from PyTorch's, more "
                f"than {CLOSE}: ONNX Runtime {ort.__version__} and torch {torch.__version__} do "
                "not agree about this architecture; use models/<task>/student with PyTorch"
            )


def check_drop(dev: dict[str, tuple[np.ndarray, np.ndarray]], metric: str, max_drop: float) -> None:
    """Raises InputError if the 8-bit student loses more than max_drop points of `metric` and the
    loss is beyond the noise: its 95 % interval, on the same resampled rows, does not hold 0. Names
    a larger loss inside the noise in one line.

    dev: of "torch" and "int8", the targets and predictions of dev as METRICS take them.
    """
    score, (target, before), (_, after) = METRICS[metric], dev["torch"], dev["int8"]
    points = [100 * score(target, predicted) for predicted in (before, after)]
    lost = points[0] - points[1]
    if lost <= max_drop + 1e-9:
        return
    low, high = (100 * bound for bound in difference(target, before, after, score))
    loss = (
        f"in 8 bits the student loses {lost:.2f} points of {metric} on dev ({points[0]:.2f} to "
        f"{points[1]:.2f}; 95 % interval of the loss {low:.2f} to {high:.2f}), more than "
        f"export.max_drop {max_drop}"
    )
    if low <= 0:
        print(f"NOTE: {loss}, but inside the noise of {plural(len(target), 'row', 'rows')}")
        return
    raise InputError(
        f"{loss}. Raise export.max_drop if this loss is acceptable, or train longer: a student "
        "with larger margins loses less"
    )


def predictions_of(run: Run, rows: Rows, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions as METRICS take them; batches have rows of similar length."""
    logits = np.zeros((rows.labelled, max(1, len(task.labels))), np.float32)
    order = inference_batches(rows, BATCH_SIZE)
    for indices, inputs in zip(order, batches(rows, order), strict=True):
        values = run(inputs)
        if rows.words is not None:
            first = rows.batch(indices)["first"].numpy()
            values = values[first[:, : values.shape[1]]]
        logits[rows.items(indices)] = values
    return compared(rows.means(logits), rows, task)


def scores_of(target: np.ndarray, predicted: np.ndarray, metrics: list[str]) -> dict:
    """The metrics, and `interval`, [low, high], the first one's 95 % interval. target, predicted:
    as of predictions_of."""
    bounds = interval(target, predicted, METRICS[metrics[0]])
    return {
        **{metric: round(float(METRICS[metric](target, predicted)), 4) for metric in metrics},
        "interval": [round(bound, 4) for bound in bounds],
    }


def megabytes(file: Path) -> float:
    """The size of a file in 10^6 bytes."""
    return round(file.stat().st_size / 1e6, 2)
