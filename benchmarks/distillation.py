"""Distillation against a plain recipe, and against the time of the matrix products alone.

    python -m benchmarks.distillation [--json FILE] [--only full_128 sst2_64 prediction ...]
    python -m benchmarks.distillation --profile full_128

A teacher of BERT-base's sizes and the paper's 4x312 student, with random weights, which cost as
much as trained ones; rows of random tokens.

- `full_128`: general distillation, rows of 128 tokens. `sst2_64`: step 1 of task distillation, rows
  as long as those of SST-2. The plain recipe works as TinyBERT's reference code does: all rows are
  padded to the maximum, eager attention stores masked scores; the teacher has no gradients.
- `prediction`: step 2, from logits that are computed already.
- Both steps of task distillation train an embedding table of 8,802 tokens and rank 64, as the
  default does; general distillation and the plain recipe all 30,522 tokens.
- `store_64`, `store_128`: step 1 over five epochs, with and without a cache of the teacher's states
  on disk; rows as long as those of SST-2, and full ones.

A step is forward, backward and update of 32 rows. Only real tokens count, padding does not. The
bound is the time of the model's products at the rate of a large product in the same run.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel

from benchmarks.machine import describe
from benchmarks.plain import Plain
from tinybert.commands import cost
from tinybert.commands.cost import Sizes, matmul_rate
from tinybert.distillation.layers.loss import LayerLoss
from tinybert.distillation.layers.projection import Projection
from tinybert.distillation.layers.teacher_store import cache_targets
from tinybert.distillation.prediction.loss import PredictionLoss
from tinybert.models import device
from tinybert.models.batches import BucketSampler
from tinybert.models.low_rank import low_rank_table
from tinybert.models.rows import Rows, model_inputs
from tinybert.models.vocabulary import prune_embeddings
from tinybert.pipeline.files import write_json
from tinybert.pipeline.schema import Prediction, Training
from tinybert.training import loop

BATCH = 32
# How many rows of SST-2's train.tsv have 0, 1, 2, ... 64 tokens, cut at 64, in BERT's uncased
# vocabulary (tests/project/test_benchmarks.py counts them again).
SST2_LENGTHS = [
    0, 0, 0, 1978, 5322, 6065, 5345, 4749, 4155, 3713, 3267, 2947, 2650, 2413, 2138, 1950, 1777,
    1661, 1515, 1373, 1285, 1132, 1106, 1046, 909, 820, 806, 733, 692, 628, 538, 491, 442, 448,
    400, 337, 304, 286, 242, 195, 203, 192, 155, 148, 130, 89, 82, 85, 73, 55, 42, 50, 40, 36, 19,
    21, 22, 15, 8, 6, 3, 2, 5, 5, 5,
]  # fmt: skip
TEACHER = BertConfig()
STUDENT = BertConfig(hidden_size=312, num_hidden_layers=4, intermediate_size=1200)
# Of task distillation: about the tokens that the default task keeps, and student.embedding_rank.
TOKENS, RANK = 8802, 64


def rows_of(lengths: np.ndarray, **columns: np.ndarray) -> Rows:
    """Rows of these lengths with random tokens."""
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    random = np.random.default_rng(0)
    most = min(TOKENS, TEACHER.vocab_size)
    tokens = random.integers(1000, most, starts[-1]).astype(np.int32)
    return Rows(tokens, starts, 0, columns=columns)


def sst2_lengths(count: int) -> np.ndarray:
    shares = np.array(SST2_LENGTHS) / sum(SST2_LENGTHS)
    return np.random.default_rng(0).choice(len(shares), count, p=shares)


def operations(
    lengths: np.ndarray,
    with_teacher: bool = True,
    with_layers: bool = True,
    student: BertConfig = STUDENT,
) -> float:
    """Multiplications and additions of one pass over the rows: the teacher forward, the student and
    the linear maps of the loss forward and backward."""
    tokens, pairs = int(lengths.sum()), int(np.square(lengths).sum())
    pupil, teacher = sizes_of(student), sizes_of(TEACHER)
    maps = cost.layer_maps(pupil, teacher, tokens)
    backward = 3 * (cost.forward(pupil, tokens, pairs) + with_layers * maps)
    return backward + with_teacher * cost.forward(teacher, tokens, pairs)


def sizes_of(config: BertConfig) -> Sizes:
    return Sizes(config.num_hidden_layers, config.hidden_size, config.intermediate_size)


def models(student: BertConfig = STUDENT) -> tuple[BertModel, BertModel, Projection]:
    torch.manual_seed(0)
    width, layers = student.hidden_size, student.num_hidden_layers
    linear = Projection("shared", layers, width, TEACHER.hidden_size)
    return BertModel(student), BertModel(TEACHER), linear


def training(epochs: int = 1, batch_size: int = BATCH) -> dict:
    """The values of a section that trains."""
    return {
        "epochs": epochs, "batch_size": batch_size, "lr": 5e-5, "warmup": 0.1, "weight_decay": 0.01,
        "max_grad_norm": 1.0, "dropout": 0.0,
    }  # fmt: skip


def prediction_loss(student: BertForSequenceClassification) -> PredictionLoss:
    settings = Prediction(**training(), temperature=1.0, hard_label_weight=0.0)
    return PredictionLoss(student, settings)


def layer_loss(student: BertConfig = STUDENT, for_task: bool = False) -> LayerLoss:
    """for_task: with the embedding table of task distillation."""
    model, teacher, linear = models(student)
    if for_task:
        prune_embeddings(model, list(range(TOKENS)))
    return LayerLoss(model, device.frozen(teacher, "auto"), linear, "uniform")


def fit(objective: torch.nn.Module, rows: Rows, epochs: int = 1, batch_size: int = BATCH) -> float:
    """Seconds of training over the rows."""
    with tempfile.TemporaryDirectory() as log:
        start = time.perf_counter()
        if isinstance(objective, LayerLoss):
            cache_targets(objective, rows, epochs, Path(log))
        settings = Training(**training(epochs, batch_size))
        of_task = objective.student.config.vocab_size == TOKENS
        with low_rank_table(objective.student, RANK if of_task else None):
            loop.fit(objective, rows, settings, seed=0, precision="auto", log=Path(log))
        return time.perf_counter() - start


def plain(lengths: np.ndarray, max_length: int, steps: int) -> float:
    """Real tokens per second of the plain recipe; batches of rows in their order."""
    objective = Plain(*models())
    parameters = [*objective.student.parameters(), *objective.map.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=5e-5, foreach=False)
    rows = rows_of(lengths[: BATCH * (steps + 1)])
    seconds, tokens = [], []
    for step in range(steps + 1):
        indices = list(range(step * BATCH, (step + 1) * BATCH))
        inputs = model_inputs(rows.batch(indices, pad_to=max_length))
        start = time.perf_counter()
        objective(inputs).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0, foreach=False)
        optimizer.step()
        objective.zero_grad()
        seconds.append(time.perf_counter() - start)
        tokens.append(int(rows.lengths[indices].sum()))
    return sum(tokens[1:]) / sum(seconds[1:])  # the first step builds kernels


def layers(
    lengths: np.ndarray, max_length: int, plain_steps: int, for_task: bool
) -> Callable[[], dict]:
    """Step 1, or general distillation, and the plain recipe."""

    def measure() -> dict:
        objective = layer_loss(for_task=for_task)
        fit(objective, rows_of(lengths[: 8 * BATCH]))
        slow = plain(lengths, max_length, plain_steps)
        bound = bound_rate()
        fast = lengths.sum() / fit(objective, rows_of(lengths))
        return {**result(fast, lengths, bound), "ratio_to_plain": fast / slow, "plain": slow}

    return measure


def step_2() -> PredictionLoss:
    torch.manual_seed(0)
    student = BertForSequenceClassification(STUDENT)
    prune_embeddings(student, list(range(TOKENS)))
    return prediction_loss(student)


def labelled_rows(count: int) -> Rows:
    """As long as those of SST-2, with the logits of a teacher."""
    columns = {
        "label": np.zeros(count, np.int64),
        "teacher_logits": np.zeros((count, 2), np.float32),
    }
    return rows_of(sst2_lengths(count), **columns)


def prediction() -> dict:
    objective, rows = step_2(), labelled_rows(100 * BATCH)
    fit(objective, rows)
    bound = bound_rate()
    rate = rows.lengths.sum() / fit(objective, rows)
    return result(rate, rows.lengths, bound, False, False)


def five_epochs(lengths: np.ndarray) -> Callable[[], dict]:
    """Step 1 with the teacher run in each epoch, and once; and the ratio of the products alone."""

    def measure() -> dict:
        rows, seconds, epochs = rows_of(lengths), {}, 5
        for budget in ("0", "1000"):
            os.environ["TINYBERT_SCRATCH_GB"] = budget
            objective = layer_loss(for_task=True)
            fit(objective, rows_of(lengths[: 8 * BATCH]))
            seconds[budget] = fit(objective, rows, epochs)
        without, cached = seconds.values()
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            cache_targets(objective, rows, epochs, Path(folder))
            fill = time.perf_counter() - start
            start = time.perf_counter()
            for _ in range(epochs):
                for indices in BucketSampler(lengths, BATCH, 0):
                    objective.cached_targets(indices, int(lengths[indices].max()))
            read = time.perf_counter() - start
            objective.cached_targets = None
        both, student = operations(lengths), operations(lengths, with_teacher=False)
        return {
            "seconds_without": without,
            "seconds_with": cached,
            "seconds_to_fill": fill,
            "seconds_to_read": read,
            "ratio": without / cached,
            "ratio_of_operations": epochs * both / (both + (epochs - 1) * student),
        }

    return measure


def profile(name: str) -> None:
    """Prints which operators take the time."""
    if name == "prediction":
        objective, rows = step_2(), labelled_rows(50 * BATCH)
    else:
        objective, rows = layer_loss(for_task=name != "full_128"), rows_of(PROFILED[name])
    fit(objective, rows)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        fit(objective, rows)
    events = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    print(f"{describe()}\n\n| operation | calls | share |\n| --- | ---: | ---: |")
    for event in events[:12]:
        share = 100 * event.self_cpu_time_total / total
        print(f"| {event.key} | {event.count} | {share:.1f} % |")


def bound_rate() -> float:
    return matmul_rate(torch.bfloat16 if device.has_bf16() else torch.float32)


def result(rate: float, lengths: np.ndarray, bound: float, *which: bool) -> dict:
    needed = operations(lengths, *which) / lengths.sum()  # per token
    return {
        "tokens_per_second": float(rate),
        "bound": float(bound / needed),
        "share_of_bound": float(rate * needed / bound),
    }


PROFILED = {"full_128": np.full(4 * BATCH, 128), "sst2_64": sst2_lengths(50 * BATCH)}
CASES = {
    "full_128": layers(np.full(20 * BATCH, 128), 128, plain_steps=6, for_task=False),
    "sst2_64": layers(sst2_lengths(50 * BATCH), 64, plain_steps=6, for_task=True),
    "prediction": prediction,
    "store_64": five_epochs(sst2_lengths(30 * BATCH)),
    "store_128": five_epochs(np.full(8 * BATCH, 128)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument(
        "--profile", choices=[*PROFILED, "prediction"], help="print where the time goes instead"
    )
    options = parser.parse_args()
    if options.profile:
        profile(options.profile)
        return
    results = {name: CASES[name]() for name in options.only}
    results["machine"] = describe()
    results["matmul_gflops"] = {
        name: round(matmul_rate(dtype) / 1e9)
        for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
    }
    print(f"{results['machine']}; matrix products at {results['matmul_gflops']} GFLOP/s\n")
    print("| | | |\n| --- | --- | ---: |")
    for name in options.only:
        for key, value in results[name].items():
            print(f"| {name} | {key.replace('_', ' ')} | {value:,.2f} |")
    if options.json:
        write_json(options.json, results)


if __name__ == "__main__":
    main()
