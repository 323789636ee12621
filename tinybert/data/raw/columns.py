"""The roles of a file's columns: which hold the texts and the label, by name or by position."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from tinybert.data.raw.records import WORDS, Records, Stream, in_params
from tinybert.data.raw.spelling import normalised
from tinybert.pipeline.errors import InputError

PAIRS = (
    ("text_a", "text_b"),
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
)
SINGLES = ("text", "sentence", "text_a", "content", "review")
TARGETS = ("label", "labels", "score")
ROLES = ("text_a", "text_b", *TARGETS)
GIVEN = ("probabilities", "logits")  # of labels, by something else
KNOWN = {*(name for pair in PAIRS for name in pair), *SINGLES, *TARGETS}
NO_VALUE = {"", "-1", "-1.0", "nan", "none", "null", "<na>", "n/a", "-", "?"}  # beside 0 and 1
TEXTS = {False: ["text_a"], True: ["text_a", "text_b"]}  # by whether a row is a pair
# As in params.yaml: role -> name, position from 1, or a list of them (labels).
Columns = Mapping[str, str | int | list]
Remedy = Callable[[str, str], str]  # as in records.Options


@dataclass
class Table:
    """A file's columns by role: text_a, optionally text_b, and label, labels or score.

    numbers: each row's position in the file, counted in `unit`s (lines or rows) from 1. skipped:
    the number of dropped rows. places: each row's file and position, if its file is another. above:
    says what stood above the header. is_probable: whether the labels are the most probable ones of
    the file's probabilities or logits.
    """

    file: Path
    columns: dict[str, list]
    numbers: list[int]
    unit: str = "line"
    skipped: int = 0
    places: list[str] | None = None
    above: str = ""
    is_probable: bool = False

    def __len__(self) -> int:
        return len(self.numbers)

    def where(self, row: int) -> str:
        """File and position of a row, for messages."""
        if self.places is not None:
            return self.places[row]
        return f"{self.file}, {self.unit} {self.numbers[row]}"

    def drop(self, rows: Collection[int]) -> "Table":
        """The table without these rows, counted as skipped."""
        if not rows:
            return self
        table = self.take([row for row in range(len(self)) if row not in rows])
        table.skipped += len(rows)
        return table

    def take(self, rows: list[int]) -> "Table":
        """The table of these rows, in this order."""
        columns = {role: [values[i] for i in rows] for role, values in self.columns.items()}
        places = None if self.places is None else [self.places[i] for i in rows]
        numbers = [self.numbers[i] for i in rows]
        return Table(
            self.file, columns, numbers, self.unit, self.skipped, places,
            is_probable=self.is_probable,
        )  # fmt: skip

    def join(self, other: "Table") -> "Table":
        """The rows of both tables, which have the same columns."""
        columns = {role: [*values, *other.columns[role]] for role, values in self.columns.items()}
        places = [table.where(row) for table in (self, other) for row in range(len(table))]
        numbers, skipped = [*self.numbers, *other.numbers], self.skipped + other.skipped
        return Table(self.file, columns, numbers, self.unit, skipped, places)


def header_test(header: bool | None, columns: Columns | None) -> Callable[[list[str]], bool]:
    """Decides whether a first row is a header: as the user says, as the kind of `columns` says, or
    if it has a known name."""
    if header is None and columns is not None:
        header = not any(isinstance(column, int) for column in columns.values())
    return lambda cells: any(normal(c) in KNOWN for c in cells) if header is None else header


def normal(name: object) -> str:
    """A column's name without what nobody sees, and without quotation marks that were not read."""
    return normalised(str(name)).strip("\"'")


def table(
    file: Path,
    content: Records,
    columns: Columns | None,
    roles: list[str] | None,
    remedy: Remedy = in_params,
) -> Table:
    """The columns with a role. roles: those of train, for another split; None: train's own."""
    places = find(str(file), content, columns, roles, remedy)
    values = {}
    for role, place in places.items():
        if isinstance(place, dict):  # multi-label: one column for each label
            values[role] = [_labels(file, content, row, place) for row in range(len(content.rows))]
        else:
            values[role] = [row[place] for row in content.rows]
    numbers, unit, skipped = content.numbers, content.unit, content.skipped
    return Table(file, values, numbers, unit, skipped, above=content.above)


def text_roles(content: Records, columns: Columns | None) -> list[str]:
    """The roles of a file without labels, as far as they can be told."""
    if columns is not None:
        return TEXTS["text_b" in columns]
    if content.names is None:
        return TEXTS[content.width == 2]
    return TEXTS[any(set(pair) <= set(map(normal, content.names)) for pair in PAIRS)]


def find(
    name: str,
    content: Records | Stream,
    columns: Columns | None,
    roles: list[str] | None,
    remedy: Remedy = in_params,
) -> dict[str, int | dict[str, int]]:
    """Role -> index of its column, in the order of ROLES; for multi-label tasks with one column for
    each label: label -> index.

    name: of the file, for messages. columns: as the user gives them. roles: the wanted ones; None:
    all that the file has. Raises InputError if one is missing.
    """
    if columns is not None:
        column_of = dict(columns)
        if "text" in column_of:
            column_of["text_a"] = column_of.pop("text")
    elif content.names is None:
        column_of = _by_width(name, content.width, roles, remedy)
    else:
        column_of = _by_name(name, content.names, roles, remedy)
    places = {}
    for role in ROLES:
        if role not in column_of or (roles is not None and role not in roles):
            continue
        column = column_of[role]
        if isinstance(column, list):
            places[role] = {str(c): index(name, content, c, remedy) for c in column}
        else:
            places[role] = index(name, content, column, remedy)
    for role in roles or ():
        if role not in places and columns is not None:
            raise InputError(
                f"{name} needs a column {role}, and columns names none; "
                + remedy("columns", f"{{text: ..., {role}: ...}}")
            )
        if role not in places:
            has = f"; it has {', '.join(map(str, content.names))}" if content.names else ""
            raise InputError(f"{name} has no column {role}, as train has; add it{has}")
    return places


def _by_width(name: str, width: int, roles: list[str] | None, remedy: Remedy) -> dict[str, int]:
    """The roles of a headerless file's columns: role -> position from 1."""
    texts = {1: 1, 2: 1, 3: 2}.get(width)
    if roles is not None:
        texts = sum(role.startswith("text") for role in roles)
    names = TEXTS[texts == 2] if texts else []
    target = [role for role in roles if role in TARGETS] if roles is not None else ["label"]
    expected = [*names, *target]
    if not names or len(expected) != width:
        raise InputError(
            f"{name} has {width} columns and no header with a known name; give it a header (text, "
            "or text_a and text_b; and label, labels or score), or "
            + remedy("columns", "{text: 1, label: 2}")
        )
    return {role: i for i, role in enumerate(expected, start=1)}


def _by_name(
    name: str, names: list[str], roles: list[str] | None, remedy: Remedy
) -> dict[str, str]:
    """The roles of a file's columns by their usual names: role -> name in the file."""
    known = {normal(column): column for column in names}
    has = f"it has {', '.join(map(str, names))}"
    for column, count in Counter(map(normal, names)).items():
        if column in KNOWN and count > 1:
            raise InputError(
                f"{name} has more than one column {column}; {has}; rename one, or "
                + remedy("columns", "{text: ..., label: ...}")
            )
    pair = next((p for p in PAIRS if set(p) <= set(known)), None)
    single = next((column for column in SINGLES if column in known), None)
    target = [column for column in TARGETS if column in known]
    solution = f"rename one, or {remedy('columns', '{text: ..., label: ...}')}"
    if pair is None and single is None:
        hint = f". {WORDS}" if {"tokens", "words"} & set(known) else ""
        raise InputError(
            f"{name} has no column text (or text_a and text_b); {has}; {solution}{hint}"
        )
    if roles is None:
        if len(target) != 1:
            problem = (
                f"the columns {' and '.join(target)}" if target else "no column label or score"
            )
            raise InputError(f"{name} has {problem}; {has}; {solution}")
        roles = [*TEXTS[pair is not None], target[0]]
    if "text_b" not in roles and pair and single in (None, *pair):
        raise InputError(
            f"{name} has pairs of texts ({' and '.join(pair)}), and one text is expected; {has}; "
            f"rename the one to read to text, or {remedy('columns', '{text: ..., label: ...}')}"
        )
    column_of = {"text_a": known[pair[0] if pair else single]}
    if "text_b" not in roles:
        column_of = {"text_a": known[single]}
    elif pair:
        column_of["text_b"] = known[pair[1]]
    column_of |= {column: known[column] for column in target}
    return column_of


def index(name: str, content: Records | Stream, column: str | int, remedy: Remedy) -> int:
    """A column's index in a row, from 0."""
    if isinstance(column, int):
        if column > content.width:
            raise InputError(
                f"{name} has {content.width} columns; there is no column {column}; correct it, or "
                + remedy("columns", "{text: 1, label: 2}")
            )
        return column - 1
    if content.names is None:
        raise InputError(f"{name} has no header (header: false); give columns as positions")
    if content.names.count(column) != 1:
        problem = "no column" if column not in content.names else "more than one column"
        raise InputError(
            f"{name} has {problem} {column}; it has {', '.join(map(str, content.names))}; correct "
            "it, or " + remedy("columns", "{text: ..., label: ...}")
        )
    return content.names.index(column)


def _labels(file: Path, content: Records, row: int, place: Mapping[str, int]) -> list[str] | None:
    """The labels whose column has a 1; None if one has no value."""
    values = {name: normal(content.rows[row][column]) for name, column in place.items()}
    for name, value in values.items():
        if value not in ("0", "1", "false", "true", "0.0", "1.0", *NO_VALUE):
            number = content.numbers[row]
            raise InputError(f"{file}, {content.unit} {number}: {name} {value!r} must be 0 or 1")
    if not NO_VALUE.isdisjoint(values.values()):
        return None
    return [name for name, value in values.items() if value in ("1", "true", "1.0")]
