"""The pretrained model, checked, at models/pretrained: everything downstream reads it there.

A student that could not learn from it is refused here, before anything is trained.
"""

from pathlib import Path

from transformers import AutoConfig

from tinybert import layer_map, params, pretrained, stage


def main() -> None:
    settings = params.load()
    source, folder = settings.pretrained, Path("models/pretrained")
    pretrained.fetch(source.model, source.revision, source.sha256, out=folder)
    teacher = AutoConfig.from_pretrained(folder)
    layer_map.check(teacher, settings.student, settings.layer_loss.layer_map)


if __name__ == "__main__":
    stage.run(main)
