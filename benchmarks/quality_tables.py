"""The tables of benchmarks.quality."""

from statistics import mean, stdev

# Of a task, beside its rows. The results of earlier versions do not have all of them.
MODELS = {
    "linear": "linear",
    "baseline": "baseline",
    "finetuned_general": "general student, labels alone",
    "teacher": "teacher",
}
Results = dict[str, dict[str, dict[str, dict]]]  # task -> row -> seed -> result


def table(results: Results) -> str:
    """Each row of each task."""
    lines = ["| task, metric, test rows | model | score | interval | retention | min |"]
    lines.append("| --- | --- | ---: | --- | ---: | ---: |")
    for task, rows in results.items():
        for i, (row, seeds) in enumerate(rows.items()):
            runs = list(seeds.values())
            if not i:
                title = f"{task}, {runs[0]['metric']}, {runs[0]['rows']:,}"
                for model, text in MODELS.items():
                    if cell := spread(runs_of(rows, model), model):
                        lines.append(f"| {title} | {text} | {cell} | | | |")
                        title = ""
            low, high = runs[0]["interval"]
            lines.append(
                f"| | {row} | {spread(runs, 'score')} | {low:.1f} to {high:.1f} "
                f"| {mean(run['retention'] for run in runs):.1f} "
                f"| {mean(run['minutes'] for run in runs):.1f} |"
            )
    return "\n".join(lines)


def summary(results: Results, names: list[str]) -> str:
    """The scores by task and row. A row's retention over the tasks that it has: the mean of its
    tasks', and the mean score in percent of the teacher's, as in the paper's abstract. names: of
    the rows that come first, in this order."""
    lines = [f"| | {' | '.join(results)} | student / teacher, % | of the mean scores, % |"]
    lines.append("| --- |" + " ---: |" * (len(results) + 2))
    for model, text in MODELS.items():
        cells = [spread(runs_of(rows, model), model) for rows in results.values()]
        if any(cells):
            lines.append(f"| {text} | {' | '.join(cells)} | | |")
    others = (row for rows in results.values() for row in rows)
    for row in dict.fromkeys((*names, *others)):
        tasks = [list(rows.get(row, {}).values()) for rows in results.values()]
        cells = [spread(runs, "score") for runs in tasks]
        if measured := [runs for runs in tasks if runs]:
            score, teacher, share = (
                mean(mean(run[key] for run in runs) for runs in measured)
                for key in ("score", "teacher", "retention")
            )
            share = f"{share:.1f} ({len(measured)} task{'s' * (len(measured) > 1)})"
            lines.append(f"| {row} | {' | '.join(cells)} | {share} | {100 * score / teacher:.1f} |")
    return "\n".join(lines)


def runs_of(rows: dict[str, dict[str, dict]], model: str) -> list[dict]:
    """The runs that a model beside the rows is taken from: those of `no general text`, since the
    general student depends on the row, or else of the first row that has the model."""
    for row in ("no general text", *rows):
        runs = [run for run in rows.get(row, {}).values() if model in run]
        if runs:
            return runs
    return []


def spread(runs: list[dict], model: str) -> str:
    """Mean and standard deviation over the seeds; "" without runs."""
    scores = [run[model] for run in runs]
    if not scores:
        return ""
    return f"{mean(scores):.1f}" + (f" ± {stdev(scores):.1f}" if len(scores) > 1 else "")
