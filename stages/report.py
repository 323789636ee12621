"""All tasks' scores as a table, and everything there is to see on one page."""

from tinybert.evaluation.report import page, tables
from tinybert.evaluation.score_warnings import score_warnings
from tinybert.pipeline import params, paths, stage


def main() -> None:
    tasks = params.load().tasks
    tables.write_summary(tasks)
    page.write(tasks)
    results = tables.read_scores(tasks)
    print("\n".join([tables.markdown(tables.scores_table(results)), *score_warnings(results)]))
    print(f"\nthe page: {paths.PAGE}; sizes and speeds: tinybert speed, then tinybert report")
    print(f"next: tinybert predict models/{tasks[0]}/onnx FILE")


if __name__ == "__main__":
    stage.run(main)
