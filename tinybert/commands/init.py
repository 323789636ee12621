"""A task from a user's files: what `tinybert init` finds in them, and what it writes.

    tinybert init tickets.csv --name mine

Everything is read and checked in a temporary folder, as `prepare_task` will read it; then
data/raw/NAME and params.yaml are written, or neither.
"""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tinybert.commands import raw_files, recipe, spreadsheet, texts, word_files
from tinybert.data.raw.columns import Columns
from tinybert.data.raw.raw_tables import WITHOUT
from tinybert.data.raw.records import WORDS
from tinybert.pipeline import params, paths
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.fields import NAME
from tinybert.pipeline.files import atomic_write
from tinybert.pipeline.paths import LOCAL_MODELS, is_inside, is_path
from tinybert.pipeline.schema import Params

if TYPE_CHECKING:  # with torch, which takes seconds to import; mistakes in names show before
    from tinybert.commands.findings import Findings

BY_HAND = (
    "tinybert init has no option for that: put the files into data/raw/NAME, and the task into "
    "params.yaml, as docs/data.md shows"
)
# What messages tell users of params.yaml to set.
KIND = re.compile(r"(?:set )?kind: (\w+)(?: under the task's data in params\.yaml| there)")
OPTIONS = {
    "task.<name>.data.teacher": "--teacher",
    "params.yaml: the teacher": "--teacher",
    "Set pretrained.model to the model that it was fine-tuned from, or to the teacher itself":
        "Give the model that it was fine-tuned from as --model, or give no --model",
}  # fmt: skip
DEFAULT_CORPUS = "docs_corpus"  # of data/raw, which data/dvc.yaml writes


@dataclass(frozen=True)
class Request:
    """files: the user's. name: of the task. model: as pretrained.model, or None. corpus: a folder
    of general text, or None. test_share: of train, which becomes test where there is none; 0: none.
    kind, columns, header, quoted, encoding, teacher: as in params.yaml's task.<name>.data; of the
    teacher only one. yes: ask nothing."""

    files: list[Path]
    name: str
    model: str | None = None
    corpus: Path | None = None
    test_share: float = 0.1
    kind: str | None = None
    columns: Columns | None = None
    header: bool | None = None
    quoted: bool | None = None
    encoding: str | None = None
    yes: bool = False
    teacher: str | None = None

    def data(self) -> dict:
        """What the task's section `data` in params.yaml has of the options."""
        names = ("kind", "columns", "header", "quoted", "encoding", "teacher")
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}


def init(request: Request) -> None:
    """Makes a task of the user's files: data/raw/NAME, and what params.yaml says of it. Prints what
    it found and changed, and the next command.

    Raises InputError, and writes nothing, if something with that name exists, if a file, the model
    or the general text cannot be used, or if the user says no.
    """
    from tinybert.commands.findings import Findings
    from tinybert.tasks import teacher

    settings, before = params.load(), params.FILE.read_bytes()
    _check_name(request.name, settings)
    for option in ("model", "teacher"):
        _check_place(getattr(request, option), f"--{option}")
    files = raw_files.splits_of(request.files, request.teacher is not None)
    form = texts.Form(encoding=request.encoding or "utf-8", quoted=request.quoted)
    for source in files.values():
        spreadsheet.check_options(str(source.files[0]), form.not_of_spreadsheets())
    if request.corpus is not None:
        request = replace(request, corpus=_corpus(request.corpus))
    word_files.section(**request.data())  # mistakes in options show first
    raw = paths.raw(request.name)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, request.name)
        origins, notes = raw_files.stage(files, folder)
        lines = [f"{origin} -> {raw / file.name}" for file, origin in origins.items()]
        print("\n".join([*lines, *notes]))
        with _named(origins, folder, raw, request.test_share):
            data, kind = request.data(), request.kind
            if kind is None and "train" not in files:
                kind = teacher.outputs(word_files.section(**data))[0]
            if word_files.has_words(origins, request.encoding or "utf-8", kind):
                data = {"kind": "tokens", **data}
            section = word_files.section(**data)
            found = Findings(folder, section, settings, request.model, partial(_agrees, request))
            if "train" in files and "test" not in files and request.test_share:
                [train] = (file for file in origins if file.stem == "train")
                divided = found.hold_out_test(request.test_share)
                whole = origins[train]
                origins |= {file: whole.of_lines(lines) for file, lines in divided.items()}
        with _named(origins, folder, raw, request.test_share):
            found.prepare(Path(temporary, "tables"))
        text, changes = _params(request, data, found, settings)
        sheets = {file: origin for file, origin in origins.items() if origin.sheet}
        lines = [_as_options(_users(line, sheets, folder, raw)) for line in found.report()]
        print("\n".join([*lines, "", "params.yaml:", *(f"  {line}" for line in changes)]))
        if _agrees(request, "\nwrite this?") is False:
            raise InputError("nothing is written, as you say")
        if params.FILE.read_bytes() != before or raw.exists():
            raise InputError(f"params.yaml or {raw} changed in the meantime; run the command again")
        _write(text, folder, raw)
    print(f"\nparams.yaml and {raw} are written; next: tinybert plan, then dvc repro")


def _write(text: str, staged: Path, raw: Path) -> None:
    """Writes params.yaml and the raw folder, or neither."""
    raw.parent.mkdir(parents=True, exist_ok=True)
    is_ours = False
    try:
        with atomic_write(params.FILE) as file:
            file.write_text(text, encoding="utf-8")
            with atomic_write(raw) as out:
                raw_files.copy(staged, out)
            is_ours = True
    except BaseException:
        if is_ours:  # params.yaml could not be replaced
            shutil.rmtree(raw, ignore_errors=True)
        raise


def _check_name(name: str, settings: Params) -> None:
    if not re.fullmatch(NAME, name):
        raise InputError(f"--name {name!r} must consist of letters, digits, - and _")
    if not isinstance(recipe.read(name), str):
        raise InputError(f"--name {name} is no text in YAML; put a letter before it")
    if name == DEFAULT_CORPUS:
        raise InputError(f"--name {name}: the embedded default writes there; choose another")
    if name in settings.task:
        raise InputError(f"params.yaml has a task.{name} already; choose another --name")
    if paths.raw(name).exists() or paths.raw(name).is_symlink():
        raise InputError(f"{paths.raw(name)} exists already; choose another --name, or remove it")


def _check_place(model: str | None, option: str) -> None:
    if model and is_path(model) and not is_inside(model, LOCAL_MODELS):
        raise InputError(
            f"{option} {model} is a local path; copy the model to {LOCAL_MODELS}/NAME and give "
            f"{LOCAL_MODELS}/NAME, so that DVC sees its changes"
        )


def _corpus(folder: Path) -> Path:
    """The folder, relative to the project's. Raises InputError if it cannot be the general text."""
    from tinybert.data.corpus import sources

    if not folder.is_dir():
        raise InputError(f"--corpus {folder} is no folder; give one with .txt or .md files")
    project = Path.cwd()
    # As it is written, since it may be a link to elsewhere; the project's own path may have links.
    written = (Path(os.path.abspath(folder)), folder.resolve())
    inside = [path.relative_to(project) for path in written if project in path.parents]
    if not inside:
        raise InputError(
            f"--corpus {folder}: DVC sees the project's folders only; copy it to data/raw/NAME and "
            "give that"
        )
    if not any(piece.size for piece in sources.pieces(folder)):
        raise InputError(f"--corpus {folder} has no text; add .txt, .md, .jsonl or .parquet files")
    return inside[0]


def _users(text: str, origins: dict[Path, raw_files.Origin], staged: Path, raw: Path) -> str:
    """A text about staged files as one about the user's files, or those of data/raw."""
    for file, origin in origins.items():
        text = origin.named(text, file)
    return text.replace(str(staged), str(raw))


def _as_options(text: str) -> str:
    """A text with the options of this command for what users of params.yaml set."""
    text = text.replace(WORDS, "For labels of words give --kind tokens (docs/words.md)")
    for in_params, option in OPTIONS.items():
        text = text.replace(in_params, option)
    return KIND.sub(r"give --kind \1", texts.as_options(text))


@contextmanager
def _named(
    origins: dict[Path, raw_files.Origin], staged: Path, raw: Path, test_share: float
) -> Iterator[None]:
    """Errors name the user's files instead of the staged ones, and what this command does."""
    try:
        yield
    except InputError as error:
        message = _as_options(_users(str(error), origins, staged, raw))
        if test_share:
            message = message.replace(WITHOUT["test"], ": init takes a test from train")
        if "params.yaml" in message:
            message += f". {BY_HAND}"
        raise InputError(message) from error


def _agrees(request: Request, question: str) -> bool | None:
    """The user's answer; None if nobody can be asked."""
    if request.yes:
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        return None
    print(f"{question} [Y/n] ", end="", flush=True)
    answer = sys.stdin.readline()
    return answer.strip().lower() in ("", "y", "yes") if answer else False


def _params(
    request: Request, data: dict, found: "Findings", settings: Params
) -> tuple[str, list[str]]:
    """The text of params.yaml with the task, and a line for each changed value. data: the task's
    section of that name."""
    shown = recipe.read("{data: {}, augment: {}, intermediate: {}, prediction: {}}")
    for key, value in data.items():
        shown["data"][key] = dict(value) if key == "columns" else value
    if found.stop_words and found.stop_words != found.settings.augment.language:
        shown["augment"]["language"] = found.stop_words
    if found.misfit:
        shown["intermediate"]["epochs"] = 0
    values = {"tasks": recipe.read(f"[{request.name}]"), "task": {request.name: shown}}
    of_recipe = dict(found.recipe_values)
    if request.corpus is not None:
        epochs = max(1, settings.general.epochs)
        values |= {"corpus": {"path": request.corpus.as_posix()}, "general": {"epochs": epochs}}
        of_recipe.pop("corpus")
        of_recipe.pop("general")
    changes = [
        (values, "tinybert init"),
        (of_recipe, f"recipe {found.recipe}"),
        (found.model_changes, "tinybert init"),
    ]
    text, lines = recipe.edited(changes, "this", params.FILE)
    if others := recipe.other_recipes(text, found.recipe):
        lines.append(
            f"values of other recipes stay: {', '.join(others)} (git checkout removes them)"
        )
    earlier = [name for name in settings.tasks if paths.raw(name).exists()]
    return text, [*lines, *_earlier(earlier, request.name)]


def _earlier(names: list[str], new: str) -> list[str]:
    """Says what becomes of the tasks that ran before this one; nothing if there are none."""
    if not names:
        return []
    places = ", ".join(f"task.{name} and {paths.raw(name)}" for name in names)
    both = ", ".join([*names, new])
    return [
        f"{' and '.join(names)}: no longer among the tasks that run, but still in {places}. To "
        f"run all, write tasks: [{both}]: they share the model, the student and all values above"
    ]
