"""What came out, to look at: `python -m tinybert.report` prints the table of the last run."""

import json
from pathlib import Path

from tinybert.errors import InputError

MODELS = ("baseline", "teacher", "student")
EVAL, SPEED = Path("metrics/eval"), Path("metrics/speed")


def read(folder: Path, tasks: list[str]) -> dict[str, dict]:
    """The metrics of each task. Raises InputError that names what is missing."""
    found = {}
    for task in tasks:
        file = folder / f"{task}.json"
        if not file.is_file():
            raise InputError(f"{file} is missing; dvc repro makes it")
        found[task] = json.loads(file.read_text(encoding="utf-8"))
    return found


def scores_table(results: dict[str, dict]) -> list[list[str]]:
    """A header, and a row for each metric of each task, as percentages."""
    table = [["task", "metric", *MODELS, "student / teacher"]]
    for task, result in results.items():
        parts = {task: result}
        if "dev_mismatched" in result:
            parts[f"{task} (mismatched)"] = result["dev_mismatched"]
        for name, part in parts.items():
            for metric in part["student"]:
                values = [f"{100 * part[model][metric]:.1f}" for model in MODELS]
                table.append([name, metric, *values, f"{100 * part['retention'][metric]:.1f} %"])
    return table


def sizes_table(speeds: dict[str, dict]) -> list[list[str]]:
    """A header, and a row for each of parameters, size, latency, throughput of each task."""
    units = {
        "parameters": ("parameters (millions)", lambda value: f"{value / 1e6:.1f}", False),
        "megabytes": ("size on disk (MB)", lambda value: f"{value:.1f}", False),
        "latency_ms": ("latency, one row (ms)", lambda value: f"{value:.1f}", False),
        "rows_per_second": ("throughput (rows/s)", lambda value: f"{value:.0f}", True),
    }
    table = [["task", "", *MODELS, "student is"]]
    for task, result in speeds.items():
        for key, (name, show, more_is_better) in units.items():
            values = [show(result[model][key]) for model in MODELS]
            ratio = result["teacher"][key] / result["student"][key]
            ratio = 1 / ratio if more_is_better else ratio
            word = {"parameters": "smaller", "megabytes": "smaller"}.get(key, "faster")
            table.append([task, name, *values, f"{ratio:.1f}x {word}"])
    return table


def markdown(table: list[list[str]]) -> str:
    """Columns aligned, numbers to the right."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]

    def line(row: list[str]) -> str:
        cells = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "| " + " | ".join(cells) + " |"

    rule = ["-" * width if i < 2 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join([line(table[0]), line(rule), *map(line, table[1:])])


def write_summary(results: dict[str, dict], file: Path) -> None:
    """The mean retention over the tasks, and each model's score in each task's own metric."""
    retention = [result["retention"][result["metric"]] for result in results.values()]
    content = {
        "mean_retention": round(sum(retention) / len(retention), 4),
        "tasks": {
            task: {model: result[model][result["metric"]] for model in MODELS}
            for task, result in results.items()
        },
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    from tinybert import params

    tasks = params.load().tasks
    print(f"\n{markdown(scores_table(read(EVAL, tasks)))}")
    print(f"\n{markdown(sizes_table(read(SPEED, tasks)))}")
