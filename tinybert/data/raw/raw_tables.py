"""A task's raw folder -> a table for each split: finds the files and the columns' roles.

Missing information is inferred where possible; otherwise the error says what to set in
params.yaml, task.<name>.data.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tinybert.data.raw import records
from tinybert.data.raw.benchmarks import BENCHMARKS
from tinybert.data.raw.records import REMEDY, Records
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import Columns, TaskData

SUFFIXES = (".tsv", ".txt", ".csv", ".jsonl", ".parquet")
STEMS = {
    "train": ("train",),
    "dev": ("dev", "eval", "valid", "validation", "val"),
    "dev_mismatched": ("dev_mismatched",),
    "test": ("test",),
    "unlabeled": ("unlabeled", "unlabelled"),
}
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
KNOWN = {*(name for pair in PAIRS for name in pair), *SINGLES, *TARGETS}


@dataclass
class Table:
    """A file's columns by role: text_a, optionally text_b, and label, labels or score.

    numbers: each row's position in the file, counted in `unit`s (lines or rows) from 1. skipped:
    the number of dropped rows. places: each row's file and position, if its file is another.
    """

    file: Path
    columns: dict[str, list]
    numbers: list[int]
    unit: str = "line"
    skipped: int = 0
    places: list[str] | None = None

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
        return Table(self.file, columns, numbers, self.unit, self.skipped, places)

    def join(self, other: "Table") -> "Table":
        """The rows of both tables, which have the same columns."""
        columns = {role: [*values, *other.columns[role]] for role, values in self.columns.items()}
        places = [table.where(row) for table in (self, other) for row in range(len(table))]
        numbers, skipped = [*self.numbers, *other.numbers], self.skipped + other.skipped
        return Table(self.file, columns, numbers, self.unit, skipped, places)


def read(raw: Path, section: TaskData) -> dict[str, Table]:
    """Each split's table, with the roles of train; the values are not checked yet.

    section: params.yaml's task.<name>.data. Raises InputError that names file, line and remedy.
    """
    if not raw.is_dir():
        raise InputError(f"{raw} is missing: put train.tsv and dev.tsv there. {REMEDY}")
    files, expected = _files(raw, section)
    if "train" not in files:
        names = ", ".join(sorted(file.name for file in raw.iterdir())) or "nothing"
        raise InputError(f"{raw} has no train file ({expected}); it holds {names}. {REMEDY}")
    layout = BENCHMARKS[section.benchmark] if section.benchmark else None
    columns = Columns(**layout.columns) if layout else section.columns
    header = layout.header if layout else section.header
    if header is None and columns is not None:
        header = not any(isinstance(column, int) for _, column in columns)

    def is_header(cells: list[str]) -> bool:
        return any(_normal(cell) in KNOWN for cell in cells) if header is None else header

    contents = {
        split: records.read(
            file,
            encoding=section.encoding or (layout.encoding if layout else "utf-8"),
            quoted=section.quoted,
            is_header=is_header,
            drop_broken=drop_broken(section),
            label_colon=section.benchmark == "trec",
        )
        for split, file in files.items()
    }
    if header is None and columns is None:
        _refuse_a_header(files, contents)
    tables: dict[str, Table] = {}
    for split, file in files.items():
        roles = list(tables["train"].columns) if tables else None
        if split == "unlabeled":
            roles = [role for role in roles if role not in TARGETS]
        tables[split] = _table(file, contents[split], columns, roles)
    return tables


def drop_broken(section: TaskData) -> bool:
    """Whether broken rows are dropped and counted: by the user's or the benchmark's setting."""
    return section.drop_broken or (
        section.benchmark is not None and BENCHMARKS[section.benchmark].broken_lines
    )


def _files(raw: Path, section: TaskData) -> tuple[dict[str, Path], str]:
    """Each split's file, train first, and the possible names of a train file."""
    if section.benchmark:
        names = BENCHMARKS[section.benchmark].files
    else:
        names = {
            split: tuple(f"{stem}{suffix}" for stem in stems for suffix in SUFFIXES)
            for split, stems in STEMS.items()
        }
    files = {}
    for split, candidates in names.items():
        matches = [raw / name for name in candidates if (raw / name).is_file()]
        if len(matches) > 1:
            both = " and ".join(file.name for file in matches)
            raise InputError(f"{raw} has {both}: keep one of them")
        if matches:
            files[split] = matches[0]
    return files, " or ".join(names["train"])


def _normal(name: object) -> str:
    return str(name).strip().casefold()


def _table(file: Path, content: Records, columns: Columns | None, roles: list[str] | None) -> Table:
    """roles: those of train, for another split; None for train itself."""
    if columns is not None:
        column_of = {role: column for role, column in columns if column is not None}
        if "text" in column_of:
            column_of["text_a"] = column_of.pop("text")
    elif content.names is None:
        column_of = _by_width(file, content.width, roles)
    else:
        column_of = _by_name(file, content.names, roles)
    values = {}
    for role in ROLES:
        if role not in column_of or (roles is not None and role not in roles):
            continue
        if isinstance(column_of[role], list):  # multi-label: one column for each label
            index_of = {str(name): _index(file, content, name) for name in column_of[role]}
            values[role] = [
                [name for name, i in index_of.items() if _is_on(file, content, row, i)]
                for row in range(len(content.rows))
            ]
        else:
            i = _index(file, content, column_of[role])
            values[role] = [row[i] for row in content.rows]
    return Table(file, values, content.numbers, content.unit, content.skipped)


def _by_width(file: Path, width: int, roles: list[str] | None) -> dict[str, int]:
    """The roles of a headerless file's columns: role -> position from 1."""
    texts = {1: 1, 2: 1, 3: 2}.get(width)
    if roles is not None:
        texts = sum(role.startswith("text") for role in roles)
    names = [["text_a"], ["text_a", "text_b"]][texts - 1] if texts else []
    target = [role for role in roles if role in TARGETS] if roles is not None else ["label"]
    expected = [*names, *target]
    if not names or len(expected) != width:
        raise InputError(
            f"{file} has {width} columns and no header with a known name; give it a header (text, "
            "or text_a and text_b; and label, labels or score), or set the columns' positions "
            "under the task's data in params.yaml: columns: {text: 1, label: 2}"
        )
    return {role: i for i, role in enumerate(expected, start=1)}


def _by_name(file: Path, names: list[str], roles: list[str] | None) -> dict[str, str]:
    """The roles of a file's columns by their usual names: role -> name in the file."""
    known = {_normal(name): name for name in names}
    for name, count in Counter(map(_normal, names)).items():
        if name in KNOWN and count > 1:
            raise InputError(
                f"{file} has more than one column {name}; it has {', '.join(map(str, names))}; "
                "rename one, or set columns: {text: ...} under the task's data in params.yaml"
            )
    pair = next((p for p in PAIRS if set(p) <= set(known)), None)
    single = next((name for name in SINGLES if name in known), None)
    target = [name for name in TARGETS if name in known]
    has = f"it has {', '.join(map(str, names))}"
    remedy = (
        "rename one, or set columns: {text: ..., label: ...} under the task's data in params.yaml"
    )
    if pair is None and single is None:
        raise InputError(f"{file} has no column text (or text_a and text_b); {has}; {remedy}")
    if roles is None:
        if len(target) != 1:
            problem = (
                f"the columns {' and '.join(target)}" if target else "no column label or score"
            )
            raise InputError(f"{file} has {problem}; {has}; {remedy}")
        roles = ["text_a", *(["text_b"] if pair else []), target[0]]
    column_of = {"text_a": known[pair[0] if pair else single]}
    if pair:
        column_of["text_b"] = known[pair[1]]
    column_of |= {name: known[name] for name in target}
    for role in roles:
        if role not in column_of:
            raise InputError(f"{file} has no column {role}, as train has; add it; {has}")
    return column_of


def _index(file: Path, content: Records, column: str | int) -> int:
    """A column's index in a row, from 0."""
    if isinstance(column, int):
        if column > content.width:
            raise InputError(
                f"{file} has {content.width} columns; there is no column {column}; correct "
                "columns in params.yaml"
            )
        return column - 1
    if content.names is None:
        raise InputError(f"{file} has no header (header: false); give columns as positions")
    if content.names.count(column) != 1:
        problem = "no column" if column not in content.names else "more than one column"
        raise InputError(
            f"{file} has {problem} {column}; it has {', '.join(map(str, content.names))}; correct "
            "columns under the task's data in params.yaml"
        )
    return content.names.index(column)


def _is_on(file: Path, content: Records, row: int, column: int) -> bool:
    value = _normal(content.rows[row][column])
    if value not in ("0", "1", "false", "true", "0.0", "1.0"):
        number = content.numbers[row]
        raise InputError(f"{file}, {content.unit} {number}: {value!r} must be 0 or 1")
    return value in ("1", "true", "1.0")


def _refuse_a_header(files: dict[str, Path], contents: dict[str, Records]) -> None:
    """Raises InputError if a first line looks like a header of unknown names, not like a row.

    It does if several files have it, or if its label is the only one that occurs once.
    """
    headerless = {split: r for split, r in contents.items() if r.names is None}
    first_rows = [tuple(r.rows[0]) for r in headerless.values()]
    for split, r in headerless.items():
        label, *others = [row[-1] for row in r.rows]
        counts = Counter(others)
        alone = len(others) >= 10 and label not in counts and min(counts.values()) > 1
        if split != "unlabeled" and (alone or first_rows.count(tuple(r.rows[0])) > 1):
            raise InputError(
                f"{files[split]}: is the first line a header? If so, name its columns text (or "
                "text_a and text_b) and label, or set columns: {text: ..., label: ...} under the "
                "task's data in params.yaml; if not, set header: false there"
            )
