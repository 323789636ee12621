"""The student as ONNX, in float32 and in 8 bits, checked against PyTorch."""

from tinybert.deploy.onnx.export import export_student
from tinybert.pipeline import params, stage


def main(name: str) -> None:
    settings = params.load()
    export_student(name, settings.encode.max_length, settings.export, settings.encode.stride)


if __name__ == "__main__":
    stage.run(main)
