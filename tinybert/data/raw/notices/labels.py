"""Labels that look alike, consist of other labels, may be scores, or have too few rows."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from tinybert.data.raw.columns import Table
from tinybert.data.raw.targets import as_number, label_key
from tinybert.pipeline.task_data import TaskData
from tinybert.pipeline.wording import plural
from tinybert.tasks.task import TARGET

REMEDY = "under the task's data in params.yaml"
SEPARATOR = re.compile(r"\s*[,;|/\\+&、，；]\s*")
INSIDE = re.compile(r"\s+and\s+|[-_\s,]+")  # mostly inside a name, or a decimal comma
VALUES = 20  # at most: of a scale; scores that were measured have more
LONGEST = 100  # characters of a label; what is longer is a text
REPEATS = 5  # rows for each value, at least: scores that were measured repeat less
SHOWN = 5  # labels in a line
DOMINANT = 0.95  # share of the rows: whoever always says this label has that accuracy


def check(table: Table, kind: str, section: TaskData) -> Iterator[tuple[str, str]]:
    """Yields keys and lines for the targets of train, parsed, but not numbered yet."""
    if kind == "regression":
        if line := _few_scores(table, section):
            yield "few_scores", line
        return
    rows: dict[str, int] = {}
    counts: Counter[str] = Counter()
    for row, value in enumerate(table.columns[TARGET[kind]]):
        for name in value if isinstance(value, list) else [value]:
            rows.setdefault(name, row)
            counts[name] += 1
    if section.labels is None:
        yield from _alike(table, rows, counts)
    yield from _parts(table, rows, counts, kind)
    if kind == "classification":
        yield from _sizes(table, rows, counts, section)


def _alike(table: Table, rows: dict, counts: Counter) -> Iterator[tuple[str, str]]:
    spellings = defaultdict(list)
    for name in sorted(rows, key=lambda name: -counts[name]):
        spellings[label_key(name)].append(name)
    alike = [names for names in spellings.values() if len(names) > 1]
    if alike:
        names = alike[0]
        shown = ", ".join(f"{name!a} ({counts[name]})" for name in names[:SHOWN])
        renamed = ", ".join(f"{_yaml(name)}: {_yaml(names[0])}" for name in names[:SHOWN])
        yield (
            "alike_labels",
            f"{sum(map(len, alike))} labels look like another one: {shown}, in "
            f"{table.where(rows[names[1]])}; they are different classes, unless "
            f"labels: {{{renamed}, ...}} {REMEDY} names each label",
        )


def _yaml(name: str) -> str:
    """As YAML reads it; what is invisible is escaped."""
    escaped = name.encode("unicode_escape").decode().replace('"', '\\"')
    return f'"{escaped}"'


def _parts(table: Table, rows: dict, counts: Counter, kind: str) -> Iterator[tuple[str, str]]:
    joined = _joined(rows)
    numbers = [as_number(name) for name in rows]
    if joined:
        name = joined[0]
        by_commas = all("," in other for other in joined) and kind == "classification"
        remedy = "" if by_commas else "separate the labels by commas, and "
        remedy += f"set kind: multi_label {REMEDY}" if kind == "classification" else ""
        yield (
            "joined_labels",
            f"{plural(sum(counts[other] for other in joined), 'row has', 'rows have')} a label "
            f"whose parts are labels too: {name!r:.80} in {table.where(rows[name])}; if a row may "
            f"have several, {remedy.removesuffix(', and ')}",
        )
    elif None in numbers and all(map(_is_decimal, rows)):
        name = next(name for name in rows if as_number(name) is None)
        yield (
            "decimal_commas",
            f"the labels are numbers, some with a comma: {name!r} in {table.where(rows[name])}; "
            "each is a class of its own. If they are scores, write points for the commas",
        )


def _joined(rows: dict[str, int]) -> list[str]:
    """The labels whose parts are labels, too: alone or in another joined one; where a character of
    INSIDE separates them, alone."""
    short = [name for name in rows if len(name) <= LONGEST]
    split = {name: _parts_of(SEPARATOR, name) for name in short if not _is_decimal(name)}
    parts = {name: found for name, found in split.items() if len(found) > 1}
    uses = Counter(part for found in parts.values() for part in found)
    uses.update(name for name in rows if name not in parts)
    joined = [name for name, found in parts.items() if all(uses[part] > 1 for part in found)]
    for name in short:
        found = _parts_of(INSIDE, name) if name not in parts else ()
        if len(found) > 1 and all(part in rows for part in found):
            joined.append(name)
    return joined


def _parts_of(separator: re.Pattern, name: str) -> set[str]:
    return set(filter(None, separator.split(name)))


def _is_decimal(name: str) -> bool:
    return as_number(name.replace(",", ".")) is not None


def _few_scores(table: Table, section: TaskData) -> str | None:
    values = Counter(table.columns["score"])
    if section.kind or section.benchmark:
        return None
    if not 1 < len(values) <= VALUES or len(table) < REPEATS * len(values):
        return None
    shown = ", ".join(f"{value:g}" for value in sorted(values)[:SHOWN])
    more = ", ..." if len(values) > SHOWN else ""
    return (
        f"the labels are numbers with fractions, and only {len(values)} different ones ({shown}"
        f"{more}; {table.where(0)}): the task is to estimate them (regression). If they name "
        f"classes, set kind: classification {REMEDY}"
    )


def _sizes(
    table: Table, rows: dict, counts: Counter, section: TaskData
) -> Iterator[tuple[str, str]]:
    numbers = [as_number(name) for name in counts]
    if (
        len(numbers) > VALUES
        and not (section.kind or section.benchmark or section.labels)
        and all(number is not None and number.is_integer() for number in numbers)
        and (min(numbers) not in (0, 1) or max(numbers) - min(numbers) >= len(set(numbers)))
    ):
        yield (
            "many_numbers",
            f"{len(numbers)} labels are whole numbers, from {min(numbers):g} to {max(numbers):g} "
            f"({table.where(0)}), which do not count classes from 0 or 1. If they are scores, set "
            f"kind: regression {REMEDY}; now each is a class of its own",
        )
    single = [name for name in rows if counts[name] == 1]
    if single:
        shown = ", ".join(f"{name!r:.60} in {table.where(rows[name])}" for name in single[:SHOWN])
        more = ", ..." if len(single) > SHOWN else ""
        of = f"of {len(counts)} labels"
        yield (
            "labels_of_one_row",
            f"{plural(len(single), f'{of} has', f'{of} have')} a single row: {shown}{more}; add "
            "rows, or correct the label",
        )
    name, count = counts.most_common(1)[0]
    if count > DOMINANT * len(table) and section.metric != "f1_macro":
        yield (
            "one_label",
            f"{count} of {len(table)} rows have the label {name!r:.60}, the first in "
            f"{table.where(rows[name])}: accuracy hides the others; set metric: f1_macro {REMEDY}",
        )
