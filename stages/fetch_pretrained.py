"""The pretrained model, checked, at models/pretrained: everything downstream reads it there."""

from pathlib import Path

from tinybert import errors, params, pretrained


def main() -> None:
    source = params.load().pretrained
    pretrained.fetch(source.model, source.revision, source.sha256, out=Path("models/pretrained"))


if __name__ == "__main__":
    errors.run(main)
