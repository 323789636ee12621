"""The models of a task beside each other: what each scores, weighs and takes, and the answer."""

from collections.abc import Callable

from markupsafe import Markup

from tinybert.evaluation.report import charts, tables
from tinybert.evaluation.score_warnings import percent
from tinybert.models.source import WEIGHTS
from tinybert.pipeline import paths
from tinybert.pipeline.files import read_json, reading
from tinybert.tasks.task import MODELS, Task

SERVED = "int8"  # what `tinybert predict` and `serve` take


def compared(name: str, task: Task, result: dict) -> list[dict]:
    """A row for each model and runtime: role, kind (the runtime), title, score and interval
    (shares, None if it was not scored), megabytes, and timings (the content of metrics/speed by
    those of PARTS that it has), None if they are not known. result: the content of metrics/eval."""
    metric, scored = result["metric"], {}
    with reading(paths.metrics("eval", name)):
        for role in ("linear", *MODELS):
            if role in result or role in task.models:
                interval = result["intervals"][role][metric]
                percent(interval)  # here, so that the error names the file
                scored[role, "torch"] = result[role][metric], interval
    exported = read_json(paths.metrics("export", name))
    megabytes, timings = {}, {}
    with reading(paths.metrics("export", name)):
        for kind in tables.RUNTIMES:
            percent(exported[kind]["interval"])
            scored["student", kind] = exported[kind][metric], exported[kind]["interval"]
            megabytes["student", kind] = float(exported[kind]["megabytes"])
    weights = paths.model(name, "teacher") / WEIGHTS
    if weights.is_file():  # comparisons of experiments, for one, have metrics alone
        megabytes["teacher", "torch"] = round(weights.stat().st_size / 1e6, 2)
    file = paths.SPEED / f"{name}.json"
    if file.is_file():
        speed = tables.read_speeds([name])[name]
        with reading(file):
            for role, sizes in speed["megabytes"].items():
                for kind, size in sizes.items():
                    megabytes[role, kind] = size
                    timings[role, kind] = {
                        part: speed[part][role][kind] for part in tables.PARTS if part in speed
                    }
    keys = [
        (role, kind)
        for role in ("linear", *task.models)
        for kind in tables.RUNTIMES
        if (role, kind) in scored or (role, kind) in megabytes
    ]
    several = {role for role, kind in keys if kind != "torch"}
    rows = []
    for role, kind in keys:
        title = MODELS.get(role, "linear model")
        score, interval = scored.get((role, kind), (None, None))
        rows.append({
            "role": role, "kind": kind, "score": score, "interval": interval,
            "title": f"{title}, {tables.RUNTIMES[kind]}" if role in several else title,
            "megabytes": megabytes.get((role, kind)), "timings": timings.get((role, kind)),
        })  # fmt: skip
    return rows


def answer(rows: list[dict]) -> dict:
    """What the student that is served is worth beside the teacher as it came: their rows, and how
    many times smaller and faster it is (None if not known)."""
    by_key = {(row["role"], row["kind"]): row for row in rows}
    student, teacher = by_key["student", SERVED], by_key["teacher", "torch"]
    smaller = faster = None
    if teacher["megabytes"]:
        smaller = teacher["megabytes"] / student["megabytes"]
    if teacher["timings"]:
        slow, fast = (row["timings"]["one_thread"]["latency_ms"] for row in (teacher, student))
        faster = slow / fast
    return {"student": student, "teacher": teacher, "smaller": smaller, "faster": faster}


def pictures(rows: list[dict], metric: str, name: str) -> list[Markup]:
    """Scores against latency, if it was measured, and against size; the models of which neither is
    known are lines."""
    scored = [row for row in rows if row["score"] is not None]
    levels = {row["title"]: 100 * row["score"] for row in scored if not row["megabytes"]}

    def picture(known: str, cost: Callable[[dict], float], x: str, key: str) -> list[Markup]:
        points = {
            row["title"]: (
                cost(row), 100 * row["score"], tuple(100 * bound for bound in row["interval"])
            )
            for row in scored
            if row[known]
        }  # fmt: skip
        if not points:
            return []
        return [charts.trade_off(points, levels, x, f"{metric}, %", f"{name}-{key}")]

    def latency(row: dict) -> float:
        return row["timings"]["one_thread"]["latency_ms"]

    return [
        *picture("timings", latency, "ms for one text, one thread", "latency"),
        *picture("megabytes", lambda row: row["megabytes"], "size, MB", "size"),
    ]
