"""A task's raw files -> one checked table per split."""

from tinybert.data.raw.describe import describe_answers, summary
from tinybert.data.raw.prepare import prepare_task, write_texts
from tinybert.data.raw.same import limit
from tinybert.models import windows
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import params, paths, stage
from tinybert.pipeline.files import write_json
from tinybert.tasks import teacher


def main(name: str) -> None:
    settings = params.load(name)
    source, folder = settings.task[name].data, paths.tables(name)
    tokenizer, read = load_tokenizer(paths.PRETRAINED), limit(settings.encode)
    length, stride = settings.encode.max_length, settings.encode.stride
    task, statistics = prepare_task(paths.raw(name), folder, source, tokenizer, read)
    if stride:
        windows.check(name, task.kind, task.pair, tokenizer)
    write_texts(folder if settings.corpus.path is None else None, paths.texts(name))
    if source.teacher:
        inside = settings.intermediate.epochs > 0
        given = teacher.fetch_teachers(source, task, paths.PRETRAINED, folder, length, inside)
        if task.answered:
            answers = teacher.answer(folder, task, given, length, stride)
            describe_answers(statistics, answers)
    write_json(paths.metrics("data", name), statistics)
    print(summary(task, statistics))


if __name__ == "__main__":
    stage.run(main)
