"""What every stage script does around its own work."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tinybert import errors

SECONDS = Path("metrics/seconds")


def run(main: Callable[..., None]) -> None:
    """Calls a stage's main with the command line's words, as errors.run does, and writes what the
    process took to metrics/seconds/STAGE[/TASK].json: {"seconds": ...}, with its start-up."""
    errors.run(main)
    seconds = time.time() - psutil.Process().create_time()
    file = SECONDS.joinpath(Path(sys.argv[0]).stem, *sys.argv[1:]).with_suffix(".json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"seconds": round(seconds, 1)}) + "\n", encoding="utf-8")
