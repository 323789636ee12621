"""Scores of baseline, teacher and student on the test split (dev where there is none)."""

from tinybert.evaluation.compare import compare_models
from tinybert.pipeline import params, stage


def main(name: str) -> None:
    compare_models(name, params.load().encode.max_length)


if __name__ == "__main__":
    stage.run(main)
