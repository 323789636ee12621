"""The files that `tinybert init` is given: which split each is, and what goes into data/raw."""

import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

import pyarrow.parquet as pq

from tinybert.commands import other_files, sources
from tinybert.commands.sources import Source
from tinybert.commands.spreadsheet import SPREADSHEET, Origin, is_spreadsheet, write_csv
from tinybert.data.raw import parquet, records
from tinybert.data.raw.decoding import lines
from tinybert.data.raw.raw_tables import STEMS
from tinybert.data.raw.records import SUFFIXES, WORD_SUFFIXES, Options
from tinybert.pipeline.errors import InputError

NAMES = ", ".join(stems[0] for stems in STEMS.values())


def splits_of(files: list[Path], has_teacher: bool = False) -> dict[str, Source]:
    """What each split's rows are, by the names of files, such as test.csv or reviews-test.csv, and
    of sheets; a single file of another name is train. has_teacher: whether a fine-tuned teacher is
    given, for which unlabeled is enough. Raises InputError if a file cannot be read or is of no
    known kind, or if it is not clear which split it is."""
    found: dict[str, Source] = {}
    others = []
    for file in files:
        if not file.is_file():
            problem = "is a folder; give its files" if file.is_dir() else "is missing; correct it"
            raise InputError(f"{file} {problem}")
        if file.suffix.lower() not in (*SUFFIXES, *WORD_SUFFIXES, SPREADSHEET):
            kinds = ", ".join((*SUFFIXES, *WORD_SUFFIXES, SPREADSHEET))
            unknown = f"ends in none of {kinds}; rename it, or save it as one"
            raise InputError(f"{file} {other_files.remedy(file) or unknown}")
    for split, source in sources.find(files):
        if split is None:
            others.append(source)
        elif split in found:
            raise InputError(f"{found[split]} and {source} are both {split}; give one of them")
        else:
            found[split] = source
    if len(others) > 1 or (others and "train" in found):
        names = " and ".join(map(str, others))
        raise InputError(f"{names}: name each file after its split: {NAMES} (or reviews-test.csv)")
    if others:
        found["train"] = others[0]
    if "train" not in found and not (has_teacher and "unlabeled" in found):
        problem = f"{' and '.join(map(str, files))}: none is train; give a train file, too"
        if "unlabeled" in found:
            problem += (
                ", or a model that is fine-tuned for the task: --teacher ID|DIR. If the file has "
                "probabilities or labels, it is train: name it so"
            )
        raise InputError(problem)
    return {split: found[split] for split in STEMS if split in found}


def stage(given: dict[str, Source], folder: Path) -> tuple[dict[Path, Origin], list[str]]:
    """Fills a new folder as data/raw/TASK: links to the files, under the names of their splits;
    spreadsheets become .csv, and shards one file. Returns each new file's origin, and lines on what
    was left out."""
    folder.mkdir()
    origins, notes = {}, sources.unread_sheets(given.values())
    for split, source in given.items():
        file, *others = source.files
        if is_spreadsheet(file.name):
            staged = folder / f"{split}.csv"
            written = write_csv(file, staged, source.sheet)
            origins[staged] = Origin(file, written.sheet, written.rows)
            notes += written.notes
            continue
        staged = folder / f"{split}{file.suffix.lower()}"
        origins[staged] = Origin(str(source))
        if not others:
            staged.symlink_to(file.resolve())
        elif staged.suffix == ".parquet":
            parquet.join(source.files, staged)
        else:
            _join(source.files, staged)
    return origins, notes


def _join(files: Iterable[Path], out: Path) -> None:
    """Writes the lines of all files of UTF-8."""
    with out.open("wb") as stream:
        for file in files:
            with file.open("rb") as shard:
                for line in shard:
                    stream.write(line if line.endswith(b"\n") else line + b"\n")


def divide(
    file: Path, options: Options, numbers: Collection[int], other: Path
) -> dict[Path, list[int]]:
    """Moves rows of a raw file into `other`, a file of the same form and encoding, with the same
    header; the others stay. A link is replaced by a file. numbers: the rows', as records.read
    counts them. Returns which lines each of the two files now has (of .parquet: nothing)."""
    numbers = set(numbers)
    kept = file.with_name(f"kept-{file.name}")
    if file.suffix == ".parquet":
        table = pq.read_table(file)
        for part, is_moved in ((kept, False), (other, True)):
            rows = [i for i in range(len(table)) if (i + 1 in numbers) == is_moved]
            pq.write_table(table.take(rows), part)
        kept.replace(file)
        return {}
    taken: dict[Path, list[int]] = {file: [], other: []}
    starts = set(records.read(file, options).numbers)
    with (
        file.open("rb") as stream,
        kept.open("w", encoding=options.encoding, newline="") as staying,
        other.open("w", encoding=options.encoding, newline="") as moving,
    ):
        streams = {file: staying, other: moving}
        targets = (file, other)  # a header goes into both
        ending = records.line_end(file.suffix, options)
        text = lines(stream, str(file), options.encoding, options.remedy, ending)
        for number, line in enumerate(text, start=1):
            if number in starts:  # the lines of a quoted field follow their row's first one
                targets = (other if number in numbers else file,)
            for target in targets:
                streams[target].write(line if line.endswith(("\n", "\r")) else f"{line}\n")
                taken[target].append(number)
    kept.replace(file)
    return taken


def copy(staged: Path, out: Path) -> None:
    """Copies a staged folder, with files instead of links."""
    out.mkdir(parents=True)
    for file in sorted(staged.iterdir()):
        shutil.copyfile(file, out / file.name)
