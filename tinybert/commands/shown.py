"""How `tinybert init` shows a task's rows, sizes and labels."""

from tabulate import tabulate

from tinybert.pipeline.wording import plural
from tinybert.tasks.task import Task
from tinybert.tasks.word_scores import shown_tags

LABELS = 20  # shown
WIDTH = 70  # characters of a text


def rows(task: Task, parsed: list[dict]) -> list[str]:
    """Their targets, if they have some, and texts."""

    def target(row: dict) -> str:
        value = row[task.target]
        if task.kind == "classification":
            return task.labels[value]
        if task.kind == "regression":
            return f"{value:g}"
        if task.kind == "tokens":
            return shown_tags(row["words"], value, task)
        return ", ".join(name for name, on in zip(task.labels, value, strict=True) if on)

    def text(value: str) -> str:
        shown = " ".join(value.split())
        return shown if len(shown) <= WIDTH else f"{shown[:WIDTH]}..."

    roles = ["text_a", "text_b"] if task.pair else ["text_a"]
    table = [[text(row[role]) for role in roles] for row in parsed]
    header = roles if task.pair else ["text"]
    if task.has_labels:
        table = [[target(row)[:WIDTH], *texts] for row, texts in zip(parsed, table, strict=True)]
        header = [task.target, *header]
    return tabulate(table, header, disable_numparse=True).splitlines()


def alike(joined: int, divided: int, example: tuple[str, str] | None) -> list[str]:
    """Lines on the rows that a test was taken from. joined: those that stay together, because they
    are nearly alike; divided: those that do not, though they are. example: two texts."""
    lines = []
    if joined:
        together = plural(joined, "row has", "rows have")
        lines.append(f"{together} others that are nearly alike, and are on one side with them")
    if divided:
        apart = plural(divided, "row is", "rows are")
        lines.append(
            f"{apart} nearly alike (a form?), and too many for one side: train and test have some"
        )
    if lines and example:
        lines[0] += f": {' and '.join(map(repr, _differing(*example)))}"
    return lines


def _differing(*texts: str) -> list[str]:
    """The texts, cut around the first place where they differ."""
    texts = [" ".join(text.split()) for text in texts]
    one, other = texts
    marks = enumerate(zip(one, other, strict=False))
    same = next((i for i, (a, b) in marks if a != b), min(map(len, texts)))
    start = max(0, same - WIDTH // 2)
    return [
        f"{'...' * (start > 0)}{text[start : start + WIDTH]}{'...' * (len(text) > start + WIDTH)}"
        for text in texts
    ]


def sizes(task: Task, statistics: dict[str, dict]) -> str:
    """A row for each split: rows, lengths, cut rows, share of unknown tokens."""
    table = []
    for split, counts in statistics.items():
        tokens = counts.get("tokens", {"median": 0, "max": 0})
        sources = [part for part in ("train", "unlabeled") if counts.get(f"taken_from_{part}")]
        taken = f" (from {sources[0]})" if sources else ""
        unknown = f"{100 * counts.get('unknown_tokens', 0):.1f} %"
        numbers = [counts["rows"], tokens["median"], tokens["max"], counts.get("rows_cut", 0)]
        table.append([split + taken, *(f"{number:,}" for number in numbers), unknown])
    noun = "sentences" if task.kind == "tokens" else "rows"
    header = ["split", noun, "median tokens", "longest", "cut", "unknown tokens"]
    return tabulate(table, header, disable_numparse=True, colalign=("left", *["right"] * 5))


def labels(statistics: dict[str, dict]) -> list[str]:
    """A line for each label, or type of entity, with its rows in each split; the most frequent ones
    first. Nothing if no split has labels."""
    counted = {split: n["labels"] for split, n in statistics.items() if "labels" in n}
    if not counted:
        return []
    first = next(iter(counted.values()))
    order = sorted(first, key=lambda name: -first[name])
    table = [[name[:WIDTH], *(n[name] for n in counted.values())] for name in order[:LABELS]]
    if len(order) > LABELS:
        table.append([f"... {len(order) - LABELS:,} more", *[""] * len(counted)])
    return tabulate(table, ["label", *counted], disable_numparse=True).splitlines()


def scores(statistics: dict[str, dict]) -> list[str]:
    """A line for each split: its lowest, median and highest score. Nothing if none has scores."""
    parts = ("min", "median", "max")
    table = [
        [split, *(f"{counts['score'][part]:g}" for part in parts)]
        for split, counts in statistics.items()
        if "score" in counts
    ]
    if not table:
        return []
    header = ["score", "minimum", "median", "maximum"]
    shown = tabulate(table, header, disable_numparse=True, colalign=("left", *["right"] * 3))
    return shown.splitlines()
