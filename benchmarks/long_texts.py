"""Long texts: cut, or read in windows (encode.long_texts).

    python -m benchmarks.long_texts [--variants "cut at 128" ...] [--train 72] [--dev 48]
        [--test 240] [--seed 1] [--finished FOLDER] [--work FOLDER] [--json FILE]

Texts of 300 to 2,000 words: what the docstrings of a module say, paragraph by paragraph, without
those that name the library, which is the label. No paragraph is a near-duplicate of another. Runs
the stages from prepare_task to distill_prediction with params.yaml's settings, without copies and
unlabelled rows, from the pretrained model and the general student that `dvc repro` left in
--finished, and scores teacher and student on the test texts. Windows are more tokens, so texts that
are cut are trained for as many more epochs: all variants train on about as many tokens, and the
epoch is chosen on dev. The first run harvests for a minute. An estimate, not a measurement, by
the operations as `tinybert plan` counts them: on 2 cores that multiply float32 at 150 GFLOP/s, the
two default variants take 12 minutes each, and so does "cut at 512".
"""

import argparse
import ast
import contextlib
import gc
import json
import random
import re
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from benchmarks.machine import describe
from data import pydocs
from tinybert.models import predict
from tinybert.models.encode import read_rows
from tinybert.models.folder import load_classifier
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import params, paths
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import atomic_write, write_json
from tinybert.pipeline.schema import Encode
from tinybert.tasks.intervals import interval
from tinybert.tasks.scores import METRICS, prediction, scores
from tinybert.tasks.task import load_task

ROOT = Path(__file__).parents[1]
NAME = "modules"
WORDS = range(300, 2001)
VARIANTS = {
    "cut at 128": {"max_length": 128, "long_texts": "cut"},
    "windows of 128": {"max_length": 128, "long_texts": "windows"},
    "cut at 512": {"max_length": 512, "long_texts": "cut"},
}
STAGES = (
    "prepare_task", "finetune_teacher", "augment", "prune_vocabulary", "distill_intermediate",
    "label", "distill_prediction",
)  # fmt: skip
TRAININGS = ("teacher", "intermediate", "prediction")
LINKS = ("models/pretrained", "models/general", "data/corpus", "data/models")


def modules(package: str) -> list[list[str]]:
    """The prose paragraphs of each module's docstrings, as pydocs.paragraphs finds them."""
    folder, found = pydocs._folder(package), []
    for parts in sorted(path.relative_to(folder).parts for path in folder.rglob("*.py")):
        if any(re.fullmatch(pydocs.EXCLUDED_PARTS, part) for part in parts):
            continue
        gc.disable()
        with warnings.catch_warnings(action="ignore"), contextlib.suppress(SyntaxError, ValueError):
            docs = pydocs._docstrings_in(ast.parse(folder.joinpath(*parts).read_bytes()))
            found.append([text for doc in docs for text in pydocs._clean(doc)])
        gc.enable()
    return found


def harvest(labels: list[str], file: Path) -> None:
    """Writes the texts and their labels, one of a module each."""
    with ProcessPoolExecutor() as pool:
        found = dict(zip(labels, pool.map(modules, labels), strict=True))
    rows = [
        (text, label, (label, i))
        for label in labels
        for i, texts in enumerate(found[label])
        for text in texts
    ]
    distinct = set(pydocs.drop_near_duplicates([text for text, *_ in rows]))
    documents: dict[tuple[str, int], list[str]] = {}
    for i, (text, label, module) in enumerate(rows):
        if i in distinct and not pydocs._names(text, label):
            paragraphs = documents.setdefault(module, [])
            if sum(len(p.split()) for p in paragraphs) + len(text.split()) < WORDS.stop:
                paragraphs.append(text)
    texts = {module: " ".join(paragraphs) for module, paragraphs in documents.items()}
    table = [(text, module[0]) for module, text in texts.items() if len(text.split()) in WORDS]
    with atomic_write(file) as temporary:
        pd.DataFrame(table, columns=["text", "label"]).to_parquet(temporary, index=False)


def write_splits(texts: pd.DataFrame, sizes: dict[str, int], seed: int, out: Path) -> None:
    """Each label has the same share of every split. Raises SystemExit if there are too few."""
    candidates = {label: list(group.index) for label, group in texts.groupby("label")}
    try:
        sample = pydocs._draw(candidates, sum(sizes.values()), random.Random(seed))
    except InputError:
        counts = {label: len(indices) for label, indices in candidates.items()}
        sys.exit(f"there are {len(texts)} texts, {counts}: lower --train, --dev or --test")
    out.mkdir(parents=True, exist_ok=True)
    for split, size in sizes.items():
        texts.loc[sample[:size]].to_parquet(out / f"{split}.parquet", index=False)
        sample = sample[size:]


def run(variant: str, seed: int) -> dict:
    """The scores and minutes of a variant. The current directory has data/raw and LINKS."""
    values = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
    values |= {"tasks": [NAME], "seed": seed, "encode": VARIANTS[variant]}
    values["task"] = {NAME: {"data": {}, "augment": {}, "intermediate": {}, "prediction": {}}}
    values["augment"]["copies"] = 0
    seconds: dict[str, float] = {}
    for stage in STAGES:
        started = time.monotonic()
        YAML().dump(values, Path("params.yaml"))
        import_module(f"stages.{stage}").main(NAME)
        seconds[stage] = time.monotonic() - started
        if stage == "prepare_task":
            factor = train_tokens("windows of 128") / train_tokens(variant)
            for section in TRAININGS:
                values[section]["epochs"] = round(values[section]["epochs"] * factor)
    encode, task = params.load(NAME).encode, load_task(paths.tables(NAME))
    result = {"minutes": round(sum(seconds.values()) / 60, 1)}
    for role in ("teacher", "student"):
        started = time.monotonic()
        folder = paths.model(NAME, role)
        rows = read_rows(
            paths.tables(NAME) / "test.parquet",
            load_tokenizer(folder), encode.max_length, encode.stride,
        )  # fmt: skip
        logits = predict.logits(load_classifier(folder), rows, "fp32")
        target = rows.columns[task.target]
        value = scores(logits, target, [task.metric])[task.metric]
        bounds = interval(target, prediction(logits, target), METRICS[task.metric])
        result[role] = {
            "score": round(100 * value, 1),
            "interval": [round(100 * bound, 1) for bound in bounds],
            "milliseconds": round(1000 * (time.monotonic() - started) / rows.texts, 1),
        }
    stages = {stage: round(took, 1) for stage, took in seconds.items()}
    return {**result, "rows": rows.texts, "seconds": stages, "machine": describe()}


def train_tokens(variant: str) -> int:
    """That a variant reads in an epoch."""
    encode = Encode(**VARIANTS[variant])
    rows = read_rows(
        paths.tables(NAME) / "train.parquet",
        load_tokenizer(paths.PRETRAINED), encode.max_length, encode.stride,
    )  # fmt: skip
    return int(rows.lengths.sum())


def table(results: dict) -> str:
    lines = [
        "| long texts | teacher | student | minutes | ms a text, teacher | student |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for variant, result in results.items():
        shown = [
            f"{part['score']} ({part['interval'][0]} to {part['interval'][1]})"
            for part in (result["teacher"], result["student"])
        ]
        speed = [result[role]["milliseconds"] for role in ("teacher", "student")]
        cells = [variant, *shown, result["minutes"], *speed]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS)[:2])
    parser.add_argument("--train", type=int, default=72)
    parser.add_argument("--dev", type=int, default=48)
    parser.add_argument("--test", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--finished", type=Path, default=ROOT)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "long_texts"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    texts = options.work / "texts.parquet"
    if not texts.exists():
        harvest(params.load(path=ROOT / "params.yaml").docs.labels, texts)
    sizes = {split: getattr(options, split) for split in ("train", "dev", "test")}
    results = {}
    for variant in options.variants:
        with tempfile.TemporaryDirectory(dir=options.work) as folder:
            for link in LINKS:
                (Path(folder) / link).parent.mkdir(parents=True, exist_ok=True)
                (Path(folder) / link).symlink_to((options.finished / link).resolve())
            write_splits(pd.read_parquet(texts), sizes, 1, Path(folder, paths.raw(NAME)))
            with contextlib.chdir(folder), contextlib.redirect_stdout(sys.stderr):
                results[variant] = run(variant, options.seed)
        print(json.dumps({variant: results[variant]}), file=sys.stderr, flush=True)
    if options.json:
        write_json(options.json, results)
    print(table(results))


if __name__ == "__main__":
    main()
