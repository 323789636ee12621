"""All tasks' scores in one file, and all that there is to see on one page."""

from pathlib import Path

from tinybert import page, params, report, stage


def main() -> None:
    settings = params.load()
    results = report.read(report.EVAL, settings.tasks)
    report.write_summary(results, Path("metrics/summary.json"))
    page.write(Path("report/index.html"), settings.tasks, settings.layer_loss.layer_map)


if __name__ == "__main__":
    stage.run(main)
