"""All tasks' scores as a table, and everything there is to see on one page."""

from tinybert.evaluation.report import page, tables
from tinybert.evaluation.score_warnings import score_warnings
from tinybert.pipeline import params, stage


def main() -> None:
    tasks = params.load().tasks
    tables.write_summary(tasks)
    page.write(tasks)
    results = tables.read_scores(tasks)
    print("\n".join([tables.markdown(tables.scores_table(results)), *score_warnings(results)]))


if __name__ == "__main__":
    stage.run(main)
