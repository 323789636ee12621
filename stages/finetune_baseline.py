"""What distillation must beat: the student's sizes from random weights, on the labels alone."""

from tinybert.models.folder import random_classifier
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import distributed, params, paths
from tinybert.tasks.finetune import finetune
from tinybert.tasks.task import load_task


def main(name: str) -> None:
    settings = params.load()
    head = load_task(paths.tables(name)).head()
    seed = params.derive(settings.seed, "finetune_baseline")
    source = paths.model(name, "general")
    model, tokenizer = random_classifier(source, head, seed), load_tokenizer(source)
    finetune(model, tokenizer, name, "baseline", settings, settings.baseline)


if __name__ == "__main__":
    distributed.run(main)
