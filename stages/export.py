"""The student as ONNX, in float32 and in 8 bits, checked and measured."""

from pathlib import Path

from tinybert import export, params, stage


def main(name: str) -> None:
    settings = params.load()
    length, most = settings.encode.max_length, settings.export.max_drop
    export.run(name, length, settings.evaluate, most, Path("metrics"))


if __name__ == "__main__":
    stage.run(main)
