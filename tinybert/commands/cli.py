"""The command `tinybert`. `predict`, `check` and `serve` import neither torch nor DVC.

tinybert predict models/pydocs/onnx texts.txt
"""

import argparse
import os
import sys
from contextlib import AbstractContextManager, ExitStack
from itertools import islice
from pathlib import Path

from tinybert.commands import spreadsheet, texts
from tinybert.commands.options import parser
from tinybert.pipeline import errors
from tinybert.pipeline.errors import InputError

BATCH = 32  # texts


def main() -> None:
    if sys.stderr is None:  # closed: what cannot be said is no error
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    options = parser().parse_args()
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
        COMMANDS[options.command](options)
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] == "tinybert":
            raise
        extra = "serve" if options.command == "serve" else "train"
        raise InputError(
            f"{error.name} is not installed; pip install 'tinybert[{extra}]' brings it"
        ) from None


def _init(options: argparse.Namespace) -> None:
    from tinybert.commands.init import Request, init

    encoding = texts.parse_encoding(options.encoding)
    request = Request(
        options.files, options.name, options.model, options.corpus, options.test_share,
        options.kind, texts.parse_columns(options.columns), options.header, options.quoted,
        None if encoding == "utf-8" else encoding, options.yes, options.teacher,
    )  # fmt: skip
    init(request)


def _plan(options: argparse.Namespace) -> None:
    from tinybert.commands.plan import plan

    print(plan())


def _recipe(options: argparse.Namespace) -> None:
    from tinybert.commands import recipe

    if options.name is None:
        print("\n".join(recipe.names()))
        return
    lines = recipe.apply(options.name)
    changes = sum(not line.startswith("warning") for line in lines)
    summary = f"{changes} values of params.yaml changed; next: tinybert plan, then dvc repro"
    print("\n".join([*lines, summary]))


def _fetch(options: argparse.Namespace) -> None:
    from tinybert.commands.fetch import fetch
    from tinybert.pipeline import params

    known = options.task in params.load().task
    where = options.source, options.task, Path("data"), options.config, options.revision
    print(fetch(*where, known))


def _speed(options: argparse.Namespace) -> None:
    from tinybert.evaluation import speed
    from tinybert.evaluation.report import tables
    from tinybert.pipeline import params

    settings = params.load()
    encode = settings.encode
    results = {
        task: speed.measure(task, encode.max_length, options.rows, encode.stride)
        for task in options.tasks or settings.tasks
    }
    print(f"\n{tables.markdown(tables.speeds_table(results))}")


def _report(options: argparse.Namespace) -> None:
    from tinybert.evaluation.report import page, tables
    from tinybert.evaluation.report.closing import closing
    from tinybert.pipeline import params, paths

    tasks = options.tasks or params.load().tasks
    page.write(tasks)
    measured = [task for task in tasks if (paths.SPEED / f"{task}.json").is_file()]
    speeds = tables.speeds_table(tables.read_speeds(measured))
    print("\n".join(["", *([] if speeds.empty else [tables.markdown(speeds), ""]), closing(tasks)]))


def _compare(options: argparse.Namespace) -> None:
    from tinybert.commands.compare import compare

    print(f"the page: {compare(options.revisions)}")


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

    from tinybert.deploy.classifier import Classifier, check_confidence

    form = _form(options)
    with ExitStack() as stack:
        file, named = stack.enter_context(_as_csv(options.file, form))
        stream, name = texts.open_file(file)
        stack.enter_context(stream)
        bar = stack.enter_context(
            tqdm(unit="text", file=sys.stderr, disable=not sys.stderr.isatty())
        )
        classify = Classifier(options.model, options.kind, options.threads)
        check_confidence(options.min_confidence, classify.kind)  # whether or not there are texts
        rows = texts.read(
            stream, name, classify.pair, form, notice=lambda line: _notice(named(line))
        )
        while batch := list(islice(rows, BATCH)):
            predictions = classify(batch, options.min_confidence)
            _print("\n".join(texts.line(prediction, options.output) for prediction in predictions))
            bar.update(len(batch))


def _as_csv(name: str, form: texts.Form) -> AbstractContextManager:
    return spreadsheet.as_csv(name, form.not_of_spreadsheets(), _notice)


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
    texts.check_columns(form.columns, classify.labels)
    with _as_csv(options.file, form) as (file, named):
        table = texts.labelled(file, classify.pair, classify.kind, form)
        if table.above:
            _notice(named(table.above))
        _print(f"{options.model} ({options.kind}) on {named(evaluate(classify, table))}")


def _serve(options: argparse.Namespace) -> None:
    from tinybert.deploy import serve
    from tinybert.deploy.classifier import Classifier
    from tinybert.deploy.service import server

    # The port is taken before a model is loaded: an error shows at once.
    with server.bind(options.host, options.port) as listener:
        classify, teacher = Classifier(options.model, options.kind, options.threads), None
        if options.teacher is not None:
            from tinybert.deploy.torch_classifier import TorchClassifier

            teacher = TorchClassifier(options.teacher, classify, options.threads)
        host, port = listener.getsockname()[:2]
        print(f"http://{f'[{host}]' if ':' in host else host}:{port}", file=sys.stderr)
        serve.run(serve.create(classify, teacher), listener)


COMMANDS = {
    "init": _init, "plan": _plan, "recipe": _recipe, "fetch": _fetch, "speed": _speed,
    "report": _report, "compare": _compare, "publish": _publish, "predict": _predict,
    "evaluate": _evaluate, "check": _check, "serve": _serve,
}  # fmt: skip


if __name__ == "__main__":
    main()
