"""What a user sees when a run is finished, and of `tinybert report`."""

from tinybert.evaluation.report import models, tables
from tinybert.evaluation.score_warnings import score_warnings
from tinybert.pipeline import paths
from tinybert.tasks.task import load_task


def closing(tasks: list[str]) -> str:
    """The scores with their intervals, warnings, each student's size and speed beside its
    teacher's, where the page is, and the next command. Raises InputError that names a file that is
    missing or damaged."""
    results = tables.read_scores(tasks)
    worth = [_worth(name, result) for name, result in results.items()]
    return "\n".join([
        tables.markdown(tables.scores_table(results)), *score_warnings(results), "", *worth,
        f"the page: {paths.PAGE}", f"next: tinybert predict {paths.model(tasks[0], 'onnx')} FILE",
    ])  # fmt: skip


def _worth(name: str, result: dict) -> str:
    """How much smaller and faster a student is, as far as it is known."""
    rows = models.compared(name, load_task(paths.tables(name)), result)
    answer = models.answer(rows)
    student, teacher = answer["student"], answer["teacher"]
    line = f"{name}: the student in 8 bits has {student['megabytes']:.1f} MB"
    if answer["smaller"]:
        line += f", the teacher {teacher['megabytes']:.1f}: {answer['smaller']:.1f} times smaller"
    if not answer["faster"]:
        return f"{line}; its speed here: tinybert speed, then tinybert report"
    slow, fast = (row["timings"]["one_thread"]["latency_ms"] for row in (teacher, student))
    line += (
        f"; on one thread a text takes {fast:.2f} ms, the teacher {slow:.2f}: "
        f"{answer['faster']:.1f} times faster"
    )
    if "all_cores" not in student["timings"]:
        line += ", by a few texts (all runtimes: tinybert speed, then tinybert report)"
    return line
