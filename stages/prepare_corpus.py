"""General text -> segments of tokens, for general distillation (paper §4.1)."""

from pathlib import Path

from tinybert.data.corpus.prepare import prepare_corpus
from tinybert.models.tokenizer import load_tokenizer
from tinybert.pipeline import distributed, params, paths, resume


def main() -> None:
    settings = params.load()
    with resume.stage_dir() as checkpoint_dir:
        counts = prepare_corpus(
            Path(settings.corpus.path or paths.TEXTS),
            paths.CORPUS,
            load_tokenizer(paths.PRETRAINED),
            settings.corpus,
            params.derive(settings.seed, "prepare_corpus"),
            checkpoint_dir,
        )
    if distributed.is_main():
        print(", ".join(f"{name} {count:,}" for name, count in counts.items()))


if __name__ == "__main__":
    distributed.run(main)
