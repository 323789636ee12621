"""Distillation beside TinyBERT's own code, in one run.

    git clone https://github.com/huawei-noah/Pretrained-Language-Model
    pip install boto3
    python -m benchmarks.reference Pretrained-Language-Model/TinyBERT [--json FILE]

The rows and the sizes of `full_128` and `sst2_64` in benchmarks.distillation. The models and the
optimizer are those of TinyBERT's package `transformer`; the step, which its scripts have in their
main functions, is as in general_distill.py and in step 1 of task_distill.py. A step is forward,
backward and update of 32 rows; only real tokens count.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import mse_loss

from benchmarks import distillation
from benchmarks.distillation import BATCH, STUDENT, TEACHER, fit, layer_loss, rows_of
from benchmarks.machine import describe
from tinybert.models.rows import model_inputs
from tinybert.pipeline.files import write_json

STEPS = 6


def own_code(lengths: np.ndarray, max_length: int, for_task: bool) -> float:
    """Real tokens per second. for_task: step 1 of task distillation, else general distillation."""
    from transformer import modeling
    from transformer.optimization import BertAdam

    def config(bert) -> modeling.BertConfig:
        return modeling.BertConfig.from_dict(bert.to_dict())

    torch.manual_seed(0)
    if for_task:
        student = modeling.TinyBertForSequenceClassification(config(STUDENT), 2)
        teacher = modeling.TinyBertForSequenceClassification(config(TEACHER), 2)
    else:
        student = modeling.TinyBertForPreTraining(config(STUDENT))
        teacher = modeling.BertModel(config(TEACHER))
    groups = [{"params": list(student.parameters()), "weight_decay": 0.01}]
    optimizer = BertAdam(groups, lr=5e-5, warmup=0.1, t_total=1000)
    rows, seconds, tokens = rows_of(lengths[: BATCH * (STEPS + 1)]), [], []
    for step in range(STEPS + 1):
        indices = list(range(step * BATCH, (step + 1) * BATCH))
        inputs = model_inputs(rows.batch(indices, pad_to=max_length))
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        start = time.perf_counter()
        if for_task:
            _, scores, states = student(ids, None, mask, is_student=True)
            with torch.no_grad():
                _, teacher_scores, teacher_states = teacher(ids, None, mask)
        else:
            scores, states = student(ids, None, mask)
            teacher_states, teacher_scores, _ = teacher(ids, None, mask)
        every = len(teacher_scores) // len(scores)
        loss = sum(
            mse_loss(_shown(ours), _shown(theirs.detach()))
            for ours, theirs in zip(scores, teacher_scores[every - 1 :: every], strict=True)
        ) + sum(
            mse_loss(ours, theirs.detach())
            for ours, theirs in zip(states, teacher_states[::every], strict=True)
        )
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
        tokens.append(int(rows.lengths[indices].sum()))
    return sum(tokens[1:]) / sum(seconds[1:])  # the first step builds kernels


def _shown(scores: torch.Tensor) -> torch.Tensor:
    return torch.where(scores <= -1e2, torch.zeros_like(scores), scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="TinyBERT's folder, with `transformer` in it")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not (options.folder / "transformer/modeling.py").is_file():
        sys.exit(f"{options.folder}: TinyBERT's package transformer is not in this folder")
    sys.path.insert(0, str(options.folder))
    cases = {
        "full_128": (np.full(20 * BATCH, 128), 128, False),
        "sst2_64": (distillation.sst2_lengths(50 * BATCH), 64, True),
    }
    results = {}
    print(
        f"{describe()}\n\n| tokens/s | TinyBERT's code | plain recipe | tinybert | to TinyBERT's |"
    )
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, (lengths, max_length, for_task) in cases.items():
        objective = layer_loss(for_task=for_task)
        fit(objective, rows_of(lengths[: 8 * BATCH]))
        theirs = own_code(lengths, max_length, for_task)
        plain = distillation.plain(lengths, max_length, STEPS)
        ours = lengths.sum() / fit(objective, rows_of(lengths))
        results[name] = {"reference": theirs, "plain": plain, "tinybert": float(ours)}
        print(f"| {name} | {theirs:,.0f} | {plain:,.0f} | {ours:,.0f} | {ours / theirs:.1f} |")
    if options.json:
        write_json(options.json, {**results, "machine": describe()})


if __name__ == "__main__":
    main()
