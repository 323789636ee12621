"""Columns that are not what they are taken for, and texts that were not decoded."""

import re
from collections import Counter
from collections.abc import Iterator

from tinybert.data.raw.columns import TARGETS, Table
from tinybert.data.raw.spelling import normalised
from tinybert.data.raw.targets import as_number
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import TaskData
from tinybert.pipeline.wording import plural

REMEDY = "under the task's data in params.yaml"
FEWEST = 5  # rows; in fewer, chance looks like a rule
MOST = 0.5  # share of the rows: most of a column's values
SHARE = 0.005  # of the rows: fewer wrong characters change no score
SWAPPED = 5  # so many times more labels than texts: nobody has that many classes of a text
ENTITY = re.compile(
    r"&(?:amp|lt|gt|quot|apos|nbsp|[lr][sd]quo|[lr]aquo|[mn]dash|hellip|middot|bull|copy|reg|trade"
    r"|euro|pound|szlig|[A-Za-z](?:acute|grave|circ|uml|tilde|cedil|ring));"
    r"|&?#(?:[0-9]{2,6}|[xX][0-9a-fA-F]{2,5});"
    r"|</?(?:br|p|div|span|li|ul|td|tr|strong|em|b|i|a)(?: [^<>]*)?/?>"
)
# UTF-8 read as Latin-1 or cp1252 (also after lower-casing): European letters and marks, then other
# scripts, where the second half of a character is no mark that ends words. GBK read as Latin-1, a
# replaced character, and UTF-8 read as GBK twice.
HALF = "[\u0080-\u009f\u00a2-\u00aa\u00ac-\u00b6\u00b8-\u00ba\u00bc-\u00be\u0152\u0153\u0160\u0161"
HALF += "\u0178\u017d\u017e\u0192\u02c6\u02dc\u2020\u2021\u2030\u20ac\u2122]"
MOJIBAKE = re.compile(
    "\u00c3[\u0080-\u00ba\u0152-\u0178\u0192\u02c6\u2021\u203a\u20ac\u2122]|\u00e3[\u00a1-\u00ba]"
    "|\u00c2[\u00a0-\u00bb]"
    "|\u00e2\u20ac|\u00f0\u0178|\u00ef\u00bb\u00bf|\ufffd|\u951f\u65a4\u62f7"
    f"|[\u00e3-\u00ed]{HALF}{{2}}|(?:[\u00ce-\u00df]{HALF}){{2}}"
    r"|(?:([\u00a1-\u00b6\u00b8-\u00ff])(?!\1)){6}"
)
CODE = re.compile(r"[\w.#:/-]*[0-9][\w.#:/-]*", re.ASCII)  # a number, an id, a date


def check(table: Table, section: TaskData) -> Iterator[tuple[str, str]]:
    """Yields keys and lines for a train table as it was read. Raises InputError if its text and its
    label are exchanged."""
    [role] = set(TARGETS) & set(table.columns)
    _refuse_exchanged(table, role, section)
    if len(table) < FEWEST:
        return
    texts = [name for name in ("text_a", "text_b") if name in table.columns]
    for name in texts:
        if line := _row_numbers(table, name, texts, role):
            yield "row_numbers", line
    if role == "label":
        equal = [
            row
            for row, (text, label) in enumerate(
                zip(table.columns["text_a"], table.columns[role], strict=True)
            )
            if str(text).strip() == str(label).strip()
        ]
        if len(equal) > MOST * len(table):
            yield (
                "label_is_text",
                f"{len(equal)} rows have their text as label: {table.where(equal[0])}; set "
                f"columns: {{text: ..., label: ...}} {REMEDY}",
            )


def check_texts(table: Table, section: TaskData) -> Iterator[tuple[str, str]]:
    """Yields keys and lines for the texts of any split, which are strings."""
    if line := _quotes(table, section):
        yield "quotes", line
    pairs = {role: table.columns[role] for role in ("text_a", "text_b") if role in table.columns}
    for key, pattern, name in (
        ("entities", ENTITY, "HTML entities or tags"),
        ("mojibake", MOJIBAKE, "characters that were decoded wrongly"),
    ):
        matches = {
            row: match
            for texts in pairs.values()
            for row, text in enumerate(texts)
            if (match := pattern.search(text))
        }
        if len(matches) > SHARE * len(table):
            row = min(matches)
            remedy = (
                f"; if the file is not UTF-8, set encoding: ... {REMEDY}; else correct it"
                if key == "mojibake"
                else "; a model takes them for words, and the texts that it is asked later may "
                "lack them: correct the file"
            )
            yield (
                key,
                f"{plural(len(matches), 'row has', 'rows have')} {name}: {table.where(row)} "
                f"{matches[row][0]!r}{remedy}",
            )
    if len(table) < FEWEST:
        return
    for role, texts in pairs.items():
        text, count = Counter(map(normalised, texts)).most_common(1)[0]
        if text and count > MOST * len(table):
            row = next(row for row, other in enumerate(texts) if normalised(other) == text)
            yield (
                "same_texts",
                f"{count} rows have the same {role}: {table.where(row)}; if another column has the "
                f"texts, set columns: {{text: ..., label: ...}} {REMEDY}",
            )
    if len(pairs) == 2:
        equal = [row for row, (a, b) in enumerate(zip(*pairs.values(), strict=True)) if a == b]
        if len(equal) > MOST * len(table):
            yield (
                "equal_pairs",
                f"{len(equal)} rows have text_a as text_b: {table.where(equal[0])}; set columns: "
                f"{{text_a: ..., text_b: ..., label: ...}} {REMEDY}",
            )


def _refuse_exchanged(table: Table, role: str, section: TaskData) -> None:
    if role != "label" or section.columns or section.benchmark or section.kind == "regression":
        return
    labels = len({str(value) for value in table.columns["label"] if as_number(value) is None})
    for name in [name for name in ("text_a", "text_b") if name in table.columns]:
        texts = len(set(map(str, table.columns[name])))
        # A text may be one of few topics, with many labels; few rows have labels of their own.
        fewest = MOST * len(table) if name == "text_b" else 0
        if labels > max(SWAPPED * texts, SWAPPED, fewest):
            columns = "{text: 3, label: 2}" if name == "text_b" else "{text: 2, label: 1}"
            raise InputError(
                f"{table.file} has {labels} different labels and only "
                f"{plural(texts, 'different text', 'different texts')} as {name}: is the text in "
                f"the place of the label? Set columns: {columns}, or their names, {REMEDY}"
            )


def _row_numbers(table: Table, name: str, texts: list[str], role: str) -> str | None:
    """A line for a column of texts that are numbers, or, in pairs, words with a digit, after a
    header perhaps: they count rows, or name them."""
    values = [str(value).strip() for value in table.columns[name]]
    is_code = CODE.fullmatch if len(texts) == 2 else as_number
    first = 0 if is_code(values[0]) is not None else 1  # the header was read as a row
    if len(values) < first + FEWEST or any(is_code(value) is None for value in values[first:]):
        return None
    others = [column for column in (*texts, role) if column != name]
    positions = [i for i in range(1, len(texts) + 2) if i != texts.index(name) + 1]
    roles = ["text", "label" if role == "label" else role] if len(texts) == 2 else others
    columns = ", ".join(f"{r}: {p}" for r, p in zip(roles, positions, strict=False))
    return (
        f"{len(values) - first} rows have only a number or an id as {name}, the first in "
        f"{table.where(first)} {values[first]!r:.40}: what counts or names rows is no text; set "
        f"columns: {{{columns}}}, or their names, {REMEDY}"
    )


def _quotes(table: Table, section: TaskData) -> str | None:
    """A line for fields that were written in quotation marks, which were read as text."""
    quoted = table.file.suffix == ".csv" if section.quoted is None else section.quoted
    if quoted or table.file.suffix not in (".tsv", ".txt", ".csv"):
        return None
    enclosed, doubled = [], []
    for role in [role for role in ("text_a", "text_b", "label") if role in table.columns]:
        rows = []
        for row, text in enumerate(table.columns[role]):
            if len(text) > 1 and text[0] == text[-1] == '"':
                inner = text[1:-1].replace('""', "")
                if '"' not in inner:
                    (rows if len(inner) == len(text) - 2 else doubled).append(row)
        if len(rows) > MOST * len(table):
            enclosed += rows
    rows = doubled + enclosed
    if not rows:
        return None
    return (
        f"{plural(len(rows), 'field begins and ends', 'fields begin and end')} with quotation "
        f"marks, the first in {table.where(rows[0])}: if they are not part of it, set quoted: true "
        f"{REMEDY}"
    )
