"""The files of an exported student, and their ONNX Runtime session."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnxruntime as ort
from tokenizers import Encoding

FILES = {"onnx": "model.onnx", "int8": "model_int8.onnx"}
METADATA_FILE = "task.json"
TOKENIZER_FILE = "tokenizer.json"
# Inputs of the model -> attributes of an Encoding.
INPUTS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}


Item, Result = TypeVar("Item"), TypeVar("Result")


def session(file: Path, threads: int = 1) -> ort.InferenceSession:
    """Opens an ONNX file on the CPU. threads: of a run; 0 uses all cores.

    A row of a small model is fastest on one thread: to wake others takes longer than its products.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Otherwise its threads busy-wait for 10 to 50 ms after each request and slow other work.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def logits(
    opened: ort.InferenceSession, texts: Iterable[list[Encoding]], threads: int = 0
) -> list[list[np.ndarray]]:
    """Of each window of each text, float32: (outputs,); for labels of words (tokens, classes).

    threads: windows that run at once; 0: as many as cores. Each window runs alone: in 8 bits the
    ranges of activations are those of all rows that run together, padding included, so that a
    text's logits would depend on the texts beside it.
    """
    names = [value.name for value in opened.get_inputs()]

    def run(window: Encoding) -> np.ndarray:
        row = {name: np.array([getattr(window, INPUTS[name])], np.int64) for name in names}
        return opened.run(None, row)[0][0]

    texts = list(texts)
    results = iter(at_once(run, list(chain.from_iterable(texts)), threads))
    return [list(islice(results, len(windows))) for windows in texts]


def at_once(
    function: Callable[[Item], Result], items: Sequence[Item], threads: int = 0
) -> list[Result]:
    """function(item) for each item, in their order. threads: items at once; 0: as many as cores."""
    threads = min(len(items), threads or os.cpu_count() or 1)
    if threads < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, items))
