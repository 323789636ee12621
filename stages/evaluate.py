"""Baseline, teacher and student on the test split (dev where there is none): scores and speed."""

from pathlib import Path

from tinybert import evaluate, params, stage


def main(name: str) -> None:
    settings = params.load()
    evaluate.run(name, settings.encode.max_length, settings.evaluate, Path("metrics"))


if __name__ == "__main__":
    stage.run(main)
