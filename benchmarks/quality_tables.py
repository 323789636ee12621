"""The tables of benchmarks.quality."""

from statistics import mean, stdev

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
                for model in ("linear", "baseline", "teacher"):
                    if model in runs[0]:
                        lines.append(f"| {title} | {model} | {spread(runs, model)} | | | |")
                        title = ""
            shares = [100 * run["student"] / run["teacher"] for run in runs]
            low, high = runs[0]["interval"]
            lines.append(
                f"| | {row} | {spread(runs, 'student')} | {low:.1f} to {high:.1f} "
                f"| {mean(shares):.1f} | {mean(run['minutes'] for run in runs):.1f} |"
            )
    return "\n".join(lines)


def summary(results: Results, names: list[str]) -> str:
    """The scores by task and row, and a row's mean retention over the tasks that it has. names: of
    the rows."""
    lines = [f"| | {' | '.join(results)} | student / teacher, % |"]
    lines.append("| --- |" + " ---: |" * (len(results) + 1))
    for model in ("linear", "baseline", "teacher"):
        runs = [next(iter(rows.values())).values() for rows in results.values()]
        cells = [spread(list(r), model) if model in next(iter(r)) else "" for r in runs]
        lines.append(f"| {model} | {' | '.join(cells)} | |")
    for row in names:
        cells, shares = [], []
        for rows in results.values():
            runs = list(rows.get(row, {}).values())
            cells.append(spread(runs, "student") if runs else "")
            shares += [mean(100 * run["student"] / run["teacher"] for run in runs)] if runs else []
        if shares:
            share = f"{mean(shares):.1f} ({len(shares)} task{'s' * (len(shares) > 1)})"
            lines.append(f"| {row} | {' | '.join(cells)} | {share} |")
    return "\n".join(lines)


def spread(runs: list[dict], model: str) -> str:
    scores = [run[model] for run in runs]
    return f"{mean(scores):.1f}" + (f" ± {stdev(scores):.1f}" if len(scores) > 1 else "")
