"""Smaller embedding tables: what they cost in score and save in megabytes.

    python -m benchmarks.vocabulary [--task pydocs] [--variants "whole table" ...]
        [--seeds 1 2 3] [--json FILE]

Runs both steps of task distillation with the settings and the files that `dvc repro` left, the
seed apart, and exports the students. Scores are those of dev, which chose some settings, in float32
and with the 8-bit file; `split otherwise` is the share of dev's tokens that the table lacks.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean, stdev

from benchmarks.machine import describe
from tinybert.deploy.onnx import export
from tinybert.distillation.layers.distill import distill_layers
from tinybert.distillation.layers.loss import LayerLoss
from tinybert.distillation.layers.projection import load_projection
from tinybert.distillation.prediction.label import read_logits
from tinybert.distillation.prediction.loss import PredictionLoss
from tinybert.models import encode
from tinybert.models.folder import load_classifier, load_encoder, save_model
from tinybert.models.low_rank import low_rank_table
from tinybert.models.tokenizer import load_tokenizer
from tinybert.models.vocabulary import load_reader, missing_share, shrink_table
from tinybert.pipeline import params, paths
from tinybert.pipeline.files import write_json
from tinybert.tasks.scores import scorer
from tinybert.tasks.task import load_task
from tinybert.training import loop

# Changed settings of `student`.
VARIANTS = {
    "whole table": {"vocabulary": "full", "embedding_rank": None},
    "task's tokens": {"embedding_rank": None},
    "task's tokens, rank 64": {"embedding_rank": 64},
    "task's tokens, rank 96": {"embedding_rank": 96},
    "three times, rank 64": {"min_count": 3, "embedding_rank": 64},
    "three times, rank 96": {"min_count": 3, "embedding_rank": 96},
    "whole table, rank 64": {"vocabulary": "full", "embedding_rank": 64},
}


def run(name: str, changes: dict, seed: int) -> dict:
    settings, task = params.load(name), load_task(paths.tables(name))
    smaller = settings.student.model_copy(update=changes)
    tables, length, rank = paths.tables(name), settings.encode.max_length, smaller.embedding_rank
    student, whole = load_encoder(paths.GENERAL), load_tokenizer(paths.GENERAL)
    texts = [encode.read_rows(paths.augmented(name), whole, length)]
    if settings.corpus.path:
        texts.append(encode.read_segments(paths.CORPUS, whole.pad_token_id))
    counts = sum(rows.counts(student.config.vocab_size) for rows in texts)
    kept, tokenizer = shrink_table(student, whole, counts, smaller)
    missing = missing_share(encode.read_rows(tables / "dev.parquet", whole, length), kept)
    logits = read_logits(paths.teacher_logits(name))
    rows = encode.read_rows(
        paths.augmented(name),
        tokenizer,
        length,
        teacher_logits=logits,
    )
    dev = encode.read_rows(tables / "dev.parquet", tokenizer, length)
    common = {"seed": seed, "precision": settings.precision}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        started = time.monotonic()
        teacher = load_reader(paths.model(name, "teacher"), tokenizer)
        layers = settings.layer_loss.layer_map
        loss = LayerLoss(student, teacher, load_projection(paths.GENERAL), layers)
        with low_rank_table(student, rank):
            distill_layers(
                loss, rows, settings.intermediate, log=folder / "1", checkpoint_dir=folder, **common
            )
        save_model(folder / "student", student, tokenizer, length)
        model = load_classifier(folder / "student", task.head(), seed)
        with low_rank_table(model, rank):
            score = scorer(model, dev, task, settings.precision)
            loss = PredictionLoss(model, settings.prediction)
            loop.fit(loss, rows, settings.prediction, log=folder / "2", score=score, **common)
        seconds = time.monotonic() - started
        files = {kind: folder / f"{kind}.onnx" for kind in ("onnx", "int8")}
        export.write(model.eval(), files, dev.token_types is not None, length)
        run = export.alone(export.onnx_run(files["int8"]))
        int8 = export.scores_of(*export.predictions_of(run, dev, task), task.metrics_of("dev"))
        megabytes = {kind: export.megabytes(file) for kind, file in files.items()}
    return {
        "tokens": len(kept),
        "missing": round(100 * missing, 2),
        "dev": round(100 * score(), 2),
        "int8": round(100 * int8[task.metric], 2),
        "megabytes": megabytes,
        "seconds": round(seconds),
        "machine": describe(),
    }


def table(results: dict) -> str:
    """results: variant -> seed -> result."""
    lines = [
        "| table | tokens | split otherwise, % | dev | dev, 8 bits | MB | MB, 8 bits | s | seeds |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for variant, seeds in results.items():
        runs = list(seeds.values())
        first = runs[0]
        cells = [
            variant, f"{first['tokens']:,}", f"{first['missing']:.1f}", spread(runs, "dev"),
            spread(runs, "int8"), f"{first['megabytes']['onnx']:.1f}",
            f"{first['megabytes']['int8']:.2f}", f"{mean(run['seconds'] for run in runs):.0f}",
            str(len(runs)),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(runs: list[dict], key: str) -> str:
    values = [run[key] for run in runs]
    return f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--task", default="pydocs")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS)[:3])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--json", type=Path, default=Path(__file__).with_name("vocabulary.json"))
    options = parser.parse_args()
    results = json.loads(options.json.read_text()) if options.json.exists() else {}
    for variant in options.variants:
        for seed in options.seeds:
            seeds = results.setdefault(variant, {})
            if str(seed) not in seeds:
                seeds[str(seed)] = run(options.task, VARIANTS[variant], seed)
                print(variant, seed, seeds[str(seed)], file=sys.stderr, flush=True)
                write_json(options.json, results)
    print(table(results))


if __name__ == "__main__":
    main()
