"""A task's raw files -> one checked table per split."""

from tinybert.data.raw.prepare import describe, prepare_task, summary, write_texts
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import params, paths, stage
from tinybert.pipeline.files import write_json
from tinybert.tasks import teacher


def main(name: str) -> None:
    settings = params.load(name)
    source, folder = settings.task[name].data, paths.tables(name)
    task, notices = prepare_task(paths.raw(name), folder, source)
    write_texts(folder if settings.corpus.path is None else None, paths.texts(name))
    length = settings.encode.max_length
    if source.teacher:
        teacher.fetch_teacher(source, task, paths.PRETRAINED, paths.teacher_source(name), length)
    statistics = describe(folder, task, load_tokenizer(paths.PRETRAINED), length)
    statistics = {split: {**statistics[split], **notices[split]} for split in statistics}
    write_json(paths.metrics("data", name), statistics)
    print(summary(task, statistics, length))


if __name__ == "__main__":
    stage.run(main)
