"""The pretrained model, checked, at models/pretrained: everything downstream reads it there."""

from pathlib import Path

from tinybert import errors, params, pretrained


def main() -> None:
    settings = params.load().pretrained
    pretrained.fetch(
        settings.model, settings.revision, settings.sha256, out=Path("models/pretrained")
    )


if __name__ == "__main__":
    errors.run(main)
