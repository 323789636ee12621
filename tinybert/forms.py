"""A task's raw folder -> a table for each split: which file is what, which column is what.

What the files do not say is found out where it can be, and else asked for: params.yaml,
task.<name>.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tinybert import records
from tinybert.errors import InputError
from tinybert.published import FORMS
from tinybert.records import REMEDY, Records
from tinybert.schema import Columns
from tinybert.schema import Task as Section

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
    """A file's columns by role: text_a, maybe text_b, and label, labels or score.

    numbers: where each row stands; unit: whether those are lines or rows. skipped: broken lines.
    """

    file: Path
    columns: dict[str, list]
    numbers: list[int]
    unit: str = "line"
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.numbers)

    def where(self, row: int) -> str:
        return f"{self.file}, {self.unit} {self.numbers[row]}"

    def leave_out(self, rows: Collection[int]) -> "Table":
        """Without these rows, which are counted as skipped."""
        if not rows:
            return self
        left = self.take([row for row in range(len(self)) if row not in rows])
        left.skipped += len(rows)
        return left

    def take(self, rows: list[int]) -> "Table":
        columns = {role: [values[i] for i in rows] for role, values in self.columns.items()}
        return Table(self.file, columns, [self.numbers[i] for i in rows], self.unit, self.skipped)


def read(raw: Path, section: Section) -> dict[str, Table]:
    """Each split's table, with the roles that train has; the values have not been checked.

    section: params.yaml's task.<name>. Raises InputError that names file, line and remedy.
    """
    if not raw.is_dir():
        raise InputError(f"{raw} is missing: put train.tsv and dev.tsv there. {REMEDY}")
    files, expected = _files(raw, section)
    if "train" not in files:
        there = ", ".join(sorted(file.name for file in raw.iterdir())) or "nothing"
        raise InputError(f"{raw} has no train file ({expected}); it holds {there}. {REMEDY}")
    form = FORMS[section.form] if section.form else None
    columns = Columns(**form.columns) if form else section.columns
    header = form.header if form else section.header
    if header is None and columns is not None:
        header = not any(isinstance(column, int) for _, column in columns)

    def is_header(cells: list[str]) -> bool:
        return any(_normal(cell) in KNOWN for cell in cells) if header is None else header

    found = {
        split: records.read(
            file,
            encoding=section.encoding or (form.encoding if form else "utf-8"),
            quoted=section.quoted,
            is_header=is_header,
            drop_broken=drop_broken(section),
            label_colon=section.form == "trec",
        )
        for split, file in files.items()
    }
    if header is None and columns is None:
        _refuse_a_header(files, found)
    tables: dict[str, Table] = {}
    for split, file in files.items():
        wanted = list(tables["train"].columns) if tables else None
        if split == "unlabeled":
            wanted = [role for role in wanted if role not in TARGETS]
        tables[split] = _table(file, found[split], columns, wanted)
    return tables


def drop_broken(section: Section) -> bool:
    """Whether broken rows are left out and counted, as the user or a published form has it."""
    return section.drop_broken or (section.form is not None and FORMS[section.form].broken_lines)


def _files(raw: Path, section: Section) -> tuple[dict[str, Path], str]:
    """Each split's file, train first, and what a train file may be called."""
    if section.form:
        names = FORMS[section.form].files
    else:
        names = {
            split: tuple(f"{stem}{suffix}" for stem in stems for suffix in SUFFIXES)
            for split, stems in STEMS.items()
        }
    files = {}
    for split, candidates in names.items():
        there = [raw / name for name in candidates if (raw / name).is_file()]
        if len(there) > 1:
            shown = " and ".join(file.name for file in there)
            raise InputError(f"{raw} has {shown}: keep one of them")
        if there:
            files[split] = there[0]
    return files, " or ".join(names["train"])


def _normal(name: object) -> str:
    return str(name).strip().casefold()


def _table(file: Path, found: Records, columns: Columns | None, wanted: list[str] | None) -> Table:
    """wanted: the roles that train has; None: this is train."""
    if columns is not None:
        given = {role: column for role, column in columns if column is not None}
        if "text" in given:
            given["text_a"] = given.pop("text")
    elif found.names is None:
        given = _by_width(file, found.width, wanted)
    else:
        given = _by_name(file, found.names, wanted)
    values = {}
    for role in ROLES:
        if role not in given or (wanted is not None and role not in wanted):
            continue
        if isinstance(given[role], list):  # of a multi-label task: one column for each label
            at = {str(name): _index(file, found, name) for name in given[role]}
            values[role] = [
                [name for name, i in at.items() if _is_on(file, found, row, i)]
                for row in range(len(found.rows))
            ]
        else:
            i = _index(file, found, given[role])
            values[role] = [row[i] for row in found.rows]
    return Table(file, values, found.numbers, found.unit, found.skipped)


def _by_width(file: Path, width: int, wanted: list[str] | None) -> dict[str, int]:
    """What headerless files of so many columns mean."""
    texts = {1: 1, 2: 1, 3: 2}.get(width)
    if wanted is not None:
        texts = sum(role.startswith("text") for role in wanted)
    names = [["text_a"], ["text_a", "text_b"]][texts - 1] if texts else []
    target = [r for r in wanted if r in TARGETS] if wanted is not None else ["label"]
    roles = [*names, *target]
    if not names or len(roles) != width:
        raise InputError(
            f"{file} has {width} columns and no header with a known name; give it a header (text, "
            "or text_a and text_b; and label, labels or score), or say where they are under its "
            "task in params.yaml: columns: {text: 1, label: 2}"
        )
    return {role: i for i, role in enumerate(roles, start=1)}


def _by_name(file: Path, names: list[str], wanted: list[str] | None) -> dict[str, str]:
    known = {_normal(name): name for name in names}
    for name, count in Counter(map(_normal, names)).items():
        if name in KNOWN and count > 1:
            raise InputError(
                f"{file} has more than one column {name}; it has {', '.join(map(str, names))}; "
                "rename one, or name it under its task in params.yaml, columns: {text: ...}"
            )
    pair = next((p for p in PAIRS if set(p) <= set(known)), None)
    single = next((name for name in SINGLES if name in known), None)
    target = [name for name in TARGETS if name in known]
    has = f"it has {', '.join(map(str, names))}"
    say = "rename one, or name it under its task in params.yaml: columns: {text: ..., label: ...}"
    if pair is None and single is None:
        raise InputError(f"{file} has no column text (or text_a and text_b); {has}; {say}")
    if wanted is None:
        if len(target) != 1:
            said = f"the columns {' and '.join(target)}" if target else "no column label or score"
            raise InputError(f"{file} has {said}; {has}; {say}")
        wanted = ["text_a", *(["text_b"] if pair else []), target[0]]
    found = {"text_a": known[pair[0] if pair else single]}
    if pair:
        found["text_b"] = known[pair[1]]
    found |= {name: known[name] for name in target}
    for role in wanted:
        if role not in found:
            raise InputError(f"{file} has no column {role}, as train has; add it; {has}")
    return found


def _index(file: Path, found: Records, column: str | int) -> int:
    """Where in a row a column is."""
    if isinstance(column, int):
        if column > found.width:
            raise InputError(
                f"{file} has {found.width} columns; there is no column {column}; correct "
                "columns in params.yaml"
            )
        return column - 1
    if found.names is None:
        raise InputError(f"{file} has no header (header: false); give columns as positions")
    if found.names.count(column) != 1:
        said = "no column" if column not in found.names else "more than one column"
        raise InputError(
            f"{file} has {said} {column}; it has {', '.join(map(str, found.names))}; correct "
            "columns under its task in params.yaml"
        )
    return found.names.index(column)


def _is_on(file: Path, found: Records, row: int, column: int) -> bool:
    value = _normal(found.rows[row][column])
    if value not in ("0", "1", "false", "true", "0.0", "1.0"):
        number = found.numbers[row]
        raise InputError(f"{file}, {found.unit} {number}: {value!r} must be 0 or 1")
    return value in ("1", "true", "1.0")


def _refuse_a_header(files: dict[str, Path], found: dict[str, Records]) -> None:
    """A header of unknown names would pass for a row. It stands in several files, or its label
    occurs nowhere else where all others do."""
    headless = {split: r for split, r in found.items() if r.names is None}
    firsts = [tuple(r.rows[0]) for r in headless.values()]
    for split, r in headless.items():
        label, *others = [row[-1] for row in r.rows]
        counts = Counter(others)
        alone = len(others) >= 10 and label not in counts and min(counts.values()) > 1
        if split != "unlabeled" and (alone or firsts.count(tuple(r.rows[0])) > 1):
            raise InputError(
                f"{files[split]}: is the first line a header? Name its columns text (or text_a and "
                "text_b) and label, or say under its task in params.yaml where they are, columns: "
                "{text: ..., label: ...}; or that it is none, header: false"
            )
