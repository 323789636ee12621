"""Scores of all models on the test split (dev where there is none)."""

import sys

from tinybert.evaluation.compare import compare_models
from tinybert.evaluation.score_warnings import score_warnings
from tinybert.pipeline import params, stage


def main(name: str) -> None:
    settings = params.load()
    result = compare_models(name, settings.encode.max_length, settings.encode.stride)
    for line in score_warnings({name: result}):
        print(line, file=sys.stderr)


if __name__ == "__main__":
    stage.run(main)
