"""The command `tinybert`: an exported student at work, without torch.

tinybert predict models/pydocs/onnx texts.txt
tinybert serve models/pydocs/onnx
"""

import argparse
import csv
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from tinybert.classifier import FILES, Classifier
from tinybert.errors import InputError

BATCH = 32  # texts at once
FORMS = {".jsonl": "jsonl", ".tsv": "tsv"}  # by a file's ending; any other: text

Text = str | tuple[str, str]


def main() -> None:
    options = _parser().parse_args()
    try:
        options.run(options)
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:  # of `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tinybert", description="An exported student at work.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    both = argparse.ArgumentParser(add_help=False)
    both.add_argument("model", metavar="MODEL", help="what export made: models/<task>/onnx")
    both.add_argument("--kind", choices=FILES, default="int8", help="8 bits, or float32 (onnx)")
    both.add_argument("--threads", type=int, default=0, help="0, as it is by default: all cores")

    one = commands.add_parser("predict", parents=[both], help="texts in, labels out")
    one.add_argument("file", nargs="?", default="-", metavar="FILE", help="-, by default: stdin")
    one.add_argument(
        "--form",
        choices=("text", "tsv", "jsonl"),
        help="text: one a line, pairs parted by a tab; tsv and jsonl: columns text, or text_a and "
        "text_b. By default as the file's name ends",
    )
    one.add_argument("--output", choices=("jsonl", "tsv"), default="jsonl")
    one.set_defaults(run=_predict)

    one = commands.add_parser("serve", parents=[both], help="an HTTP service")
    one.add_argument("--host", default="127.0.0.1")
    one.add_argument("--port", type=int, default=8000)
    one.add_argument("--teacher", help="models/<task>/teacher, to compare with on the page")
    one.set_defaults(run=_serve)
    return parser


def _predict(options: argparse.Namespace) -> None:
    classify = Classifier(options.model, options.kind, options.threads)
    with ExitStack() as opened:
        source, name = sys.stdin, "stdin"
        if options.file != "-":
            name = options.file
            try:
                source = opened.enter_context(open(name, encoding="utf-8-sig", newline=""))
            except OSError as error:
                raise InputError(f"{name} cannot be read: {error.strerror}") from None
        form = options.form or FORMS.get(Path(name).suffix, "text")
        texts = read(source, name, form, classify.pair)
        bar = opened.enter_context(
            tqdm(unit="text", file=sys.stderr, disable=not sys.stderr.isatty())
        )
        while batch := list(islice(texts, BATCH)):
            for said in classify(batch):
                print(_line(said, options.output))
            sys.stdout.flush()
            bar.update(len(batch))


def read(source: TextIO, name: str, form: str, pair: bool) -> Iterator[Text]:
    """The texts, or pairs of texts, of a stream, as they come. name: of the stream, for errors."""
    columns = ("text_a", "text_b") if pair else ("text",)

    def chosen(row: dict, number: int) -> Text:
        found = tuple(row.get(column) for column in columns)
        if not all(isinstance(text, str) for text in found):
            raise InputError(
                f"{name}, line {number}: there must be a text in {' and in '.join(columns)}"
            )
        return found if pair else found[0]

    try:
        if form == "tsv":
            rows = csv.DictReader(source, delimiter="\t", quoting=csv.QUOTE_NONE)
            for row in rows:
                yield chosen(row, rows.line_num)
            return
        for number, line in enumerate(source, 1):
            line = line.rstrip("\r\n")
            if form == "jsonl":
                if line.strip():
                    yield chosen(_object(line, name, number), number)
            elif pair:
                yield chosen(dict(zip(columns, line.split("\t"), strict=False)), number)
            else:
                yield line
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 ({error}); save it as UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{name}: {error}") from None


def _object(line: str, name: str, number: int) -> dict:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{name}, line {number} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{name}, line {number}: there must be an object on each line")
    return found


def _line(said: dict, output: str) -> str:
    if output == "jsonl":
        return json.dumps(said, ensure_ascii=False)
    if "score" in said:
        return f"{said['score']:.6g}"
    label = said["label"] if "label" in said else ",".join(said["labels"])
    return "\t".join([label, *(f"{p:.6f}" for p in said["probabilities"].values())])


def _serve(options: argparse.Namespace) -> None:
    import uvicorn

    from tinybert import serve

    classify, teacher = Classifier(options.model, options.kind, options.threads), None
    if options.teacher:
        from tinybert.torch_classifier import TorchClassifier

        teacher = TorchClassifier(options.teacher, classify)
    app = serve.create(classify, teacher)
    uvicorn.run(app, host=options.host, port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
