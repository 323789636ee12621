"""All tasks' scores in one file and on one page."""

from pathlib import Path

from tinybert import errors, params, report


def main() -> None:
    results = report.read(report.EVAL, params.load().tasks)
    report.write(results, summary=Path("metrics/summary.json"), page=Path("report/index.md"))


if __name__ == "__main__":
    errors.run(main)
