"""What each stage of the last `make run` took, and what `dvc repro` takes with nothing to do.

    python -m benchmarks.stages [--json FILE]

The seconds are those that the stages wrote to metrics/seconds. `all` is the time from the start of
the first to the end of the last: it means something if all of them ran in one go.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.machine import describe
from tinybert.stage import SECONDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    files = sorted(SECONDS.rglob("*.json"), key=lambda file: file.stat().st_mtime)
    if not files:
        sys.exit(f"{SECONDS} is empty; dvc repro fills it")
    found = {
        file.relative_to(SECONDS).with_suffix("").as_posix(): json.loads(file.read_text())[
            "seconds"
        ]
        for file in files
    }
    ends = [file.stat().st_mtime for file in files]
    first = min(end - seconds for end, seconds in zip(ends, found.values(), strict=True))
    found["all"] = ends[-1] - first
    start = time.perf_counter()
    said = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"], check=True, capture_output=True, text=True
    ).stdout
    if "Running stage" in said:
        sys.exit("something had changed, and dvc repro has run it; try again")
    found["again, with nothing to do"] = time.perf_counter() - start
    print(f"{describe()}\n\n| stage | seconds |\n| --- | ---: |")
    for name, seconds in found.items():
        print(f"| {name} | {seconds:.1f} |")
    if options.json:
        text = json.dumps({"seconds": found, "machine": describe()}, indent=2)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
