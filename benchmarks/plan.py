"""What `tinybert plan` foresees, beside what the stages then took.

    python -m benchmarks.plan

After `make run`: reads metrics/seconds of this run, and plans the same stages on this machine. A
stage that came from DVC's cache has the seconds of its last run here, or none.
"""

from tabulate import tabulate

from benchmarks.machine import describe
from tinybert.commands.plan import rate_here, work_of
from tinybert.pipeline import params, paths
from tinybert.pipeline.files import read_json


def main() -> None:
    settings = params.load()
    rate = rate_here(settings)
    works = work_of(settings, set(), rate, [])
    rows, sums = [], [0.0, 0.0]
    for file in sorted(paths.SECONDS.rglob("*.json")):
        parts = file.relative_to(paths.SECONDS).with_suffix("").parts
        stage, task = parts[0], parts[1] if len(parts) > 1 else settings.tasks[0]
        if task not in works:
            continue
        seconds, cost = read_json(file, "seconds")["seconds"], works[task].cost(stage)
        sums[0], sums[1] = sums[0] + cost.seconds, sums[1] + seconds
        rows.append(["@".join(parts), cost.seconds, seconds, cost.seconds / seconds])
    rows.append(["all", *sums, sums[0] / sums[1]])
    header = ["stage", "planned, s", "took, s", "planned / took"]
    print(tabulate(rows, header, tablefmt="github", floatfmt=("", ".1f", ".1f", ".2f")))
    print(f"\n{describe()}, {rate / 1e9:,.0f} GFLOP/s")


if __name__ == "__main__":
    main()
