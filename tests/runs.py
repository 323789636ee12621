"""What a finished run leaves beside the metrics of evaluate and export; and the pages of it."""

from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tiny import HOSTILE

from tinybert.evaluation.report import logs, tables
from tinybert.pipeline import paths
from tinybert.pipeline.files import read_json, write_json
from tinybert.tasks.task import Task

ROOT = Path(__file__).parents[1]
TIMINGS = {"latency_ms": 1.25, "latency_ms_p95": 2.5, "rows_per_second": 640.0}


def write_log(folder: Path, **series: list[float]) -> None:
    """What a training logs: its curves, environment and last values."""
    for name, values in series.items():
        file = folder / f"plots/metrics/{name}.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{i + 1}\t{value}\n" for i, value in enumerate(values))
        file.write_text(f"step\t{name}\n{lines}")
    write_json(folder / "environment.json", {"torch": HOSTILE})
    write_json(folder / "metrics.json", {"loss": 1.5, "step": 3})


def write_run(timed: bool = True) -> None:
    """In the current directory. timed: with the seconds of stages and the speeds."""
    settings = (ROOT / "params.yaml").read_text(encoding="utf-8")
    settings = settings.replace("[pydocs]", "[mine]").replace("  pydocs: {", "  mine: {")
    Path("params.yaml").write_text(settings, encoding="utf-8")
    for stage in logs.TRAININGS[1:]:
        write_log(paths.log(stage, "mine"), loss=[3.0, 2.0, 1.5], dev=[0.2, 0.5], lr=[1.0])
    write_log(paths.log("distill_general"), loss=[3.0, 2.0])
    notices = {"duplicates": f"2 rows repeat {HOSTILE}"}
    write_json(paths.metrics("data", "mine"), {"train": {"rows": 1234, "notices": notices}})
    write_json(paths.metrics("augment", "mine"), {"rows_in": 5})
    write_json(paths.metrics("label", "mine"), {"rows": 7})
    if timed:
        for stage in logs.STAGES:
            name = stage if stage in logs.SHARED else f"{stage}/mine"
            write_json(paths.SECONDS / f"{name}.json", {"seconds": 2.5})
        runtimes = dict.fromkeys(("teacher", "student"), tables.RUNTIMES)
        write_speed(runtimes, tables.PARTS)


def write_speed(runtimes: dict[str, Iterable[str]], parts: tuple[str, ...]) -> None:
    """Timings of models in their runtimes, all alike."""
    models, sizes = (
        {role: dict.fromkeys(kinds, value) for role, kinds in runtimes.items()}
        for value in (TIMINGS, 2.5)
    )
    timings, threads = dict.fromkeys(parts, models), dict.fromkeys(parts, 1)
    write_json(paths.SPEED / "mine.json", {"megabytes": sizes, "threads": threads, **timings})


def write_few_timings() -> None:
    """Those of the stage `report`."""
    write_speed({"teacher": ["torch"], "student": ["int8"]}, tables.PARTS[:1])


def write_predictions(labels: list[str], table: pd.DataFrame, text: str = "a text") -> None:
    """Replaces the classification task's labels and predictions. table: actual, teacher, student,
    and, if it has them, their confidences."""
    Task("classification", labels, False, ["accuracy"], ["train", "dev"]).save(paths.tables("mine"))
    for role in ("teacher", "student"):
        if f"{role}_confidence" not in table:
            table = table.assign(**{f"{role}_confidence": 0.75})
    table.to_csv(paths.METRICS / "predictions/mine.csv", index=False)
    texts = {"text_a": [text] * len(table), "text_b": pa.nulls(len(table), pa.string())}
    pq.write_table(pa.table(texts), paths.tables("mine") / "dev.parquet")
    scores = read_json(paths.metrics("eval", "mine"))
    write_json(paths.metrics("eval", "mine"), {**scores, "rows": len(table)})


class Page(HTMLParser):
    """The tags and the text of a page, the texts of its scripts, and its tables as lists of
    rows."""

    def __init__(self, file: Path):
        super().__init__()
        self.tags, self.open, self.words, self.tables, self.scripts = [], [], [], [], []
        self.feed(file.read_text(encoding="utf-8"))
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        while self.open.pop() != tag:  # of what has no end, such as meta
            pass

    def handle_data(self, data):
        if "script" in self.open:
            self.scripts.append(data)
        elif "style" not in self.open:
            self.words.append(data)
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] = f"{self.tables[-1][-1][-1]} {data.strip()}".strip()

    def rows(self, first: str) -> dict[str, dict[str, str]]:
        """By their first cell, the rows of the first table whose first header is `first`, as cells
        by header."""
        table = next(t for t in self.tables if t and t[0][0] == first)
        return {row[0]: dict(zip(table[0], row, strict=True)) for row in table[1:]}
