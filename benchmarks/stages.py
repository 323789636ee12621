"""What each stage of `make run` takes, set-up aside.

    python -m benchmarks.stages [--json FILE]

Runs `dvc repro` in a temporary clone of the last commit, with an empty cache, and then once more
with nothing to do.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import describe

ROOT = Path(__file__).parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as work:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), work], check=True)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}
        command = [sys.executable, "-m", "dvc", "repro"]
        start = begun = time.perf_counter()
        stage = "before the first stage"
        with subprocess.Popen(
            command, cwd=work, env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            for line in process.stdout:
                if named := re.match(r"Running stage '(.+)':", line):
                    found[stage] = time.perf_counter() - begun
                    stage, begun = named[1], time.perf_counter()
        if process.returncode:
            sys.exit("dvc repro failed")
        found[stage] = time.perf_counter() - begun
        found["all"] = time.perf_counter() - start
        start = time.perf_counter()
        subprocess.run(command, cwd=work, env=environment, check=True, stdout=subprocess.DEVNULL)
        found["again, with nothing to do"] = time.perf_counter() - start
    print(f"{describe()}\n\n| stage | seconds |\n| --- | ---: |")
    for name, seconds in found.items():
        print(f"| {name} | {seconds:.1f} |")
    if options.json:
        text = json.dumps({"seconds": found, "machine": describe()}, indent=2)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
