"""The time of each stage in the last `make run`, and of `dvc repro` with nothing to do.

    python -m benchmarks.stages [--json FILE]

The stages write their seconds to metrics/seconds. `all` is the time from the start of the first to
the end of the last stage: it is meaningful only if one run ran all of them.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.machine import describe
from tinybert.pipeline.files import read_json, write_json
from tinybert.pipeline.paths import SECONDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    files = sorted(SECONDS.rglob("*.json"), key=lambda file: file.stat().st_mtime)
    if not files:
        sys.exit(f"{SECONDS} is empty; dvc repro fills it")
    times = {
        file.relative_to(SECONDS).with_suffix("").as_posix(): read_json(file)["seconds"]
        for file in files
    }
    ends = [file.stat().st_mtime for file in files]
    first = min(end - seconds for end, seconds in zip(ends, times.values(), strict=True))
    times["all"] = ends[-1] - first
    start = time.perf_counter()
    output = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"], check=True, capture_output=True, text=True
    ).stdout
    if "Running stage" in output:
        sys.exit("dvc repro was not up to date and has run stages; try again")
    times["again, with nothing to do"] = time.perf_counter() - start
    print(f"{describe()}\n\n| stage | seconds |\n| --- | ---: |")
    for name, seconds in times.items():
        print(f"| {name} | {seconds:.1f} |")
    if options.json:
        write_json(options.json, {"seconds": times, "machine": describe()})


if __name__ == "__main__":
    main()
