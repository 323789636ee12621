"""What the files that `tinybert init` is given hold: a split's rows are a file, shards, or a sheet
of a spreadsheet."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tinybert.commands import spreadsheet
from tinybert.data.raw.raw_tables import STEMS
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.wording import plural

SPLITS = {stem: split for split, stems in STEMS.items() for stem in stems}
# As the hub names the parts of a split; a hash may follow.
SHARD = re.compile(r"(?P<name>.+)[-_.](?P<index>\d{5})-of-(?P<count>\d{5})(?:-[0-9a-f]{16})?")
JOINED = (".parquet", ".jsonl")


@dataclass(frozen=True)
class Source:
    """files: one, or all shards in order. sheet: of a spreadsheet with several; "": the first."""

    files: tuple[Path, ...]
    sheet: str = ""

    def __str__(self) -> str:
        first, last = self.files[0], self.files[-1]
        sheet = f" (sheet {self.sheet})" if self.sheet else ""
        return f"{first}{sheet}" if first == last else f"{first} to {last.name}"


def split_of(stem: str) -> str | None:
    """The split that a file's name says, as a whole or as its only such part."""
    if stem.lower() in SPLITS:
        return SPLITS[stem.lower()]
    parts = {SPLITS[part] for part in re.split(r"[-_. ]+", stem.lower()) if part in SPLITS}
    return parts.pop() if len(parts) == 1 else None


def find(files: list[Path]) -> Iterator[tuple[str | None, Source]]:
    """Each source, and its split, None if no name says it. Raises InputError if a shard is missing
    or given twice, and for sheets of the same split."""
    shards: dict[tuple, dict[int, Path]] = {}
    for file in files:
        part = SHARD.fullmatch(file.stem)
        if part and (index := int(part["index"])) < int(part["count"]):
            key = (file.parent, part["name"], int(part["count"]), file.suffix.lower())
            known = shards.setdefault(key, {})
            if other := known.get(index):
                raise InputError(f"{other} and {file} are the same shard; give one of them")
            known[index] = file
        elif spreadsheet.is_spreadsheet(file.name):
            yield from _of_sheets(file)
        else:
            yield split_of(file.stem), Source((file,))
    for (_, name, count, suffix), parts in shards.items():
        yield split_of(name), Source(_all_shards(parts, count, suffix))


def _all_shards(parts: dict[int, Path], count: int, suffix: str) -> tuple[Path, ...]:
    if missing := [index for index in range(count) if index not in parts]:
        file = next(iter(parts.values()))
        name = re.sub(r"\d{5}(-of-\d{5}).*", rf"{missing[0]:05d}\1{suffix}", file.name)
        more = f" (and {len(missing) - 1:,} more)" if missing[1:] else ""
        raise InputError(
            f"{file} is one of {count} shards, and {name}{more} is missing; give all of them, or "
            "rename a shard that is to be used alone"
        )
    files = tuple(parts[index] for index in range(count))
    if count > 1 and suffix not in JOINED:
        raise InputError(
            f"{files[0]} is one of {count} shards, which are joined if they are "
            f"{' or '.join(JOINED)}; join them into one file, with at most one header"
        )
    return files


def _of_sheets(file: Path) -> Iterator[tuple[str | None, Source]]:
    """The sheets that are named after splits; the first sheet, too, unless one of these has its
    split: that of the file's name, or train."""
    own, sheets = split_of(file.stem), spreadsheet.visible_sheets(file)
    found: dict[str, str] = {}
    for sheet in sheets if len(sheets) > 1 else ():
        split = SPLITS.get(sheet.strip().lower())
        if split in found:
            raise InputError(
                f"{file}: the sheets {found[split]} and {sheet} are both {split}; rename one"
            )
        if split:
            found[split] = sheet
    if not found:
        yield own, Source((file,))
        return
    if sheets[0] not in found.values() and (own or "train") not in found:
        yield own, Source((file,), sheets[0])
    for split, sheet in found.items():
        yield split, Source((file,), sheet)


def unread_sheets(given: Iterable[Source]) -> list[str]:
    """A line for each spreadsheet with sheets that are none of these sources."""
    used: dict[Path, list[str]] = {}
    for source in given:
        if source.sheet:
            used.setdefault(source.files[0], []).append(source.sheet)
    lines = []
    for file, sheets in used.items():
        if left := [sheet for sheet in spreadsheet.visible_sheets(file) if sheet not in sheets]:
            sheets_are = plural(len(sheets), "sheet is", "sheets are")
            lines.append(f"{file}: {sheets_are} read, {', '.join(sheets)}; not {', '.join(left)}")
    return lines
