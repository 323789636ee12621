"""The files of an exported student, and their ONNX Runtime session."""

from pathlib import Path

import onnxruntime as ort

FILES = {"onnx": "model.onnx", "int8": "model_int8.onnx"}
METADATA_FILE = "task.json"


def session(file: Path, threads: int = 0) -> ort.InferenceSession:
    """Opens an ONNX file on the CPU. threads: 0 uses all cores."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Otherwise its threads busy-wait for 10 to 50 ms after each request and slow other work.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
