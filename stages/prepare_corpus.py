"""General text, cleaned and tokenised into segments, for general distillation."""

from pathlib import Path

from tinybert import checkpoint, corpus, params, processes, tokenizer


def main() -> None:
    settings = params.load()
    with checkpoint.stage() as kept:
        counts = corpus.prepare(
            Path(settings.corpus.path),
            Path("data/corpus"),
            tokenizer.load_tokenizer("models/pretrained"),
            settings.corpus.max_length,
            settings.corpus.max_tokens,
            params.derive(settings.seed, "prepare_corpus"),
            work=kept,
        )
    if processes.is_main():
        print(", ".join(f"{name} {count:,}" for name, count in counts.items()))


if __name__ == "__main__":
    processes.run(main)
