"""The models of a task beside each other: what each scores, weighs and takes, and the answer."""

from markupsafe import Markup

from tinybert.evaluation.report import charts, tables
from tinybert.evaluation.score_warnings import percent
from tinybert.pipeline import paths
from tinybert.pipeline.files import read_json, reading
from tinybert.tasks.task import MODELS, Task

SERVED = "int8"  # what `tinybert predict` and `serve` take


def compared(name: str, task: Task, result: dict) -> list[dict]:
    """A row for each model and runtime: role, kind (the runtime), title, score and interval
    (shares, None if it was not scored), megabytes, and timings (the content of metrics/speed by
    PARTS), None if they were not measured. result: the content of metrics/eval."""
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
    file = paths.SPEED / f"{name}.json"
    if file.is_file():
        speed = tables.read_speeds([name])[name]
        with reading(file):
            for role, sizes in speed["megabytes"].items():
                for kind in tables.RUNTIMES:
                    megabytes[role, kind] = sizes[kind]
                    timings[role, kind] = {part: speed[part][role][kind] for part in tables.PARTS}
    several = {role for role, _ in (*megabytes, *timings)} | {"student"}
    keys = [
        (role, kind)
        for role in ("linear", *task.models)
        for kind in tables.RUNTIMES
        if (role, kind) in scored or role in several
    ]
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
    many times smaller and faster it is (None if not measured)."""
    by_key = {(row["role"], row["kind"]): row for row in rows}
    student, teacher = by_key["student", SERVED], by_key["teacher", "torch"]
    smaller = faster = None
    if teacher["timings"]:
        smaller = teacher["megabytes"] / student["megabytes"]
        slow, fast = (row["timings"]["one_thread"]["latency_ms"] for row in (teacher, student))
        faster = slow / fast
    return {"student": student, "teacher": teacher, "smaller": smaller, "faster": faster}


def pictures(rows: list[dict], metric: str, name: str) -> list[Markup]:
    """Scores against latency and against size; the models of which neither is known are lines. No
    picture without measurements."""
    scored = [row for row in rows if row["score"] is not None]
    if not any(row["timings"] for row in scored):
        return []
    y = f"{metric}, %"
    levels = {row["title"]: 100 * row["score"] for row in scored if not row["megabytes"]}
    measured = [row for row in scored if row["timings"]]

    def points(cost) -> dict[str, tuple]:
        return {
            row["title"]: (
                cost(row), 100 * row["score"], tuple(100 * bound for bound in row["interval"])
            )
            for row in measured
        }  # fmt: skip

    latencies = points(lambda row: row["timings"]["one_thread"]["latency_ms"])
    sizes = points(lambda row: row["megabytes"])
    latency, size = "ms for one text, one thread", "size, MB"
    return [
        charts.trade_off(latencies, levels, latency, y, f"{name}-latency"),
        charts.trade_off(sizes, levels, size, y, f"{name}-size"),
    ]
