"""All tasks' scores as a table, and everything there is to see on one page."""

from tinybert.evaluation.report import page, tables
from tinybert.evaluation.report.closing import closing
from tinybert.evaluation.speed import measure_served
from tinybert.pipeline import params, stage


def main() -> None:
    settings = params.load()
    tables.write_summary(settings.tasks)
    for task in settings.tasks:  # timings are in no out of the stage
        measure_served(task, settings.encode.max_length, settings.encode.stride)
    page.write(settings.tasks)
    print(closing(settings.tasks))


if __name__ == "__main__":
    stage.run(main)
