"""What surrounds the work of every stage script."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tinybert.pipeline import errors
from tinybert.pipeline.files import write_json
from tinybert.pipeline.paths import SECONDS


def run(main: Callable[..., None]) -> None:
    """Calls a stage's main with the command line's arguments, as errors.run does, and then writes
    how long the process took to metrics/seconds/STAGE[/TASK].json: {"seconds": ...}."""

    def timed(*arguments: str) -> None:
        main(*arguments)
        seconds = time.time() - psutil.Process().create_time()
        file = SECONDS.joinpath(Path(sys.argv[0]).stem, *arguments).with_suffix(".json")
        write_json(file, {"seconds": round(seconds, 1)})

    errors.run(timed, *sys.argv[1:])
