"""What else a user could ship for a task: a linear model, static embeddings, the teacher in 8 bits.

    python -m benchmarks.alternatives [--tasks pydocs] [--project FOLDER] [--rows 200] [--json FILE]

For tasks with one label; run it after `dvc repro` (--project: in another clone). Scores are those
of the reported split, with 95 % intervals; latencies are from a text to its label, one text at a
time on one thread, and the models take turns. The static embeddings are those that model2vec makes
of the pretrained model in half a minute, with a logistic regression on top. It needs
`pip install --no-deps model2vec skeletoken`.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from model2vec.distill import distill_from_model
from sklearn.linear_model import LogisticRegression
from tokenizers import Tokenizer
from transformers import AutoModel

from benchmarks.machine import describe
from tinybert.deploy.onnx import encoding, export
from tinybert.deploy.onnx.session import FILES, TOKENIZER_FILE, logits, session
from tinybert.evaluation.linear import STRENGTHS, LinearModel, fit_linear
from tinybert.evaluation.report import tables
from tinybert.models import pretrained
from tinybert.models.folder import load_classifier
from tinybert.models.rows import evenly_spaced
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import params, paths
from tinybert.pipeline.files import write_json
from tinybert.tasks.intervals import interval
from tinybert.tasks.scores import METRICS
from tinybert.tasks.task import load_task

Predict = Callable[[pd.DataFrame], np.ndarray]  # rows of a task's table -> classes


def linear(model: LinearModel) -> tuple[Predict, float]:
    """The model, and the megabytes of its words, their weights and the regression."""
    parts = [transformer for _, transformer in model.features.transformer_list]
    words = sum(len(word.encode()) + 4 for part in parts for word in part.vocabulary_)
    size = words + sum(part.idf_.nbytes for part in parts) + model.regression.coef_.nbytes
    return lambda rows: model.logits(rows).argmax(1), size / 1e6


def static(train: pd.DataFrame, dev: pd.DataFrame) -> tuple[Predict, float]:
    """A logistic regression on model2vec's embeddings, and the megabytes of both."""
    model = pretrained.load(AutoModel, paths.PRETRAINED)
    embeddings = distill_from_model(model, load_tokenizer(paths.PRETRAINED), pca_dims=256)

    def features(rows: pd.DataFrame) -> np.ndarray:
        texts = (rows["text_a"] + " " + rows["text_b"].fillna("")).tolist()
        return embeddings.encode(texts, show_progress_bar=False)

    models = [
        LogisticRegression(C=strength, max_iter=1000).fit(features(train), train["label"])
        for strength in STRENGTHS
    ]
    best = max(models, key=lambda model: model.score(features(dev), dev["label"]))
    size = embeddings.embedding.nbytes + best.coef_.nbytes
    return lambda rows: best.predict(features(rows)), size / 1e6


def onnx(file: Path, tokenizer: Tokenizer) -> tuple[Predict, float]:
    opened = session(file)

    def predict(rows: pd.DataFrame) -> np.ndarray:
        pairs = rows[["text_a", "text_b"]].itertuples(index=False)
        # A missing second text is NaN or None, by the version of pandas.
        texts = ([text for text in pair if isinstance(text, str)] for pair in pairs)
        encoded = [[tokenizer.encode(*row)] for row in texts]
        return np.concatenate(logits(opened, encoded)).argmax(1)

    return predict, export.megabytes(file)


def measure(name: str, max_length: int, count: int, folder: Path) -> dict[str, dict]:
    task, data = load_task(paths.tables(name)), paths.tables(name)
    train, dev, test = (
        pd.read_parquet(data / f"{split}.parquet") for split in ("train", "dev", task.test_split)
    )
    models = {
        "linear": linear(fit_linear(train, dev, task)),
        "model2vec, logistic regression": static(train, dev),
    }
    for role in ("teacher", "student"):
        source, out = paths.model(name, role), folder / role
        tokenizer = load_tokenizer(source)
        encoding.save(tokenizer, max_length, out)
        files = {kind: out / file for kind, file in FILES.items()}
        types = "token_type_ids" in tokenizer.model_input_names
        export.write(load_classifier(source).eval(), files, types, max_length)
        core = Tokenizer.from_file(str(out / TOKENIZER_FILE))
        for kind, file in files.items():
            models[f"{role}, {tables.RUNTIMES[kind]}"] = onnx(file, core)
    rows = [test.iloc[[i]] for i in evenly_spaced(len(test), count)]
    seconds: dict[str, list[float]] = {model: [] for model in models}
    for row in rows[:3] + rows:  # the first calls allocate
        for model, (predict, _) in models.items():
            start = time.perf_counter()
            predict(row)
            seconds[model].append(time.perf_counter() - start)
    score, target = METRICS[task.metric], test["label"].to_numpy()
    result = {}
    for model, (predict, megabytes) in models.items():
        predicted = predict(test)
        result[model] = {
            task.metric: float(score(target, predicted)),
            "interval": interval(target, predicted, score),
            "megabytes": megabytes,
            "milliseconds": 1000 * float(np.median(seconds[model][3:])),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", nargs="+", default=["pydocs"])
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    file = options.json and options.json.absolute()
    os.chdir(options.project)
    torch.set_num_threads(1)
    results = {}
    for name in options.tasks:
        with tempfile.TemporaryDirectory() as folder:
            length = params.load().encode.max_length
            results[name] = measure(name, length, options.rows, Path(folder))
    print(f"{describe()}\n\n| task | model | score | interval | MB | ms, one text |")
    print("| --- | --- | ---: | --- | ---: | ---: |")
    for name, models in results.items():
        for model, values in models.items():
            score, (low, high), size, time_ = values.values()
            print(
                f"| {name} | {model} | {100 * score:.1f} | {100 * low:.1f} to {100 * high:.1f} "
                f"| {size:.1f} | {time_:.2f} |"
            )
    if file:
        write_json(file, {**results, "machine": describe()})


if __name__ == "__main__":
    main()
