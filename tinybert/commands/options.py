"""The options of the command `tinybert`."""

import argparse
from collections.abc import Callable
from pathlib import Path

from tinybert.commands import texts
from tinybert.tasks.task import TARGET


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="tinybert", description="BERT distillation with DVC.")
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, summary: str, example: str, **options) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=summary, description=summary, epilog=f"example: {example}", **options
        )
        added.set_defaults(command=name)
        return added

    table = argparse.ArgumentParser(add_help=False)
    table.add_argument("--encoding", default="utf-8", help="default: utf-8")
    table.add_argument(
        "--columns", nargs="+", metavar="ROLE=COLUMN",
        help="names of the columns, or positions from 1: text=comment label=2; a column a label: "
        "labels=toxic,threat, or probabilities=negative,positive of train and unlabeled (or "
        "logits=...); default: by the usual names, as in training",
    )  # fmt: skip
    for name, meaning in {
        "header": "whether the first line names the columns",
        "quoted": "whether quotation marks enclose fields; default: in csv",
    }.items():
        table.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, help=meaning)

    sub = command(
        "init", "make a task of your files: data/raw/NAME and its settings in params.yaml",
        "tinybert init tickets.csv --name mine", parents=[table],
    )  # fmt: skip
    sub.add_argument(
        "files", nargs="+", type=Path, metavar="FILE",
        help=".tsv, .txt, .csv, .jsonl, .parquet or .xlsx, or .conll, .bio, .iob, .iob2 with tags "
        "of words; named after its split if several",
    )  # fmt: skip
    sub.add_argument("--name", required=True, help="of the task")
    sub.add_argument(
        "--kind", choices=tuple(TARGET), help="of the labels; default: by columns and values"
    )
    sub.add_argument(
        "--model", metavar="ID|DIR",
        help="hub id, or folder in data/models; default: the teacher, or the model of params.yaml",
    )  # fmt: skip
    sub.add_argument(
        "--teacher", metavar="ID|DIR",
        help="a version of the model that is fine-tuned for the task, and replaces training it; "
        "texts without labels are then enough: tinybert init unlabeled.txt --teacher DIR --name X",
    )  # fmt: skip
    sub.add_argument("--corpus", type=Path, metavar="DIR", help="general text; default: none")
    sub.add_argument(
        "--test-share", type=_up_to(0.5), default=0.1, metavar="SHARE",
        help="of train, which becomes test if there is none; 0: none (default: 0.1)",
    )  # fmt: skip
    sub.add_argument("--yes", action="store_true", help="ask nothing")

    command("plan", "show what dvc repro would run, and how long it takes here", "tinybert plan")

    sub = command("recipe", "apply a recipe to params.yaml", "tinybert recipe smoke")
    sub.add_argument("name", nargs="?", metavar="NAME", help="default: list the recipes")

    sub = command(
        "fetch", "save a data set of the Hugging Face hub as files for tinybert init",
        "tinybert fetch stanfordnlp/sst2 sst2",
    )  # fmt: skip
    sub.add_argument("source", metavar="SOURCE", help="hub id, or a folder that `datasets` reads")
    sub.add_argument("task", metavar="TASK", help="the folder in data/fetched")
    sub.add_argument("--config", help="configuration of the data set, such as mrpc for glue")
    sub.add_argument("--revision", help="branch, tag or commit of the data set")

    sub = command("speed", "measure size and speed on this machine", "tinybert speed")
    sub.add_argument("tasks", nargs="*", metavar="TASK", help="default: those of params.yaml")
    sub.add_argument("--rows", type=_positive, default=32, help="rows to measure (default: 32)")

    sub = command("report", "print the results and draw the page", "tinybert report")
    sub.add_argument("tasks", nargs="*", metavar="TASK", help="default: those of params.yaml")

    sub = command("compare", "draw a page of several runs", "tinybert compare HEAD soft")
    revision = "commit, branch, tag, experiment, or workspace; differences are to the first"
    sub.add_argument("revisions", nargs="+", metavar="REVISION", help=revision)

    sub = command(
        "publish", "write a student as a repository for the Hugging Face hub",
        "tinybert publish pydocs published/pydocs --licence apache-2.0",
    )  # fmt: skip
    sub.add_argument("task", metavar="TASK")
    sub.add_argument("out", type=Path, metavar="FOLDER")
    sub.add_argument("--licence", required=True, help="the teacher's, such as apache-2.0")

    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("model", metavar="MODEL", help="folder of the export: models/<task>/onnx")
    model.add_argument("--kind", choices=("onnx", "int8"), default="int8", help="default: int8")
    model.add_argument(
        "--threads",
        type=int,
        default=0,
        help="texts read at once, each on one thread (default: 0, as many as cores)",
    )

    file = argparse.ArgumentParser(add_help=False, parents=[table])
    file.add_argument(
        "--format",
        choices=texts.INPUT_FORMATS,
        help="default: from the file's suffix; text: one text per line",
    )

    sub = command(
        "predict", "classify texts", "tinybert predict models/pydocs/onnx texts.txt",
        parents=[model, file],
    )  # fmt: skip
    sub.add_argument(
        "file", nargs="?", default="-", metavar="FILE",
        help=".txt, .tsv, .csv, .jsonl, .parquet or .xlsx; default: -, stdin",
    )  # fmt: skip
    sub.add_argument("--output", choices=("jsonl", "tsv"), default="jsonl", help="default: jsonl")
    sub.add_argument(
        "--min-confidence", type=_up_to(1), default=0.0, metavar="P",
        help="withhold answers that are less probable: the label is null; of several labels, those "
        "that neither apply nor do not apply with this probability are undecided (default: 0)",
    )  # fmt: skip

    sub = command(
        "evaluate", "score a model on a labelled file",
        "tinybert evaluate models/pydocs/onnx test.tsv", parents=[model, file],
    )  # fmt: skip
    sub.add_argument("file", metavar="FILE", help="texts with their labels, as for training")

    sub = command(
        "check", "check that an exported model is whole and gives its logits here",
        "tinybert check models/pydocs/onnx",
    )  # fmt: skip
    sub.add_argument("model", metavar="MODEL", help="folder of the export: models/<task>/onnx")

    sub = command(
        "serve", "run an HTTP service", "tinybert serve models/pydocs/onnx --port 8080",
        parents=[model],
    )  # fmt: skip
    sub.add_argument("--host", default="127.0.0.1")
    sub.add_argument("--port", type=int, default=8000)
    sub.add_argument("--teacher", help="models/<task>/teacher, which the page compares with")
    return root


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _up_to(most: float) -> Callable[[str], float]:
    def share(text: str) -> float:
        number = float(text)
        if not 0 <= number <= most:
            raise argparse.ArgumentTypeError(f"must be from 0 to {most}")
        return number

    return share
