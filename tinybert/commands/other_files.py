"""Files of kinds that `tinybert init` does not read: what they are, and how to make one it does."""

import json
import re
from pathlib import Path

from tinybert.data.raw.decoding import HEAD, LIMIT, foreign
from tinybert.pipeline.errors import InputError

UNPACK = {
    ".gz": "gunzip", ".bz2": "bunzip2", ".xz": "unxz", ".zst": "unzstd", ".zip": "unzip",
    ".tar": "tar -xf", ".tgz": "tar -xf", ".7z": "7z x",
}  # fmt: skip
SHEETS = (".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
DOCUMENTS = (".pdf", ".doc", ".docx", ".odt", ".rtf", ".pages")
# An object whose first value that is not plain is a list of objects: its key.
ROWS_UNDER = re.compile(
    r'\{\s*(?:"[^"\\]*"\s*:\s*(?:"[^"\\]*"|[\w.+-]+)\s*,\s*)*"([^"\\]+)"\s*:\s*\[\s*\{'
)


def remedy(file: Path) -> str:
    """What a file is and what to do, as a sentence without its subject; "" for unknown kinds.
    Raises InputError if it cannot be read."""
    suffix = file.suffix.lower()
    if suffix in UNPACK:
        command = "tar -xf" if file.stem.lower().endswith(".tar") else UNPACK[suffix]
        return f"is packed; unpack it ({command} {file}), and give what is in it"
    if suffix in SHEETS:
        return "is a spreadsheet of a kind that is not read; save it as .xlsx"
    if suffix in DOCUMENTS:
        return (
            "is a document, not a table; copy its texts into a spreadsheet (.xlsx, or .csv in "
            "UTF-8) with a text and its label in each row"
        )
    try:
        with file.open("rb") as stream:
            if kind := foreign(stream.read(HEAD)):
                return f"is {kind}"
            stream.seek(0)
            if suffix == ".json":
                first = stream.readline(LIMIT).decode("utf-8-sig", "replace")
                rest = stream.read(LIMIT).decode("utf-8", "replace")
                return _of_json(file, first, rest)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None
    return ""


def _of_json(file: Path, first: str, rest: str) -> str:
    """first, rest: its first line, and what follows."""
    out, name = file.with_suffix(".jsonl"), file.as_posix()
    if rest.strip() and _is_object(first):
        return f"has an object in each line; rename it to {out.name}"
    write = f".to_json('{out.as_posix()}', orient='records', lines=True)"
    if found := ROWS_UNDER.match((first + rest).lstrip()):
        rows = f"json.load(open('{name}', encoding='utf-8'))['{found[1]}']"
        line = f"import json, pandas; pandas.DataFrame({rows}){write}"
    else:
        rows = f"pandas.read_json('{name}', dtype=False, convert_dates=False)"
        line = f"import pandas; {rows}{write}"
    return f'is one JSON value; write each row in one line: python -c "{line}"'


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
