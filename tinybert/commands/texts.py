"""The files that `tinybert predict` and `tinybert evaluate` read, as training reads them."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from itertools import chain
from pathlib import Path

from tinybert.commands.spreadsheet import SPREADSHEET
from tinybert.data.raw import columns as roles_of
from tinybert.data.raw import records, separators, targets
from tinybert.data.raw.columns import GIVEN, TARGETS, TEXTS, Columns, Table
from tinybert.data.raw.decoding import lines
from tinybert.data.raw.records import SUFFIXES, Options, Stream
from tinybert.pipeline.errors import InputError
from tinybert.tasks.task import TARGET

INPUT_FORMATS = ("text", "tsv", "csv", "jsonl", "parquet")

# What a message tells users of params.yaml to set, and a command has an option for.
IN_PARAMS = re.compile(
    r"([Ss])et (columns|header|quoted|encoding): (\{.*?\}|[\w-]+)(?:, or their names,)?"
    r"(?: under the task's data in params\.yaml| there)"
)
COLUMNS = "columns under the task's data in params.yaml"
OF_EACH = ("labels", *GIVEN)  # roles that may have a column for each label

NAME = re.compile(r"\s*([\"']?)\w+\1\s*")  # of a column
QUOTED = re.compile(r'\s*"(?:[^"]|"")*"\s*')

ESCAPES = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r"})  # of labels in a line of TSV

Text = str | tuple[str, str]


@dataclass(frozen=True)
class Form:
    """How a file is read. input_format: one of INPUT_FORMATS; None: from the file's suffix. The
    others are those of params.yaml's task.<name>.data."""

    input_format: str | None = None
    encoding: str = "utf-8"
    quoted: bool | None = None
    header: bool | None = None
    columns: Columns | None = None

    def options(self) -> Options:
        is_header = roles_of.header_test(self.header, self.columns)
        return Options(is_header, self.encoding, self.quoted, remedy=as_option)

    def not_of_spreadsheets(self) -> list[str]:
        """The options that a file with cells cannot have."""
        given = {
            f"--format {self.input_format}": self.input_format is not None,
            f"--encoding {self.encoding}": self.encoding.lower() not in ("utf-8", "utf8"),
            "--no-quoted": self.quoted is False,
        }
        return [option for option, is_given in given.items() if is_given]

    def suffix(self, name: str) -> str | None:
        """One of SUFFIXES; None if the first line shows whether a file is lines or a table. Raises
        InputError for another suffix."""
        if self.input_format and self.input_format != "text":
            return f".{self.input_format}"
        suffix = Path(name).suffix.lower()
        if self.input_format or suffix in ("", ".txt"):
            return None
        if suffix not in SUFFIXES:
            raise InputError(
                f"{name} ends in none of {', '.join((*SUFFIXES, SPREADSHEET))}; save it as one, "
                f"or, if it is one by another name, give --format ({', '.join(INPUT_FORMATS)})"
            )
        return suffix


def as_option(key: str, value: str) -> str:
    """How a user of the command sets a key of params.yaml's task.<name>.data."""
    if value in ("true", "false"):
        return f"give --{key}" if value == "true" else f"give --no-{key}"
    value = re.sub(r"[{}]", "", value).replace(", ", " ").replace(": ", "=")
    return f"give --{key} {value}"


def as_options(message: str) -> str:
    """A message with the options of a command for what users of params.yaml set."""

    def option(found: re.Match) -> str:
        text = as_option(found[2], found[3])
        return text.replace("give", "Give", 1) if found[1] == "S" else text

    return IN_PARAMS.sub(option, message).replace(COLUMNS, "--columns")


def parse_columns(words: list[str] | None) -> dict[str, str | int | list] | None:
    """`text=comment label=2`; `labels=toxic,threat` for a column of 0 and 1 for each label, or
    `probabilities=toxic,threat`. Raises InputError for other roles."""
    if not words:
        return None
    known, columns = ("text", *TEXTS[True], *TARGETS, *GIVEN), {}
    for word in words:
        role, _, column = word.partition("=")
        if role not in known or not column or column == "0":
            raise InputError(
                f"--columns {word}: write ROLE=COLUMN, with the column's name, or its position "
                f"from 1; the roles are {', '.join(known)}"
            )
        several = [int(name) if name.isdecimal() else name for name in column.split(",")]
        columns[role] = several if role in OF_EACH and len(several) > 1 else several[0]
        if role not in OF_EACH and len(several) > 1:
            columns[role] = column  # a name with a comma
    if not columns.keys() & {"text", "text_a"}:
        raise InputError("--columns names no text; add text=COLUMN, or text_a=... and text_b=...")
    return columns


def check_columns(columns: Columns | None, labels: list[str]) -> None:
    """Raises InputError if there are columns of 0 and 1, and not one for each of a model's labels:
    a label without a column would be taken for one that never applies."""
    names = columns.get("labels") if columns else None
    if isinstance(names, list) and (missing := sorted(set(labels) - set(map(str, names)))):
        raise InputError(
            f"--columns labels={','.join(map(str, names))}: there is no column for "
            f"{targets.preview(missing)}; give one for each of the model's labels, by its name"
        )


def parse_encoding(name: str) -> str:
    """Raises InputError if Python has no such encoding of text."""
    try:
        "a".encode(name)
    except (LookupError, ValueError):  # of bytes; of an odd name
        raise InputError(
            f"--encoding: Python has no encoding {name!r}; common ones are utf-8, utf-16, latin-1, "
            "cp1252, gb18030, big5, shift_jis"
        ) from None
    return name


def open_file(name: str) -> tuple[BufferedIOBase, str]:
    """A file's bytes, or those of stdin (-), and its name for messages. Raises InputError if it
    cannot be read."""
    if name == "-":
        if sys.stdin is None:
            raise InputError("stdin is closed; give a file")
        return sys.stdin.buffer, "stdin"
    try:
        return open(name, "rb"), name
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from None


def read(
    stream: BufferedIOBase, name: str, pair: bool, form: Form, notice: Callable[[str], None]
) -> Iterator[Text]:
    """Yields the texts, or pairs of texts, of a stream as they arrive.

    name: of the stream, for messages. pair: whether the model classifies pairs. notice: takes a
    line on what looks wrong, but may be meant. Raises InputError that names the line.
    """
    options, suffix = form.options(), form.suffix(name)
    if suffix is not None:
        table = records.open_rows(stream, name, suffix, options)
        yield from _texts(table, name, pair, form, notice)
        return
    text = lines(stream, name, form.encoding, as_option)
    if (first := next(text, None)) is None:
        return
    text, cells = chain([first], text), first.rstrip("\r\n").split("\t")
    looks_like_table = form.input_format is None and (len(cells) > 1 or options.is_header(cells))
    if pair or form.columns or form.header or looks_like_table:
        if len(cells) == 1 and looks_like_table and form.header is None:
            notice(
                f"{name}: the first line, {cells[0]!r:.40}, is taken for a header; --format text "
                "classifies it, too"
            )
        table = records.rows_of_lines(text, name, ".tsv", options, look_ahead=False)
        yield from _texts(table, name, pair, form, notice)
        return
    if form.input_format is None and (other := _other_format(first, options)):
        notice(
            f"{name}: the first line, {first.strip()!r:.40}, looks like {other}, and each line is "
            f"taken for a text; --format {other} reads its columns"
        )
    for number, line in enumerate(text, 1):
        targets.check_characters(line, f"{name}, line {number}")
        yield line.rstrip("\r\n")


def _other_format(line: str, options: Options) -> str | None:
    """The format that a first line of texts looks like."""
    if line.startswith("{"):
        try:
            return "jsonl" if options.is_header(list(json.loads(line))) else None
        except (ValueError, RecursionError):
            return None

    def is_header(cells: list[str]) -> bool:
        return options.is_header(cells) and all(map(NAME.fullmatch, cells))

    return "csv" if separators.of_header(line, is_header) else None


def _texts(
    table: Stream, name: str, pair: bool, form: Form, notice: Callable[[str], None]
) -> Iterator[Text]:
    roles = TEXTS[pair]
    if table.above:
        notice(table.above)
    if table.names is None and form.columns is None and table.width == len(roles) + 1:
        if form.header is None:
            notice(
                f"{name} has no header with a known name: column {table.width} is taken for the "
                f"label and not read; if it is a text or the first line is a header, give "
                f"--columns or --header{'' if pair else ', or --format text for lines'}"
            )
        roles = [*roles, "label"]
    places = roles_of.find(name, table, form.columns, roles, as_option)
    if table.names and all(map(QUOTED.fullmatch, table.names)):
        notice(
            f"{name}: the names of the columns are in quotation marks, which are taken for text, "
            "there and in the rows; give --quoted if training read them so (quoted: true)"
        )
    for number, row in table.rows:
        texts = tuple(
            targets.check_text(
                row[places[role]], f"{name}, {table.unit} {number}: {role}", table.unit
            )
            for role in TEXTS[pair]
        )
        yield texts if pair else texts[0]


def labelled(name: str, pair: bool, kind: str, form: Form) -> Table:
    """The texts and targets of a file, or of stdin (-): text_a, text_b (of pairs), and label,
    labels or score.

    pair, kind: the model's. For labels of words text_a, words and tags, as the file has them.
    Raises InputError that names the line of what is not valid.
    """
    if kind == "tokens":
        from tinybert.commands import word_files

        return word_files.labelled(name, form)
    stream, name = open_file(name)
    with stream:
        suffix = form.suffix(name) or ".txt"
        content = records.read_rows(stream, name, suffix, form.options())
    if form.columns is not None:
        present = [role for role in TARGETS if role in form.columns]
    elif content.names is not None:
        present = [role for role in TARGETS if role in map(roles_of.normal, content.names)]
    else:
        present = [TARGET[kind]]
    if len(present) != 1:
        has = f" it has {', '.join(map(str, content.names))};" if content.names else ""
        raise InputError(
            f"{name} has {' and '.join(present) or 'no column label, labels or score'};{has} one "
            f"column must have the targets: {as_option('columns', '{text: ..., label: ...}')}"
        )
    roles = [*TEXTS[pair], *present]
    table = roles_of.table(Path(name), content, form.columns, roles, as_option)
    for role in TEXTS[pair]:
        table.columns[role] = [
            targets.check_text(value, f"{table.where(row)}: {role}", table.unit)
            for row, value in enumerate(table.columns[role])
        ]
    table.columns[TARGET[kind]] = targets.parse(table, kind)
    return table


def line(prediction: dict, output: str) -> str:
    """A Classifier's prediction as a line of output. output: "jsonl" or "tsv". In TSV, a label that
    is withheld is an empty field, and `undecided` is a field after the labels."""
    if output == "jsonl":
        return json.dumps(prediction, ensure_ascii=False)
    parts = prediction.get("entities", prediction.get("words"))
    if parts is not None:
        return "\t".join(f"{p['start']}:{p['end']}:{p['label'].translate(ESCAPES)}" for p in parts)
    if "score" in prediction:
        return f"{prediction['score']:.6g}"
    if "label" in prediction:
        fields = [prediction["label"] or ""]
    else:
        names = ("labels", "undecided")
        fields = [",".join(prediction[name]) for name in names if name in prediction]
    fields = [field.translate(ESCAPES) for field in fields]
    return "\t".join([*fields, *(f"{p:.6f}" for p in prediction["probabilities"].values())])
