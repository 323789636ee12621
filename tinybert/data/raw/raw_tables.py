"""A task's raw folder -> a table for each split: finds the files and the columns' roles.

Missing information is inferred where possible; otherwise the error says what to set in
params.yaml, task.<name>.data.
"""

from collections import Counter
from pathlib import Path

from tinybert.data.raw import columns as roles_of
from tinybert.data.raw import given, records
from tinybert.data.raw.benchmarks import BENCHMARKS
from tinybert.data.raw.columns import TARGETS, Columns, Table
from tinybert.data.raw.records import REMEDY, SUFFIXES, WORD_SUFFIXES, WORDS, Options, Records
from tinybert.models.encode import TEACHER_LOGITS
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import TaskData

STEMS = {
    "train": ("train",),
    "dev": ("dev", "eval", "valid", "validation", "val"),
    "dev_mismatched": ("dev_mismatched",),
    "test": ("test",),
    "unlabeled": ("unlabeled", "unlabelled"),
}
# What follows if a split is left out.
WITHOUT = {"dev": ": dev is then taken from train", "test": ": the scores are then those of dev"}


def read(raw: Path, section: TaskData) -> dict[str, Table]:
    """Each split's table, with the roles of the first one; the values are not checked yet.

    section: params.yaml's task.<name>.data; with a fine-tuned teacher, texts without labels are
    enough. Raises InputError that names file, line and remedy.
    """
    files = find_files(raw, section, SUFFIXES)
    header, columns, options = _options(section)
    contents = {split: records.read(file, options) for split, file in files.items()}
    for split, content in contents.items():
        _refuse_a_second_header(files[split], content)
    if header is None and columns is None:
        _refuse_a_header(files, contents)
    tables: dict[str, Table] = {}
    found: dict[str, list] = {}
    for split, file in files.items():
        values = given.read(str(file), contents[split], columns) if split in given.SPLITS else None
        gives_label = values is not None and not given.has_target(
            contents[split], columns, contents.values()
        )
        roles = list(next(iter(tables.values())).columns) if tables else None
        if split == "unlabeled" or (split == "train" and gives_label):
            roles = roles_of.text_roles(contents[split], columns) if roles is None else roles
            roles = [role for role in roles if role not in TARGETS]
        if split != "unlabeled" and (roles or section.teacher):
            _check_roles(file, split, contents[split], columns, roles)
        table = tables[split] = roles_of.table(file, contents[split], columns, roles)
        if values is not None:
            found[split] = [(values[0], value) for value in values[1]]
        if split == "train" and gives_label:
            target = "labels" if section.kind == "multi_label" else "label"
            table.columns[target] = given.best_labels(table, found[split], section)
            table.is_probable = True
        if split != "unlabeled" and not set(TARGETS) & set(tables[split].columns):
            raise InputError(
                f"{file} needs labels: add label to columns under the task's data in params.yaml, "
                f"or {'name it unlabeled' if split == 'train' else 'remove the file'}"
            )
    if not found and columns and set(roles_of.GIVEN) & set(columns):
        raise InputError(
            f"{raw}: neither train nor unlabeled has the columns of probabilities or logits; "
            "correct columns under the task's data in params.yaml"
        )
    for split in given.SPLITS if found else ():
        if split in tables:
            nothing = [("", None)] * len(tables[split])
            tables[split].columns[TEACHER_LOGITS] = found.get(split, nothing)
    return tables


def _options(section: TaskData) -> tuple[bool | None, Columns | None, Options]:
    """Whether the files have a header (None: they show it), their columns, and how to read them."""
    layout = BENCHMARKS[section.benchmark] if section.benchmark else None
    columns = layout.columns if layout else section.columns and dict(section.columns)
    if columns:
        columns = {role: column for role, column in columns.items() if column is not None}
    header = layout.header if layout else section.header
    options = Options(
        roles_of.header_test(header, columns),
        encoding=section.encoding or (layout.encoding if layout else "utf-8"),
        quoted=section.quoted,
        drop_broken=drop_broken(section),
        label_colon=section.benchmark == "trec",
    )
    return header, columns, options


def _check_roles(
    file: Path, split: str, content: Records, columns: Columns | None, roles: list[str] | None
) -> None:
    """Raises InputError if a column is missing; of a file of texts alone, such as those for which a
    competition asks labels, it says how to go on without them. roles: as of columns.table."""
    try:
        roles_of.find(str(file), content, columns, roles)
    except InputError as error:
        texts = roles_of.text_roles(content, columns) if roles is None else roles
        try:
            roles_of.find(str(file), content, columns, [r for r in texts if r not in TARGETS])
        except InputError:
            raise error from None
        leave_out = f"leave it out{WITHOUT.get(split, '')}, or " * (split != "train")
        raise InputError(f"{error}. If it has no labels, {leave_out}name it unlabeled") from None


def _without_labels(raw: Path, section: TaskData, unlabeled: Path | None) -> str:
    """What a task without a train file lacks, for a message."""
    if any(file.suffix in WORD_SUFFIXES for file in raw.iterdir()) and section.kind is None:
        return WORDS
    if section.teacher:
        return "Without labels, name the file with the texts unlabeled instead of train"
    if unlabeled is not None and unlabeled.suffix in SUFFIXES and section.kind != "tokens":
        _, columns, options = _options(section)
        content = records.read(unlabeled, options)
        if values := given.read(str(unlabeled), content, columns):
            return (
                f"{unlabeled.name} has {values[0]}: name it train{unlabeled.suffix}, and the most "
                "probable labels are its labels"
            )
    return (
        "Without labels, set teacher: MODEL, one that is fine-tuned, under the task's data in "
        "params.yaml, and name the file with the texts unlabeled instead of train"
    )


def has_texts_alone(raw: Path) -> bool:
    """Whether a raw folder has texts without labels, and no train file of any format."""
    stems = {file.stem for file in raw.iterdir()} if raw.is_dir() else set()
    return "train" not in stems and not stems.isdisjoint(STEMS["unlabeled"])


def drop_broken(section: TaskData) -> bool:
    """Whether broken rows are dropped and counted: by the user's or the benchmark's setting."""
    return section.drop_broken or (
        section.benchmark is not None and BENCHMARKS[section.benchmark].broken_lines
    )


def find_files(raw: Path, section: TaskData, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Each split's file, train first. Raises InputError if there is none to train on."""
    if not raw.is_dir():
        raise InputError(f"{raw} is missing: put train.tsv and dev.tsv there. {REMEDY}")
    if section.benchmark:
        names = BENCHMARKS[section.benchmark].files
    else:
        names = {
            split: tuple(f"{stem}{suffix}" for stem in stems for suffix in suffixes)
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
    if "train" not in files and not (section.teacher and "unlabeled" in files):
        expected = " or ".join(names["train"])
        present = ", ".join(sorted(file.name for file in raw.iterdir())) or "nothing"
        raise InputError(
            f"{raw} has no train file ({expected}); it holds {present}. {REMEDY} "
            f"{_without_labels(raw, section, files.get('unlabeled'))}"
        )
    return files


def _refuse_a_second_header(file: Path, content: Records) -> None:
    """Raises InputError for a row that repeats the header, as in files that were concatenated."""
    for number, row in zip(content.numbers, content.rows, strict=True):
        if row == content.names:
            raise InputError(
                f"{file}, {content.unit} {number}: is the header once more; remove the line"
            )


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
