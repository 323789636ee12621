"""The command `tinybert`. `predict`, `check` and `serve` import neither torch nor DVC.

tinybert predict models/pydocs/onnx texts.txt
"""

import argparse
import os
import sys
from itertools import islice
from pathlib import Path

from tinybert.commands import texts
from tinybert.pipeline import errors
from tinybert.pipeline.errors import InputError

BATCH = 32  # texts


def main() -> None:
    if sys.stderr is None:  # closed: what cannot be said is no error
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    options = _parser().parse_args()
    if sys.stdout is None:
        sys.exit("error: stdout is closed; give it a file or /dev/null")
    # What other programs read does not depend on the locale. Lone surrogates, which UTF-8 lacks,
    # come from names of files.
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        errors.run(_run, options)
    except BrokenPipeError:  # `tinybert predict ... | head`
        errors.silence_stdout()
    except OSError as error:
        errors.silence_stdout()
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        sys.exit(f"error: {where}{error.strerror or error}")


def _run(options: argparse.Namespace) -> None:
    try:
        options.run(options)
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] == "tinybert":
            raise
        extra = "serve" if options.run is _serve else "train"
        raise InputError(
            f"{error.name} is not installed; pip install 'tinybert[{extra}]' brings it"
        ) from None


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

    file = argparse.ArgumentParser(add_help=False)
    file.add_argument(
        "--format",
        choices=texts.INPUT_FORMATS,
        help="default: from the file's suffix; text: one text per line",
    )
    file.add_argument("--encoding", default="utf-8", help="default: utf-8")
    file.add_argument(
        "--columns", nargs="+", metavar="ROLE=COLUMN",
        help="names of the columns, or positions from 1: text=comment label=2; default: by the "
        "usual names, as in training",
    )  # fmt: skip
    for name, meaning in {
        "header": "whether the first line names the columns",
        "quoted": "whether quotation marks enclose fields; default: in csv",
    }.items():
        file.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, help=meaning)

    sub = command(
        _predict, "predict", "classify texts", "tinybert predict models/pydocs/onnx texts.txt",
        parents=[model, file],
    )  # fmt: skip
    sub.add_argument("file", nargs="?", default="-", metavar="FILE", help="default: -, stdin")
    sub.add_argument("--output", choices=("jsonl", "tsv"), default="jsonl", help="default: jsonl")

    sub = command(
        _evaluate, "evaluate", "score a model on a labelled file",
        "tinybert evaluate models/pydocs/onnx test.tsv", parents=[model, file],
    )  # fmt: skip
    sub.add_argument("file", metavar="FILE", help="texts with their labels, as for training")

    sub = command(
        _check, "check", "check that an exported model is whole and gives its logits here",
        "tinybert check models/pydocs/onnx",
    )  # fmt: skip
    sub.add_argument("model", metavar="MODEL", help="folder of the export: models/<task>/onnx")

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
    print(f"\n{tables.markdown(tables.speeds_table(results))}")


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
        print(f"\n{tables.markdown(tables.speeds_table(tables.read_speeds(measured)))}")
    else:
        print("\nfor sizes and speeds: tinybert speed")
    print(f"\nthe page: {paths.PAGE}")


def _publish(options: argparse.Namespace) -> None:
    from tinybert.deploy import publish

    publish.write(options.task, options.out, options.licence)
    print(f"{options.out} is ready; hf upload NAME {options.out} publishes it", file=sys.stderr)


def _form(options: argparse.Namespace) -> texts.Form:
    return texts.Form(
        options.format,
        texts.parse_encoding(options.encoding),
        options.quoted,
        options.header,
        texts.parse_columns(options.columns),
    )


def _predict(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from tinybert.deploy.classifier import Classifier

    form = _form(options)
    stream, name = texts.open_file(options.file)
    with stream, tqdm(unit="text", file=sys.stderr, disable=not sys.stderr.isatty()) as bar:
        classify = Classifier(options.model, options.kind, options.threads)
        rows = texts.read(stream, name, classify.pair, form, notice=_notice)
        while batch := list(islice(rows, BATCH)):
            lines = [texts.line(prediction, options.output) for prediction in classify(batch)]
            _print("\n".join(lines))
            bar.update(len(batch))


def _print(text: str) -> None:
    """Errors, such as of a full disk, name stdout."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "stdout") from None


def _notice(line: str) -> None:
    print(f"note: {line}", file=sys.stderr)


def _check(options: argparse.Namespace) -> None:
    from tinybert.deploy.classifier import Classifier
    from tinybert.deploy.onnx import reference
    from tinybert.deploy.onnx.session import FILES, METADATA_FILE, TOKENIZER_FILE

    for kind, file in FILES.items():
        difference = Classifier(options.model, kind).difference
        _print(
            f"{file}: sha256 as exported; the logits of {reference.FILE}'s text differ by "
            f"{difference:.1g} of the largest, at most {reference.TOLERANCE[kind]:g} are accepted"
        )
    _print(
        f"{METADATA_FILE}, {TOKENIZER_FILE}: sha256 as exported; the tokens of the text are equal"
    )


def _evaluate(options: argparse.Namespace) -> None:
    from tinybert.commands.evaluate import evaluate
    from tinybert.deploy.classifier import Classifier

    form = _form(options)
    classify = Classifier(options.model, options.kind, options.threads)
    _refuse_words(classify.kind, "evaluate", "the stage evaluate scores test files")
    texts.check_columns(form.columns, classify.labels)
    table = texts.labelled(options.file, classify.pair, classify.kind, form)
    _print(f"{options.model} ({options.kind}) on {evaluate(classify, table)}")


def _refuse_words(kind: str, command: str, remedy: str) -> None:
    if kind == "tokens":
        raise InputError(f"tinybert {command} does not know models that label words yet; {remedy}")


def _serve(options: argparse.Namespace) -> None:
    from tinybert.deploy import serve
    from tinybert.deploy.classifier import Classifier
    from tinybert.deploy.service import server

    # The port is taken before a model is loaded: an error shows at once.
    with server.bind(options.host, options.port) as listener:
        classify, teacher = Classifier(options.model, options.kind, options.threads), None
        _refuse_words(classify.kind, "serve", "use tinybert predict, or Classifier in Python")
        if options.teacher is not None:
            from tinybert.deploy.torch_classifier import TorchClassifier

            teacher = TorchClassifier(options.teacher, classify, options.threads)
        host, port = listener.getsockname()[:2]
        print(f"http://{f'[{host}]' if ':' in host else host}:{port}", file=sys.stderr)
        serve.run(serve.create(classify, teacher), listener)


if __name__ == "__main__":
    main()
