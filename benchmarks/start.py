"""The start in closed form: the layer losses before any training, and what it costs.

    python -m benchmarks.start

Losses: of the default's student and others against the default's pretrained model, on segments of
the corpus that the start did not see (`dvc repro prepare_corpus` makes it): with random weights, in
closed form, and, at the teacher's width, with the layers of the layer map as they are. Seconds: for
a teacher with BERT-base's sizes and random weights, one pass of the teacher over the sample, and
all other steps by layer of the student.
"""

import time

import numpy as np
import torch
from transformers import AutoModel, BertModel, PreTrainedModel

from benchmarks.distillation import TEACHER
from benchmarks.machine import describe
from tinybert.distillation.layers import closed_form
from tinybert.distillation.layers.layer_map import layer_map
from tinybert.distillation.layers.loss import LayerLoss
from tinybert.distillation.layers.projection import Projection
from tinybert.distillation.layers.student import create_student
from tinybert.distillation.layers.student_config import student_config
from tinybert.models.encode import read_segments
from tinybert.models.folder import load_encoder
from tinybert.models.rows import Rows
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import params, paths
from tinybert.pipeline.schema import LayerLoss as Layers
from tinybert.pipeline.schema import Student, Training
from tinybert.training import loop

LAYERS = Layers(layer_map="uniform", projection="shared")
SIZES = ((2, 192, 768), (3, 312, 1200), (3, 384, 1536), (6, 384, 1536))
HELD_OUT = 300  # segments


def student(init: str, layers: int, width: int, inner: int) -> Student:
    return Student(
        init=init, revision=None, num_hidden_layers=layers, hidden_size=width,
        num_attention_heads=12, intermediate_size=inner, vocabulary="full", min_count=1,
        embedding_rank=None,
    )  # fmt: skip


def start(
    teacher: PreTrainedModel, init: str, sizes: tuple[int, int, int], rows: Rows
) -> tuple[PreTrainedModel, Projection]:
    """As create_student; init "copied": the teacher's embeddings and mapped layers; "embeddings":
    those of the closed form alone, and random layers."""
    kind = {"copied": "random", "embeddings": "projection"}.get(init, init)
    model, projection = create_student(teacher, student(kind, *sizes), LAYERS, rows, seed=0)
    if init == "embeddings":
        other, _ = create_student(teacher, student("random", *sizes), LAYERS, rows, seed=0)
        model.encoder.load_state_dict(other.encoder.state_dict())
    if init == "copied":
        model.embeddings.load_state_dict(teacher.embeddings.state_dict())
        for layer, n in zip(
            model.encoder.layer, layer_map("uniform", sizes[0], len(teacher.encoder.layer)),
            strict=True,
        ):  # fmt: skip
            layer.load_state_dict(teacher.encoder.layer[n - 1].state_dict())
        torch.nn.init.eye_(projection.maps[0].weight)
        torch.nn.init.zeros_(projection.maps[0].bias)
    return model, projection


def losses(teacher: PreTrainedModel, rows: Rows, training: Training) -> None:
    def part(begin: int, end: int) -> Rows:
        return Rows(rows.tokens, rows.starts[begin : end + 1], rows.padding_id)

    seen, held_out = part(0, len(rows) - HELD_OUT), part(len(rows) - HELD_OUT, len(rows))
    width = teacher.config.hidden_size
    print("| student | start | loss | attention | hidden | embedding |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for sizes in SIZES:
        for init in ("random", "projection", "copied")[: 3 if sizes[1] == width else 2]:
            model, projection = start(teacher, init, sizes, seen)
            objective = LayerLoss(model, teacher, projection, LAYERS.layer_map)
            means = loop.mean_losses(objective, held_out, training)
            values = [means[name] for name in ("loss", "attention", "hidden", "embedding")]
            name = f"{sizes[0]}x{sizes[1]}"
            print(f"| {name} | {init} | {' | '.join(f'{value:.3f}' for value in values)} |")


def seconds(layers: int, width: int, inner: int) -> tuple[float, float]:
    """Of the teacher's pass, and of the rest for a layer."""
    teacher = BertModel(TEACHER).eval()
    settings = student("projection", layers, width, inner)
    model = AutoModel.from_config(student_config(TEACHER, settings))
    length = 100
    tokens = torch.randint(1000, 2000, (closed_form.TOKENS,)).numpy()
    rows = Rows(tokens, np.arange(0, len(tokens) + 1, length), padding_id=0)
    batches = closed_form.sample(rows)
    begin = time.perf_counter()
    with torch.no_grad():
        closed_form.run_teacher(teacher, batches, [layers])
    forward = time.perf_counter() - begin
    begin = time.perf_counter()
    closed_form.closed_form_start(model, teacher, "uniform", rows)
    return forward, (time.perf_counter() - begin - forward) / layers


def main() -> None:
    settings = params.load()
    tokenizer = load_tokenizer(paths.PRETRAINED)
    rows = read_segments(paths.CORPUS, tokenizer.pad_token_id)
    print(f"{describe()}\n")
    losses(load_encoder(paths.PRETRAINED), rows, settings.general)
    print("\n| BERT-base to | the teacher's pass, s | other steps, s a layer |")
    print("| --- | ---: | ---: |")
    for sizes in ((4, 312, 1200), (6, 768, 3072)):
        forward, rest = seconds(*sizes)
        print(f"| {sizes[0]}x{sizes[1]} | {forward:.1f} | {rest:.1f} |")


if __name__ == "__main__":
    main()
