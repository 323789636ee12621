"""The embedded default: a corpus and a task from the docstrings of the installed libraries."""

from pathlib import Path

from tinybert import docs, params


def main() -> None:
    settings = params.load()
    docs.harvest(
        settings.docs, settings.seed, Path("data/raw/pydocs"), Path("data/raw/docs_corpus")
    )


if __name__ == "__main__":
    main()
