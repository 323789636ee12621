"""The page of a finished project."""

from pathlib import Path

import pytest
from tiny import HOSTILE

from tinybert.evaluation.report import page, tables
from tinybert.pipeline import paths
from tinybert.pipeline.files import write_json

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


@pytest.fixture
def written(exported):
    """Writes the page of a finished project. timed: with the seconds of stages and the speeds."""

    def write(kind: str, pair: bool = False, timed: bool = True) -> Path:
        folder = exported(kind, pair=pair)
        for stage in page.TRAININGS[1:]:
            write_log(paths.log(stage, "mine"), loss=[3.0, 2.0, 1.5], dev=[0.2, 0.5], lr=[1.0])
        write_log(paths.log("distill_general"), loss=[3.0, 2.0])
        notices = {"duplicates": f"2 rows repeat {HOSTILE}"}
        write_json(paths.metrics("data", "mine"), {"train": {"rows": 1234, "notices": notices}})
        write_json(paths.metrics("augment", "mine"), {"rows_in": 5})
        write_json(paths.metrics("label", "mine"), {"rows": 7})
        if timed:
            for stage in page.STAGES:
                name = stage if stage in page.SHARED else f"{stage}/mine"
                write_json(paths.SECONDS / f"{name}.json", {"seconds": 2.5})
            models, sizes = (
                {role: dict.fromkeys(tables.RUNTIMES, value) for role in ("teacher", "student")}
                for value in (TIMINGS, 2.5)
            )
            timings = dict.fromkeys(tables.PARTS, models)
            speed = {"megabytes": sizes, "threads": dict.fromkeys(tables.PARTS, 1), **timings}
            write_json(paths.SPEED / "mine.json", speed)
        page.write(["mine"])
        return folder / paths.PAGE

    return write
