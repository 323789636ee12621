"""The files of an exported student, and their ONNX Runtime session."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
from tokenizers import Encoding

FILES = {"onnx": "model.onnx", "int8": "model_int8.onnx"}
METADATA_FILE = "task.json"
TOKENIZER_FILE = "tokenizer.json"
# Inputs of the model -> attributes of an Encoding.
INPUTS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}


def session(file: Path, threads: int = 0) -> ort.InferenceSession:
    """Opens an ONNX file on the CPU. threads: 0 uses all cores."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Otherwise its threads busy-wait for 10 to 50 ms after each request and slow other work.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def logits(opened: ort.InferenceSession, encodings: list[Encoding]) -> np.ndarray:
    """(texts, outputs), float32.

    Each text runs alone. In 8 bits the ranges of activations are those of all rows that run
    together, padding included: a text's logits would depend on the texts beside it.
    """
    names = [value.name for value in opened.get_inputs()]
    rows = [
        {name: np.array([getattr(encoding, INPUTS[name])], np.int64) for name in names}
        for encoding in encodings
    ]
    return np.concatenate([opened.run(None, row)[0] for row in rows])
