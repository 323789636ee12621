"""The command `tinybert`. `predict` and `serve` import neither torch nor DVC.

tinybert predict models/pydocs/onnx texts.txt
"""

import argparse
import os
import signal
import sys
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from tinybert.commands import texts
from tinybert.pipeline.errors import InputError

BATCH = 32  # texts


def main() -> None:
    options = _parser().parse_args()
    try:
        options.run(options)
    except InputError as error:
        sys.exit(f"error: {error}")
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] == "tinybert":
            raise
        extra = "serve" if options.run is _serve else "train"
        sys.exit(f"error: {error.name} is not installed; pip install 'tinybert[{extra}]' brings it")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:  # `tinybert predict ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tinybert", description="BERT distillation with DVC.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(run, name: str, summary: str, example: str, **options) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=summary, description=summary, epilog=f"example: {example}", **options
        )
        added.set_defaults(run=run)
        return added

    sub = command(_recipe, "recipe", "apply a recipe to params.yaml", "tinybert recipe smoke")
    sub.add_argument("name", nargs="?", metavar="NAME", help="default: list the recipes")

    sub = command(
        _fetch, "fetch", "save a data set of the Hugging Face hub as a task's raw files",
        "tinybert fetch stanfordnlp/sst2 sst2",
    )  # fmt: skip
    sub.add_argument("source", metavar="SOURCE", help="hub id, or a folder that `datasets` reads")
    sub.add_argument("task", metavar="TASK", help="the folder in data/raw")
    sub.add_argument("--config", help="configuration of the data set, such as mrpc for glue")
    sub.add_argument("--revision", help="branch, tag or commit of the data set")

    sub = command(_speed, "speed", "measure size and speed on this machine", "tinybert speed")
    sub.add_argument("tasks", nargs="*", metavar="TASK", help="default: those of params.yaml")
    sub.add_argument("--rows", type=_positive, default=32, help="rows to measure (default: 32)")

    sub = command(_report, "report", "print the results and draw the page", "tinybert report")
    sub.add_argument("tasks", nargs="*", metavar="TASK", help="default: those of params.yaml")

    sub = command(
        _publish, "publish", "write a student as a repository for the Hugging Face hub",
        "tinybert publish pydocs published/pydocs --licence apache-2.0",
    )  # fmt: skip
    sub.add_argument("task", metavar="TASK")
    sub.add_argument("out", type=Path, metavar="FOLDER")
    sub.add_argument("--licence", required=True, help="the teacher's, such as apache-2.0")

    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("model", metavar="MODEL", help="folder of the export: models/<task>/onnx")
    model.add_argument("--kind", choices=("onnx", "int8"), default="int8", help="default: int8")
    model.add_argument("--threads", type=int, default=0, help="default: 0, all cores")

    sub = command(
        _predict, "predict", "classify texts", "tinybert predict models/pydocs/onnx texts.txt",
        parents=[model],
    )  # fmt: skip
    sub.add_argument("file", nargs="?", default="-", metavar="FILE", help="default: -, stdin")
    sub.add_argument(
        "--format",
        choices=texts.INPUT_FORMATS,
        help="text: one text per line, the texts of a pair separated by a tab; tsv and jsonl: "
        "columns text, or text_a and text_b. Default: from the file's suffix",
    )
    sub.add_argument("--output", choices=("jsonl", "tsv"), default="jsonl", help="default: jsonl")

    sub = command(
        _serve, "serve", "run an HTTP service", "tinybert serve models/pydocs/onnx --port 8080",
        parents=[model],
    )  # fmt: skip
    sub.add_argument("--host", default="127.0.0.1")
    sub.add_argument("--port", type=int, default=8000)
    sub.add_argument("--teacher", help="models/<task>/teacher, which the page compares with")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _recipe(options: argparse.Namespace) -> None:
    from tinybert.commands import recipe

    if options.name is None:
        print("\n".join(recipe.names()))
        return
    changes = recipe.apply(options.name)
    summary = f"{len(changes)} values of params.yaml changed; next: dvc repro"
    print("\n".join([*changes, summary]))


def _fetch(options: argparse.Namespace) -> None:
    from tinybert.commands.fetch import fetch

    raw = Path("data/raw")
    print(fetch(options.source, options.task, raw, options.config, options.revision))


def _speed(options: argparse.Namespace) -> None:
    from tinybert.evaluation import speed
    from tinybert.evaluation.report import tables
    from tinybert.pipeline import params

    settings = params.load()
    results = {
        task: speed.measure(task, settings.encode.max_length, options.rows)
        for task in options.tasks or settings.tasks
    }
    print(f"\n{tables.markdown(tables.sizes_table(results))}")


def _report(options: argparse.Namespace) -> None:
    from tinybert.evaluation.report import page, tables
    from tinybert.evaluation.score_warnings import score_warnings
    from tinybert.pipeline import params, paths

    tasks = options.tasks or params.load().tasks
    page.write(tasks)
    results = tables.read_scores(tasks)
    print("\n".join(["", tables.markdown(tables.scores_table(results)), *score_warnings(results)]))
    measured = [task for task in tasks if (paths.SPEED / f"{task}.json").is_file()]
    if measured:
        print(f"\n{tables.markdown(tables.sizes_table(tables.read(paths.SPEED, measured)))}")
    else:
        print("\nfor sizes and speeds: tinybert speed")
    print(f"\nthe page: {paths.PAGE}")


def _publish(options: argparse.Namespace) -> None:
    from tinybert.deploy import publish

    publish.write(options.task, options.out, options.licence)
    print(f"{options.out} is ready; hf upload NAME {options.out} publishes it", file=sys.stderr)


def _predict(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from tinybert.deploy.classifier import Classifier

    classify = Classifier(options.model, options.kind, options.threads)
    with ExitStack() as stack:
        stream, name = sys.stdin, "stdin"
        if options.file != "-":
            name = options.file
            try:
                stream = stack.enter_context(open(name, encoding="utf-8-sig", newline=""))
            except OSError as error:
                raise InputError(f"{name} cannot be read: {error.strerror}") from None
        rows = texts.read(stream, name, options.format, classify.pair)
        bar = stack.enter_context(
            tqdm(unit="text", file=sys.stderr, disable=not sys.stderr.isatty())
        )
        while batch := list(islice(rows, BATCH)):
            for prediction in classify(batch):
                print(texts.line(prediction, options.output))
            sys.stdout.flush()
            bar.update(len(batch))


def _serve(options: argparse.Namespace) -> None:
    import uvicorn

    from tinybert.deploy import serve
    from tinybert.deploy.classifier import Classifier

    classify, teacher = Classifier(options.model, options.kind, options.threads), None
    if options.teacher:
        from tinybert.deploy.torch_classifier import TorchClassifier

        teacher = TorchClassifier(options.teacher, classify)
    app = serve.create(classify, teacher)
    uvicorn.run(app, host=options.host, port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
